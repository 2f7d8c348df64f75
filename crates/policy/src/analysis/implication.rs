//! Whether whoever meets some approvals meets others too. Decided over people, not over names of groups: two groups may
//! have the same people in them.
//!
//! People who are in the same groups and organisations are alike, so sets of people are looked at by how many of each
//! kind are in them. A set that meets requirements holds one that fills each seat of one of their ways and has nobody
//! else; if each of those meets the others, all do.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::OperatorId;
use crate::policy::Policy;
use crate::requirement::{Requirement, ways};

/// More sets of people than are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more sets of approvers than are looked at ({MAX_SETS})")]
pub(crate) struct TooManySets;

const MAX_SETS: u32 = 50_000;

/// People who are alike for every requirement of a policy, and for what else is said of them.
pub(crate) fn kinds<K: Ord>(
    policy: &Policy,
    people: &BTreeSet<OperatorId>,
    also: impl Fn(&OperatorId) -> K,
) -> Vec<Vec<OperatorId>> {
    let mut kinds: BTreeMap<(Vec<bool>, K), Vec<OperatorId>> = BTreeMap::new();
    for person in people {
        let groups = policy
            .groups()
            .values()
            .chain(policy.organisations().values());
        let kind = groups.map(|members| members.contains(person)).collect();
        let alike = kinds.entry((kind, also(person))).or_default();
        alike.push(person.clone());
    }
    kinds.into_values().collect()
}

/// A smallest set of people, `except` not among them, who meet the requirements and whom `wanted` accepts.
///
/// # Errors
/// There are too many sets of people to look at.
pub(crate) fn approvers(
    policy: &Policy,
    requirements: &[Requirement],
    except: Option<&OperatorId>,
    wanted: &dyn Fn(&BTreeSet<OperatorId>) -> bool,
) -> Result<Option<BTreeSet<OperatorId>>, TooManySets> {
    let people = policy.operators().iter();
    let people = people
        .filter(|person| Some(*person) != except)
        .cloned()
        .collect();
    let kinds = kinds(policy, &people, |_| ());
    let mut sizes = BTreeSet::new();
    for way in ways(requirements) {
        let seats = way
            .iter()
            .map(|quorum| quorum.quorum.max(quorum.organisations));
        sizes.insert(seats.fold(0_u32, u32::saturating_add));
    }
    let mut left = MAX_SETS;
    let mut found = None;
    for size in sizes {
        let mut judge = |people: &BTreeSet<OperatorId>| {
            left = left.checked_sub(1).ok_or(TooManySets)?;
            if policy.satisfied(requirements, people).is_ok() && wanted(people) {
                found = Some(people.clone());
            }
            Ok(found.is_none())
        };
        if !choose(&kinds, size, &mut BTreeSet::new(), &mut judge)? {
            break;
        }
    }
    Ok(found)
}

/// People who meet `given` and not `wanted`; nobody, if whoever meets one meets the other.
///
/// # Errors
/// There are too many sets of people to look at.
pub(crate) fn breach(
    policy: &Policy,
    given: &[Requirement],
    wanted: &[Requirement],
    except: Option<&OperatorId>,
) -> Result<Option<BTreeSet<OperatorId>>, TooManySets> {
    let misses = |people: &BTreeSet<OperatorId>| policy.satisfied(wanted, people).is_err();
    approvers(policy, given, except, &misses)
}

/// Every way of choosing `size` people, those of one kind being alike. Answers whether to go on.
pub(crate) fn choose<E>(
    kinds: &[Vec<OperatorId>],
    size: u32,
    chosen: &mut BTreeSet<OperatorId>,
    judge: &mut dyn FnMut(&BTreeSet<OperatorId>) -> Result<bool, E>,
) -> Result<bool, E> {
    if size == 0 {
        return judge(chosen);
    }
    let Some((kind, rest)) = kinds.split_first() else {
        return Ok(true);
    };
    let mut taken: Vec<&OperatorId> = Vec::new();
    let mut left = size;
    loop {
        if !choose(rest, left, chosen, judge)? {
            return Ok(false);
        }
        let Some(next) = kind.get(taken.len()) else {
            break;
        };
        let Some(fewer) = left.checked_sub(1) else {
            break;
        };
        left = fewer;
        chosen.insert(next.clone());
        taken.push(next);
    }
    for person in taken {
        chosen.remove(person);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{ALLOW, policy};

    #[test]
    fn the_larger_of_two_ways_is_looked_at_when_the_smaller_one_implies_what_is_wanted() {
        let asks = |group: &str, quorum| Requirement::of(group.parse().unwrap(), quorum);
        let given = [Requirement::AnyOf {
            any_of: vec![asks("security", 1), asks("treasury", 2)],
        }];
        let policy = policy(ALLOW);
        let found = breach(&policy, &given, &[asks("security", 1)], None).unwrap();
        let names: Vec<String> = found.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["alice", "bob"]);
        assert_eq!(breach(&policy, &given, &given, None), Ok(None));
    }
}
