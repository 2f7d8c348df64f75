//! Who sits where: a largest flow of people into seats.
//!
//! A quorum of q from n organisations is n seats, each for somebody of another organisation, and q − n free ones. A
//! person reaches the free seats directly, and the others by way of their organisation, which lets one through. Whoever
//! belongs to none has the free seats only. Everybody sits once at most, so what several quorums ask for adds up.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{OperatorId, OrganisationId};
use crate::requirement::{People, Quorum};

/// A largest assignment of people to seats, grown by augmenting paths (Ford and Fulkerson). Groups are small: tens of
/// people.
pub(super) struct Seating<'a> {
    flow: Flow,
    people: BTreeMap<&'a OperatorId, usize>,
    /// The ways of each quorum's seats to the sink: free ones, and those of organisations.
    seats: Vec<[usize; 2]>,
}

/// The node that all seats lead to.
const SINK: usize = 0;

impl<'a> Seating<'a> {
    pub(super) fn new(known: &'a People, quorums: &[Quorum]) -> Self {
        let mut flow = Flow::default();
        flow.node();
        let mut people = BTreeMap::new();
        let mut seats = Vec::new();
        for wanted in quorums {
            let (free, apart) = (flow.node(), flow.node());
            let from_each = wanted.apart();
            let others = wanted.quorum.saturating_sub(from_each);
            seats.push([
                flow.way(free, SINK, others),
                flow.way(apart, SINK, from_each),
            ]);
            let mut houses: BTreeMap<&OrganisationId, usize> = BTreeMap::new();
            for member in known.members(&wanted.group) {
                let person = *people.entry(member).or_insert_with(|| flow.node());
                flow.way(person, free, 1);
                if from_each == 0 {
                    continue;
                }
                if let Some(organisation) = known.organisation(member) {
                    let house = *houses.entry(organisation).or_insert_with(|| {
                        let house = flow.node();
                        flow.way(house, apart, 1);
                        house
                    });
                    flow.way(person, house, 1);
                }
            }
        }
        Self {
            flow,
            people,
            seats,
        }
    }

    /// Seats one more person if that is possible, moving others to other seats where it helps; whether it was. Whoever
    /// finds no seat would find none later either.
    pub(super) fn admit(&mut self, person: &OperatorId) -> bool {
        let start = self.people.get(person).copied();
        start.is_some_and(|start| self.flow.push(start, SINK))
    }

    /// How many of a quorum's seats are taken.
    pub(super) fn filled(&self, quorum: usize) -> u32 {
        let ways = self.seats.get(quorum).into_iter().flatten();
        ways.map(|way| self.flow.used(*way)).sum()
    }

    /// The quorums that would have one seat more taken if this person were admitted: one of them, whichever is chosen.
    pub(super) fn would_reach(&self, person: &OperatorId) -> Vec<bool> {
        let reached = match self.people.get(person) {
            Some(start) => self.flow.reached(*start, SINK, false),
            None => Vec::new(),
        };
        let open = |way: &usize| {
            self.flow.room(*way) > 0
                && self
                    .flow
                    .origin(*way)
                    .is_some_and(|seat| reached.get(seat).is_some_and(Option::is_some))
        };
        self.seats
            .iter()
            .map(|ways| ways.iter().any(open))
            .collect()
    }
}

/// A network of nodes and ways with room. Each way has its opposite next to it, whose room is what is used of it.
#[derive(Default)]
struct Flow {
    /// The ways that leave each node.
    leaving: Vec<Vec<usize>>,
    ways: Vec<Way>,
}

struct Way {
    to: usize,
    room: u32,
}

/// The number of a way's opposite.
const fn opposite(way: usize) -> usize {
    way ^ 1
}

impl Flow {
    fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len().saturating_sub(1)
    }

    fn way(&mut self, from: usize, to: usize, room: u32) -> usize {
        let number = self.ways.len();
        self.ways.push(Way { to, room });
        self.ways.push(Way { to: from, room: 0 });
        for (node, way) in [(from, number), (to, opposite(number))] {
            if let Some(leaving) = self.leaving.get_mut(node) {
                leaving.push(way);
            }
        }
        number
    }

    fn room(&self, way: usize) -> u32 {
        self.ways.get(way).map_or(0, |way| way.room)
    }

    fn used(&self, way: usize) -> u32 {
        self.room(opposite(way))
    }

    fn origin(&self, way: usize) -> Option<usize> {
        self.ways.get(opposite(way)).map(|back| back.to)
    }

    /// How each node was come to, of those that can be reached from `start` without passing `end`; looked for until `end`
    /// is found, or until nothing is left.
    fn reached(&self, start: usize, end: usize, until_end: bool) -> Vec<Option<Arrival>> {
        let mut arrivals = vec![None; self.leaving.len()];
        if let Some(first) = arrivals.get_mut(start) {
            *first = Some(Arrival::Start);
        }
        let mut frontier = VecDeque::from([start]);
        while let Some(node) = frontier.pop_front() {
            if node == end {
                continue;
            }
            for number in self.leaving.get(node).into_iter().flatten() {
                let Some(way) = self.ways.get(*number).filter(|way| way.room > 0) else {
                    continue;
                };
                if let Some(arrival @ None) = arrivals.get_mut(way.to) {
                    *arrival = Some(Arrival::By(*number));
                    if until_end && way.to == end {
                        return arrivals;
                    }
                    frontier.push_back(way.to);
                }
            }
        }
        arrivals
    }

    /// Sends one from `start` to `end`, if there is room along any way; whether there was.
    fn push(&mut self, start: usize, end: usize) -> bool {
        let arrivals = self.reached(start, end, true);
        let mut at = end;
        let found = arrivals.get(end).is_some_and(Option::is_some);
        while let Some(Some(Arrival::By(number))) = arrivals.get(at) {
            for (way, more) in [(*number, false), (opposite(*number), true)] {
                if let Some(way) = self.ways.get_mut(way) {
                    way.room = if more {
                        way.room.saturating_add(1)
                    } else {
                        way.room.saturating_sub(1)
                    };
                }
            }
            let Some(origin) = self.origin(*number) else {
                break;
            };
            at = origin;
        }
        found
    }
}

/// How the search came to a node.
#[derive(Clone, Copy)]
enum Arrival {
    Start,
    By(usize),
}
