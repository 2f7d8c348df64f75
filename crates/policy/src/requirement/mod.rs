//! Human approval: how many of which groups, and whether those who approved suffice.
//!
//! One person fills one seat. Two of treasury and one of security are three people, even if somebody belongs to
//! both groups: a quorum that one person could fill twice would be a smaller quorum than the one written down.

mod joined;
mod seating;
mod shortfall;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OperatorId, OrganisationId};

pub(crate) use joined::Joined;
pub use shortfall::Shortfall;
pub(crate) use shortfall::{satisfied, shortfalls};

/// Groups and the people in them.
pub type Groups = BTreeMap<GroupId, BTreeSet<OperatorId>>;

/// Organisations and the people who belong to them, each to one at most.
pub type Organisations = BTreeMap<OrganisationId, BTreeSet<OperatorId>>;

/// Who may approve, and where they belong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct People {
    pub(crate) groups: Groups,
    pub(crate) organisations: Organisations,
    /// The organisations by their people.
    belongs: BTreeMap<OperatorId, OrganisationId>,
}

impl People {
    pub(crate) fn new(groups: Groups, organisations: Organisations) -> Self {
        let each = organisations.iter().flat_map(|(organisation, members)| {
            let members = members.iter().cloned();
            members.map(|member| (member, organisation.clone()))
        });
        Self {
            belongs: each.collect(),
            groups,
            organisations,
        }
    }

    /// Everybody who is in a group, as often as they are.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &OperatorId> {
        self.groups.values().flatten()
    }

    fn members(&self, group: &GroupId) -> impl Iterator<Item = &OperatorId> {
        self.groups.get(group).into_iter().flatten()
    }

    /// The organisation that somebody belongs to, if any.
    pub(crate) fn organisation(&self, person: &OperatorId) -> Option<&OrganisationId> {
        self.belongs.get(person)
    }
}

/// The most ways that all lists of a policy may have together: each is looked at when the policy is read.
pub(crate) const MAX_ALL_WAYS: usize = 1_024;

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

impl Quorum {
    /// How many must come from an organisation of their own. One organisation is no condition: whoever belongs to none
    /// may sit there too.
    fn apart(&self) -> u32 {
        if self.organisations > 1 {
            self.organisations.min(self.quorum)
        } else {
            0
        }
    }
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

    /// The same in its one spelling: nested lists of one kind joined, in order, a list of one without its brackets.
    pub(crate) fn canonical(self) -> Self {
        match self {
            quorum @ Self::Quorum(_) => quorum,
            Self::AnyOf { any_of } => {
                let mut parts = Vec::new();
                for part in any_of {
                    match part.canonical() {
                        Self::AnyOf { any_of } => parts.extend(any_of),
                        part => parts.push(part),
                    }
                }
                parts.sort();
                only(&mut parts).unwrap_or(Self::AnyOf { any_of: parts })
            }
            Self::AllOf { all_of } => {
                let mut parts = Vec::new();
                for part in all_of {
                    match part.canonical() {
                        Self::AllOf { all_of } => parts.extend(all_of),
                        part => parts.push(part),
                    }
                }
                parts.sort();
                only(&mut parts).unwrap_or(Self::AllOf { all_of: parts })
            }
        }
    }

    /// How many ways there are of meeting it; more than can be counted is the most.
    pub(crate) fn count_ways(&self) -> usize {
        match self {
            Self::Quorum(_) => 1,
            Self::AnyOf { any_of } => any_of
                .iter()
                .fold(0, |sum: usize, part| sum.saturating_add(part.count_ways())),
            Self::AllOf { all_of } => all_of
                .iter()
                .fold(1, |all: usize, part| all.saturating_mul(part.count_ways())),
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

/// The fewest people who could meet all of these, whoever they are.
pub(crate) fn fewest(requirements: &[Requirement]) -> u64 {
    let of_one = |requirement: &Requirement| match requirement {
        Requirement::Quorum(quorum) => u64::from(quorum.quorum),
        Requirement::AnyOf { any_of } => {
            let each = any_of.iter().map(|one| fewest(std::slice::from_ref(one)));
            each.min().unwrap_or(u64::MAX)
        }
        Requirement::AllOf { all_of } => fewest(all_of),
    };
    requirements.iter().map(of_one).fold(0, u64::saturating_add)
}

fn only(parts: &mut Vec<Requirement>) -> Option<Requirement> {
    if parts.len() == 1 { parts.pop() } else { None }
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
