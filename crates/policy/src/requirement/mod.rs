//! Human approval: how many of which groups, and whether those who approved suffice.
//!
//! One person fills one seat. Two of treasury and one of security are three people, even if somebody belongs to
//! both groups: a quorum that one person could fill twice would be a smaller quorum than the one written down.

mod seating;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OperatorId};
use seating::Seating;

/// Groups and the people in them.
pub type Groups = BTreeMap<GroupId, BTreeSet<OperatorId>>;

/// The most ways of meeting a list of requirements that are looked at; a policy with more is refused when it is read.
pub(crate) const MAX_WAYS: usize = 256;

/// Approval by `quorum` distinct people of `group`, who belong to at least `organisations` different organisations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// Whose approval.
    pub group: GroupId,
    /// How many of them; never zero.
    pub quorum: u32,
    /// From how many organisations at least; one asks for nothing.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub organisations: u32,
}

fn one() -> u32 {
    1
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(organisations: &u32) -> bool {
    *organisations == 1
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.quorum, self.group)?;
        if self.organisations > 1 {
            write!(f, " from {} organisations", self.organisations)?;
        }
        Ok(())
    }
}

/// Approval by people: a quorum of a group, or several such, all or any of them. In JSON `{"group": …, "quorum": …}`,
/// `{"all_of": […]}` or `{"any_of": […]}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Requirement {
    /// So many of a group.
    Quorum(Quorum),
    /// Any one of these.
    AnyOf {
        /// The alternatives; never empty.
        any_of: Vec<Requirement>,
    },
    /// Each of these, by different people.
    AllOf {
        /// The parts; never empty.
        all_of: Vec<Requirement>,
    },
}

impl Requirement {
    /// `quorum` people of `group`, of whatever organisation.
    pub fn of(group: GroupId, quorum: u32) -> Self {
        Self::Quorum(Quorum {
            group,
            quorum,
            organisations: 1,
        })
    }

    /// Every quorum that is named anywhere in it.
    pub fn quorums(&self) -> Vec<&Quorum> {
        match self {
            Self::Quorum(quorum) => vec![quorum],
            Self::AnyOf { any_of: parts } | Self::AllOf { all_of: parts } => {
                parts.iter().flat_map(Self::quorums).collect()
            }
        }
    }

    /// The ways of meeting it, each a list of quorums that must all be met by different people. No more than
    /// [`MAX_WAYS`] are given.
    pub(crate) fn ways(&self) -> Vec<Vec<Quorum>> {
        match self {
            Self::Quorum(quorum) => vec![vec![quorum.clone()]],
            Self::AnyOf { any_of } => any_of.iter().flat_map(Self::ways).take(MAX_WAYS).collect(),
            Self::AllOf { all_of } => ways(all_of),
        }
    }
}

/// The ways of meeting all of these, each quorum a seat block of its own. No more than [`MAX_WAYS`] are given: leaving one
/// out can only refuse.
pub(crate) fn ways(requirements: &[Requirement]) -> Vec<Vec<Quorum>> {
    requirements.iter().fold(vec![Vec::new()], |so_far, next| {
        let next = next.ways();
        let joined = so_far.iter().flat_map(|way| {
            next.iter().map(move |more| {
                let mut way = way.clone();
                way.extend(more.iter().cloned());
                way
            })
        });
        joined.take(MAX_WAYS).collect()
    })
}

/// How many different people it takes to meet all of these, whichever way is chosen.
pub(crate) fn fewest_people(requirements: &[Requirement]) -> u64 {
    let people = |way: &Vec<Quorum>| way.iter().map(|q| u64::from(q.quorum)).sum::<u64>();
    ways(requirements)
        .iter()
        .map(people)
        .min()
        .unwrap_or_default()
}

/// Whether somebody's approval could count towards any of these.
pub fn may_approve(groups: &Groups, requirements: &[Requirement], person: &OperatorId) -> bool {
    requirements
        .iter()
        .flat_map(Requirement::quorums)
        .filter_map(|quorum| groups.get(&quorum.group))
        .any(|members| members.contains(person))
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quorum(quorum) => write!(f, "{quorum}"),
            Self::AnyOf { any_of } => list(f, any_of, " or "),
            Self::AllOf { all_of } => list(f, all_of, " and "),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, parts: &[Requirement], joint: &str) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(joint)?;
        }
        match part {
            Requirement::Quorum(quorum) => write!(f, "{quorum}")?,
            nested => write!(f, "({nested})")?,
        }
    }
    Ok(())
}

/// Requirements as a person lists them: "2 of treasury and 1 of security".
pub(crate) struct Listed<'a>(pub(crate) &'a [Requirement]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => write!(f, "{one}"),
            several => list(f, several, " and "),
        }
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

/// Requirements joined over rules: per group the highest quorum counts, and the most organisations; different groups
/// add up, and so does each choice.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    quorums: BTreeMap<GroupId, (u32, u32)>,
    choices: BTreeSet<Requirement>,
}

impl Joined {
    pub(crate) fn add(&mut self, requirement: &Requirement) {
        match requirement {
            Requirement::Quorum(Quorum {
                group,
                quorum,
                organisations,
            }) => {
                if let Some(before) = self.quorums.get_mut(group) {
                    *before = (before.0.max(*quorum), before.1.max(*organisations));
                } else {
                    let wanted = (*quorum, *organisations);
                    self.quorums.insert(group.clone(), wanted);
                }
            }
            Requirement::AllOf { all_of } => all_of.iter().for_each(|part| self.add(part)),
            choice @ Requirement::AnyOf { .. } => {
                if !self.choices.contains(choice) {
                    self.choices.insert(choice.clone());
                }
            }
        }
    }

    /// The joined list: quorums in order of group, then choices.
    pub(crate) fn into_list(self) -> Vec<Requirement> {
        let quorums = self.quorums.into_iter();
        let quorums = quorums.map(|(group, (quorum, organisations))| {
            Requirement::Quorum(Quorum {
                group,
                quorum,
                organisations,
            })
        });
        quorums.chain(self.choices).collect()
    }
}

/// Whether the approvers fill every seat of one of the ways, each person at most one. An unknown group has no members,
/// so it is never satisfied; a quorum of zero has no seat. Else what is short in the way that is closest.
pub(crate) fn satisfied(
    groups: &Groups,
    requirements: &[Requirement],
    approvers: &BTreeSet<OperatorId>,
) -> Result<(), Vec<Shortfall>> {
    let missing = |short: &[Shortfall]| -> u64 {
        let seats = short.iter().map(|s| s.quorum.saturating_sub(s.have));
        seats.map(u64::from).sum()
    };
    let mut closest: Option<Vec<Shortfall>> = None;
    for way in ways(requirements) {
        let short = shortfalls(groups, &way, approvers);
        if short.is_empty() {
            return Ok(());
        }
        if closest
            .as_ref()
            .is_none_or(|best| missing(&short) < missing(best))
        {
            closest = Some(short);
        }
    }
    Err(closest.unwrap_or_default())
}

/// What is short where all of these quorums must be met.
fn shortfalls(
    groups: &Groups,
    quorums: &[Quorum],
    approvers: &BTreeSet<OperatorId>,
) -> Vec<Shortfall> {
    let nobody = BTreeSet::new();
    let mut seats = Seating::new(
        quorums
            .iter()
            .map(|q| (groups.get(&q.group).unwrap_or(&nobody), q.quorum))
            .collect(),
    );
    for approver in approvers {
        seats.admit(approver);
    }
    let mut shortfalls = Vec::new();
    for (index, wanted) in quorums.iter().enumerate() {
        let have = seats.filled(index);
        if have >= wanted.quorum {
            continue;
        }
        let eligible = groups
            .values()
            .flatten()
            .filter(|person| !approvers.contains(*person) && seats.would_reach(person, index))
            .cloned()
            .collect();
        shortfalls.push(Shortfall {
            group: wanted.group.clone(),
            quorum: wanted.quorum,
            have,
            eligible,
        });
    }
    shortfalls
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
        Requirement::of(group.parse().unwrap(), quorum)
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
        fn fills(groups: &Groups, wanted: &[(GroupId, u32)], people: &[OperatorId]) -> bool {
            let Some((person, rest)) = people.split_first() else {
                return wanted.iter().all(|r| r.1 == 0);
            };
            fills(groups, wanted, rest)
                || wanted.iter().enumerate().any(|(i, r)| {
                    r.1 > 0 && groups[&r.0].contains(person) && {
                        let mut left = wanted.to_vec();
                        left[i].1 -= 1;
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
                let seats: Vec<_> = (0..3).map(|g| (format!("g{g}").parse().unwrap(), quorums[g])).collect();
                let wanted: Vec<_> = (0..3).map(|g| require(&format!("g{g}"), quorums[g])).collect();
                let approvers: BTreeSet<_> = (0..6).filter(|i| approving[*i]).map(person).collect();
                let list: Vec<_> = approvers.iter().cloned().collect();
                let answer = satisfied(&groups, &wanted, &approvers);
                prop_assert_eq!(answer.is_ok(), fills(&groups, &seats, &list));
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
