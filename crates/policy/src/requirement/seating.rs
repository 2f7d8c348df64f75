//! Who sits where: a largest assignment of people to seats.

use std::collections::BTreeSet;

use crate::ids::OperatorId;

/// A largest assignment of people to seats, grown by augmenting paths (Kuhn's algorithm, with a requirement's seats
/// taken together). Groups are small: tens of people.
pub(super) struct Seating<'a> {
    wanted: Vec<(&'a BTreeSet<OperatorId>, u32)>,
    seated: Vec<Vec<&'a OperatorId>>,
}

impl<'a> Seating<'a> {
    pub(super) fn new(wanted: Vec<(&'a BTreeSet<OperatorId>, u32)>) -> Self {
        let seated = wanted.iter().map(|_| Vec::new()).collect();
        Self { wanted, seated }
    }

    pub(super) fn filled(&self, index: usize) -> u32 {
        let seated = self.seated.get(index).map_or(0, Vec::len);
        u32::try_from(seated).unwrap_or(u32::MAX)
    }

    fn has_room(&self, index: usize) -> bool {
        self.wanted
            .get(index)
            .is_some_and(|(_, quorum)| self.filled(index) < *quorum)
    }

    fn belongs(&self, person: &OperatorId, index: usize) -> bool {
        self.wanted
            .get(index)
            .is_some_and(|(members, _)| members.contains(person))
    }

    /// Seats one more person if that is possible, moving others to other seats where it helps.
    pub(super) fn admit(&mut self, person: &'a OperatorId) {
        let free: Vec<usize> = (0..self.wanted.len())
            .filter(|i| self.has_room(*i))
            .collect();
        for index in free {
            if let Some(path) = self.path(person, index) {
                self.follow(&path);
                return;
            }
        }
    }

    pub(super) fn would_reach(&self, person: &OperatorId, index: usize) -> bool {
        self.path(person, index).is_some()
    }

    /// The moves by which `person` gets a seat and `target` one more: breadth first over requirements, each
    /// remembered with who would move into it and from where.
    fn path<'b>(&self, person: &'b OperatorId, target: usize) -> Option<Vec<Move<'b>>>
    where
        'a: 'b,
    {
        let mut reached: Vec<Option<Move<'b>>> = vec![None; self.wanted.len()];
        let mut frontier = Vec::new();
        for (index, slot) in reached.iter_mut().enumerate() {
            if self.belongs(person, index) {
                *slot = Some(Move {
                    person,
                    from: None,
                    to: index,
                });
                frontier.push(index);
            }
        }
        while let Some(from) = frontier.pop() {
            for seated in self.seated.get(from).into_iter().flatten() {
                for (to, slot) in reached.iter_mut().enumerate() {
                    if slot.is_none() && self.belongs(seated, to) {
                        *slot = Some(Move {
                            person: seated,
                            from: Some(from),
                            to,
                        });
                        frontier.push(to);
                    }
                }
            }
        }
        let mut path = Vec::new();
        let mut at = Some(target);
        while let Some(index) = at {
            let step = reached.get(index).copied().flatten()?;
            path.push(step);
            at = step.from;
        }
        Some(path)
    }

    fn follow(&mut self, path: &[Move<'a>]) {
        for step in path {
            if let Some(seats) = step.from.and_then(|from| self.seated.get_mut(from)) {
                seats.retain(|seated| *seated != step.person);
            }
            if let Some(seats) = self.seated.get_mut(step.to) {
                seats.push(step.person);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Move<'a> {
    person: &'a OperatorId,
    from: Option<usize>,
    to: usize,
}
