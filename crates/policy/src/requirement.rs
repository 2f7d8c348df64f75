//! Human approval: how many of which group, and whether those who approved suffice.
//!
//! One person fills one seat. Two of treasury and one of security are three people, even if somebody belongs to
//! both groups: a quorum that one person could fill twice would be a smaller quorum than the one written down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OperatorId};

/// Groups and the people in them.
pub type Groups = BTreeMap<GroupId, BTreeSet<OperatorId>>;

/// Approval by `quorum` distinct people of `group`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Whose approval.
    pub group: GroupId,
    /// How many of them; never zero.
    pub quorum: u32,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.quorum, self.group)
    }
}

/// Requirements as a person lists them: "2 of treasury and 1 of security".
pub(crate) struct Listed<'a>(pub(crate) &'a [Requirement]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" and ")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

/// A requirement that is not met yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The group.
    pub group: GroupId,
    /// How many it takes.
    pub quorum: u32,
    /// How many of its seats the approvers fill.
    pub have: u32,
    /// Who has not approved, and would bring this requirement one seat closer by doing so.
    pub eligible: BTreeSet<OperatorId>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} from {}", self.have, self.quorum, self.group)
    }
}

/// Requirements joined over rules: per group the highest quorum counts, and different groups add up.
#[derive(Debug, Default)]
pub(crate) struct Joined(BTreeMap<GroupId, u32>);

impl Joined {
    pub(crate) fn add(&mut self, requirement: &Requirement) {
        if let Some(quorum) = self.0.get_mut(&requirement.group) {
            *quorum = requirement.quorum.max(*quorum);
        } else {
            self.0.insert(requirement.group.clone(), requirement.quorum);
        }
    }

    /// The joined list, in order of group.
    pub(crate) fn into_list(self) -> Vec<Requirement> {
        self.0
            .into_iter()
            .map(|(group, quorum)| Requirement { group, quorum })
            .collect()
    }
}

/// Whether the approvers fill every seat, each person at most one. An unknown group has no members, so it is
/// never satisfied; a quorum of zero has no seat.
pub(crate) fn satisfied(
    groups: &Groups,
    requirements: &[Requirement],
    approvers: &BTreeSet<OperatorId>,
) -> Result<(), Vec<Shortfall>> {
    let nobody = BTreeSet::new();
    let mut seats = Seating::new(
        requirements
            .iter()
            .map(|r| (groups.get(&r.group).unwrap_or(&nobody), r.quorum))
            .collect(),
    );
    for approver in approvers {
        seats.admit(approver);
    }
    let mut shortfalls = Vec::new();
    for (index, requirement) in requirements.iter().enumerate() {
        let have = seats.filled(index);
        if have >= requirement.quorum {
            continue;
        }
        let eligible = groups
            .values()
            .flatten()
            .filter(|person| !approvers.contains(*person) && seats.would_reach(person, index))
            .cloned()
            .collect();
        shortfalls.push(Shortfall {
            group: requirement.group.clone(),
            quorum: requirement.quorum,
            have,
            eligible,
        });
    }
    if shortfalls.is_empty() {
        Ok(())
    } else {
        Err(shortfalls)
    }
}

/// A largest assignment of people to seats, grown by augmenting paths (Kuhn's algorithm, with a requirement's seats
/// taken together). Groups are small: tens of people.
struct Seating<'a> {
    wanted: Vec<(&'a BTreeSet<OperatorId>, u32)>,
    seated: Vec<Vec<&'a OperatorId>>,
}

impl<'a> Seating<'a> {
    fn new(wanted: Vec<(&'a BTreeSet<OperatorId>, u32)>) -> Self {
        let seated = wanted.iter().map(|_| Vec::new()).collect();
        Self { wanted, seated }
    }

    fn filled(&self, index: usize) -> u32 {
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
    fn admit(&mut self, person: &'a OperatorId) {
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

    fn would_reach(&self, person: &OperatorId, index: usize) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn people(names: &[&str]) -> BTreeSet<OperatorId> {
        names.iter().map(|n| n.parse().unwrap()).collect()
    }

    fn groups() -> Groups {
        [
            ("treasury", people(&["alice", "bob", "carol"])),
            ("security", people(&["alice", "dave"])),
        ]
        .into_iter()
        .map(|(name, members)| (name.parse().unwrap(), members))
        .collect()
    }

    fn require(group: &str, quorum: u32) -> Requirement {
        Requirement {
            group: group.parse().unwrap(),
            quorum,
        }
    }

    #[test]
    fn enough_members_of_the_group_satisfy_it() {
        let two = [require("treasury", 2)];
        assert_eq!(
            satisfied(&groups(), &two, &people(&["alice", "bob"])),
            Ok(())
        );
        let short = satisfied(&groups(), &two, &people(&["alice", "dave", "mallory"])).unwrap_err();
        assert_eq!(short[0].have, 1);
        assert_eq!(short[0].eligible, people(&["bob", "carol"]));
        assert_eq!(short[0].to_string(), "1 of 2 from treasury");
    }

    #[test]
    fn one_person_never_fills_two_seats() {
        let both = [require("treasury", 1), require("security", 1)];
        let short = satisfied(&groups(), &both, &people(&["alice"])).unwrap_err();
        assert_eq!(short.len(), 1);
        assert_eq!(
            satisfied(&groups(), &both, &people(&["alice", "dave"])),
            Ok(())
        );
        // Alice moves to security's seat, whichever she was given first.
        assert_eq!(
            satisfied(&groups(), &both, &people(&["alice", "bob"])),
            Ok(())
        );
        let reversed = [require("security", 1), require("treasury", 1)];
        assert_eq!(
            satisfied(&groups(), &reversed, &people(&["alice", "bob"])),
            Ok(())
        );
    }

    #[test]
    fn whoever_brings_it_closer_is_eligible() {
        let both = [require("security", 1), require("treasury", 2)];
        let short = satisfied(&groups(), &both, &people(&["alice", "bob"])).unwrap_err();
        let eligible: BTreeSet<_> = short.iter().flat_map(|s| s.eligible.clone()).collect();
        assert_eq!(eligible, people(&["carol", "dave"]));
    }

    #[test]
    fn an_unknown_group_is_never_satisfied() {
        let unknown = [require("nobody", 1)];
        assert!(satisfied(&groups(), &unknown, &people(&["alice"])).is_err());
        assert_eq!(satisfied(&groups(), &[], &BTreeSet::new()), Ok(()));
    }

    #[test]
    fn joined_requirements_take_the_highest_quorum_of_a_group() {
        let mut joined = Joined::default();
        for one in [
            require("treasury", 1),
            require("security", 1),
            require("treasury", 2),
        ] {
            joined.add(&one);
        }
        let list = joined.into_list();
        assert_eq!(list, [require("security", 1), require("treasury", 2)]);
        assert_eq!(Listed(&list).to_string(), "1 of security and 2 of treasury");
    }

    mod random {
        use super::*;
        use proptest::prelude::*;

        /// The same question by brute force: give each person each seat they may have, or none.
        fn fills(groups: &Groups, wanted: &[Requirement], people: &[OperatorId]) -> bool {
            let Some((person, rest)) = people.split_first() else {
                return wanted.iter().all(|r| r.quorum == 0);
            };
            fills(groups, wanted, rest)
                || wanted.iter().enumerate().any(|(i, r)| {
                    r.quorum > 0 && groups[&r.group].contains(person) && {
                        let mut left = wanted.to_vec();
                        left[i].quorum -= 1;
                        fills(groups, &left, rest)
                    }
                })
        }

        proptest! {
            #[test]
            fn seating_agrees_with_brute_force(
                memberships in prop::collection::vec(0u8..8, 6),
                quorums in prop::collection::vec(0u32..3, 3),
                approving in prop::collection::vec(any::<bool>(), 6),
            ) {
                let person = |i: usize| format!("p{i}").parse::<OperatorId>().unwrap();
                let groups: Groups = (0..3usize).map(|g| (
                    format!("g{g}").parse().unwrap(),
                    (0..6).filter(|i| memberships[*i] >> g & 1 == 1).map(person).collect(),
                )).collect();
                let wanted: Vec<_> = (0..3).map(|g| require(&format!("g{g}"), quorums[g])).collect();
                let approvers: BTreeSet<_> = (0..6).filter(|i| approving[*i]).map(person).collect();
                let list: Vec<_> = approvers.iter().cloned().collect();
                let answer = satisfied(&groups, &wanted, &approvers);
                prop_assert_eq!(answer.is_ok(), fills(&groups, &wanted, &list));
                // Each eligible person closes one seat.
                for shortfall in answer.err().into_iter().flatten() {
                    for extra in &shortfall.eligible {
                        let mut more = approvers.clone();
                        more.insert(extra.clone());
                        let seats = |r: Result<(), Vec<Shortfall>>| r.err().into_iter().flatten()
                            .map(|s| s.quorum - s.have).sum::<u32>();
                        let before = seats(satisfied(&groups, &wanted, &approvers));
                        prop_assert_eq!(seats(satisfied(&groups, &wanted, &more)) + 1, before);
                    }
                }
            }
        }
    }
}
