//! Whether those who approved suffice, and who else could if they do not.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OperatorId};
use crate::requirement::seating::Seating;
use crate::requirement::{People, Quorum, Requirement, is_one, one, ways};

/// A requirement that is not met yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The group.
    pub group: GroupId,
    /// How many it takes.
    pub quorum: u32,
    /// From how many organisations at least; one asks for nothing.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub organisations: u32,
    /// How many of its seats the approvers fill.
    pub have: u32,
    /// Who has not approved, and would bring this requirement one seat closer by doing so.
    pub eligible: BTreeSet<OperatorId>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} from {}", self.have, self.quorum, self.group)?;
        if self.organisations > 1 {
            write!(f, ", of {} organisations", self.organisations)?;
        }
        Ok(())
    }
}

/// Whether the approvers fill every seat of one of the ways, each person at most one. An unknown group has no members,
/// so it is never satisfied; a quorum of zero has no seat. Else what is short in the way that is closest.
pub(crate) fn satisfied(
    people: &People,
    requirements: &[Requirement],
    approvers: &BTreeSet<OperatorId>,
) -> Result<(), Vec<Shortfall>> {
    let missing = |short: &[Shortfall]| -> u64 {
        let seats = short.iter().map(|s| s.quorum.saturating_sub(s.have));
        seats.map(u64::from).sum()
    };
    let mut closest: Option<Vec<Shortfall>> = None;
    for way in ways(requirements) {
        let short = shortfalls(people, &way, approvers);
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
pub(crate) fn shortfalls(
    people: &People,
    quorums: &[Quorum],
    approvers: &BTreeSet<OperatorId>,
) -> Vec<Shortfall> {
    let mut seats = Seating::new(people, quorums);
    let mut left: u64 = quorums.iter().map(|q| u64::from(q.quorum)).sum();
    for approver in approvers {
        if left == 0 {
            return Vec::new();
        }
        left = left.saturating_sub(u64::from(seats.admit(approver)));
    }
    let mut shortfalls = Vec::new();
    for (index, wanted) in quorums.iter().enumerate() {
        let have = seats.filled(index);
        if have < wanted.quorum {
            let shortfall = Shortfall {
                group: wanted.group.clone(),
                quorum: wanted.quorum,
                organisations: wanted.organisations,
                have,
                eligible: BTreeSet::new(),
            };
            shortfalls.push((index, shortfall));
        }
    }
    if !shortfalls.is_empty() {
        let others = people.everyone().filter(|p| !approvers.contains(*p));
        for person in others.collect::<BTreeSet<_>>() {
            let reached = seats.would_reach(person);
            for (index, shortfall) in &mut shortfalls {
                if reached.get(*index) == Some(&true) {
                    shortfall.eligible.insert(person.clone());
                }
            }
        }
    }
    shortfalls.into_iter().map(|(_, s)| s).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::fewest;

    fn people(names: &[&str]) -> BTreeSet<OperatorId> {
        names.iter().map(|n| n.parse().unwrap()).collect()
    }

    fn treasury_and_security() -> People {
        let groups = [
            ("treasury", people(&["alice", "bob", "carol"])),
            ("security", people(&["alice", "dave"])),
        ]
        .into_iter()
        .map(|(name, members)| (name.parse().unwrap(), members))
        .collect();
        let organisations = [
            ("acme", people(&["alice", "bob"])),
            ("umbrella", people(&["dave"])),
        ]
        .into_iter()
        .map(|(name, members)| (name.parse().unwrap(), members))
        .collect();
        People::new(groups, organisations)
    }

    fn require(group: &str, quorum: u32) -> Requirement {
        Requirement::of(group.parse().unwrap(), quorum)
    }

    #[test]
    fn enough_members_of_the_group_satisfy_it() {
        let two = [require("treasury", 2)];
        assert_eq!(
            satisfied(&treasury_and_security(), &two, &people(&["alice", "bob"])),
            Ok(())
        );
        let short = satisfied(
            &treasury_and_security(),
            &two,
            &people(&["alice", "dave", "mallory"]),
        )
        .unwrap_err();
        assert_eq!(short[0].have, 1);
        assert_eq!(short[0].eligible, people(&["bob", "carol"]));
        assert_eq!(short[0].to_string(), "1 of 2 from treasury");
    }

    #[test]
    fn one_person_never_fills_two_seats() {
        let both = [require("treasury", 1), require("security", 1)];
        let short = satisfied(&treasury_and_security(), &both, &people(&["alice"])).unwrap_err();
        assert_eq!(short.len(), 1);
        assert_eq!(
            satisfied(&treasury_and_security(), &both, &people(&["alice", "dave"])),
            Ok(())
        );
        // Alice moves to security's seat, whichever she was given first.
        assert_eq!(
            satisfied(&treasury_and_security(), &both, &people(&["alice", "bob"])),
            Ok(())
        );
        let reversed = [require("security", 1), require("treasury", 1)];
        assert_eq!(
            satisfied(
                &treasury_and_security(),
                &reversed,
                &people(&["alice", "bob"])
            ),
            Ok(())
        );
    }

    #[test]
    fn whoever_brings_it_closer_is_eligible() {
        let both = [require("security", 1), require("treasury", 2)];
        let short =
            satisfied(&treasury_and_security(), &both, &people(&["alice", "bob"])).unwrap_err();
        let eligible: BTreeSet<_> = short.iter().flat_map(|s| s.eligible.clone()).collect();
        assert_eq!(eligible, people(&["carol", "dave"]));
    }

    #[test]
    fn of_ways_that_are_equally_far_the_first_is_named() {
        let either = [Requirement::AnyOf {
            any_of: vec![require("security", 1), require("treasury", 1)],
        }];
        let everybody = treasury_and_security();
        let short = satisfied(&everybody, &either, &BTreeSet::new()).unwrap_err();
        assert_eq!(short[0].to_string(), "0 of 1 from security");
        // And one that is closer is named before it.
        let closer = Requirement::AnyOf {
            any_of: vec![require("security", 2), require("treasury", 2)],
        };
        let short = satisfied(&everybody, &[closer], &people(&["bob"])).unwrap_err();
        assert_eq!(short[0].to_string(), "1 of 2 from treasury");
    }

    #[test]
    fn fewer_than_the_fewest_never_satisfy() {
        let (one, two) = (require("treasury", 1), require("treasury", 2));
        let both = Requirement::AllOf {
            all_of: vec![two.clone(), require("security", 1)],
        };
        let either = Requirement::AnyOf {
            any_of: vec![both.clone(), one.clone()],
        };
        let none = Requirement::AnyOf { any_of: Vec::new() };
        for (requirements, least) in [
            (vec![], 0),
            (vec![one.clone()], 1),
            (vec![one, two], 3),
            (vec![both.clone()], 3),
            (vec![either.clone()], 1),
            (vec![either, both], 4),
            (vec![none], u64::MAX),
        ] {
            assert_eq!(fewest(&requirements), least, "{requirements:?}");
            let names = ["alice", "bob", "carol", "dave"];
            for many in 0..=names.len() {
                let enough = u64::try_from(many).unwrap() >= least;
                let met = satisfied(
                    &treasury_and_security(),
                    &requirements,
                    &people(&names[..many]),
                );
                assert!(enough || met.is_err(), "{many} met {requirements:?}");
            }
        }
    }

    #[test]
    fn an_unknown_group_is_never_satisfied() {
        let unknown = [require("nobody", 1)];
        assert!(satisfied(&treasury_and_security(), &unknown, &people(&["alice"])).is_err());
        assert_eq!(
            satisfied(&treasury_and_security(), &[], &BTreeSet::new()),
            Ok(())
        );
    }

    fn from(group: &str, quorum: u32, organisations: u32) -> Requirement {
        let group = group.parse().unwrap();
        Requirement::Quorum(Quorum {
            group,
            quorum,
            organisations,
        })
    }

    #[test]
    fn each_organisation_takes_one_of_the_seats_that_are_apart() {
        let known = treasury_and_security();
        let two_houses = [from("security", 2, 2)];
        assert_eq!(
            satisfied(&known, &two_houses, &people(&["alice", "dave"])),
            Ok(())
        );
        // Carol belongs to none, and Alice and Bob to one.
        let apart = [from("treasury", 2, 2)];
        for pair in [["alice", "bob"], ["alice", "carol"], ["bob", "carol"]] {
            let short = satisfied(&known, &apart, &people(&pair)).unwrap_err();
            assert_eq!((short[0].have, short[0].organisations), (1, 2), "{pair:?}");
            assert_eq!(
                short[0].to_string(),
                "1 of 2 from treasury, of 2 organisations"
            );
            assert!(
                short[0].eligible.is_empty(),
                "nobody else is of another organisation"
            );
        }
        let short = satisfied(&known, &two_houses, &people(&["dave"])).unwrap_err();
        assert_eq!(short[0].eligible, people(&["alice"]));
        // From one organisation is from whichever, or none.
        assert_eq!(
            satisfied(&known, &[from("treasury", 1, 1)], &people(&["carol"])),
            Ok(())
        );
    }

    #[test]
    fn of_several_ways_the_closest_says_what_is_missing() {
        let choice = [Requirement::AnyOf {
            any_of: vec![require("treasury", 3), from("security", 2, 1)],
        }];
        let known = treasury_and_security();
        let short = satisfied(&known, &choice, &people(&["alice"])).unwrap_err();
        assert_eq!(short[0].to_string(), "1 of 2 from security");
        assert_eq!(short[0].eligible, people(&["dave"]));
        let short = satisfied(&known, &choice, &people(&["bob", "carol"])).unwrap_err();
        assert_eq!(short[0].to_string(), "2 of 3 from treasury");
        assert_eq!(
            satisfied(&known, &choice, &people(&["alice", "dave"])),
            Ok(())
        );
    }

    mod random {
        use super::*;
        use proptest::prelude::*;

        /// The same question by brute force: give each person each quorum they are in the group of, or none; then look
        /// whether each has enough people and enough organisations.
        fn fills(
            known: &People,
            wanted: &[Quorum],
            left: &[OperatorId],
            given: &mut Vec<Vec<OperatorId>>,
        ) -> bool {
            let Some((person, rest)) = left.split_first() else {
                return wanted.iter().zip(given.iter()).all(|(quorum, given)| {
                    let houses: BTreeSet<_> =
                        given.iter().filter_map(|p| known.organisation(p)).collect();
                    given.len() >= quorum.quorum as usize
                        && (quorum.organisations < 2
                            || houses.len() >= quorum.organisations as usize)
                });
            };
            if fills(known, wanted, rest, given) {
                return true;
            }
            for (index, quorum) in wanted.iter().enumerate() {
                if known.groups[&quorum.group].contains(person) {
                    given[index].push(person.clone());
                    let filled = fills(known, wanted, rest, given);
                    given[index].pop();
                    if filled {
                        return true;
                    }
                }
            }
            false
        }

        fn seats_missing(answer: &Result<(), Vec<Shortfall>>) -> u32 {
            answer
                .as_ref()
                .err()
                .into_iter()
                .flatten()
                .map(|s| s.quorum - s.have)
                .sum()
        }

        fn person(i: usize) -> OperatorId {
            format!("p{i}").parse().unwrap()
        }

        /// Six people in three groups, and in two organisations or none.
        fn any_people() -> impl Strategy<Value = People> {
            let member = (0u8..8, 0usize..3);
            prop::collection::vec(member, 6).prop_map(|members| {
                let who = |holds: &dyn Fn(&(u8, usize)) -> bool| -> BTreeSet<_> {
                    (0..6).filter(|i| holds(&members[*i])).map(person).collect()
                };
                People::new(
                    (0..3)
                        .map(|g| {
                            (
                                format!("g{g}").parse().unwrap(),
                                who(&|m| m.0 >> g & 1 == 1),
                            )
                        })
                        .collect(),
                    (1..3)
                        .map(|o| (format!("o{o}").parse().unwrap(), who(&|m| m.1 == o)))
                        .collect(),
                )
            })
        }

        fn any_quorums() -> impl Strategy<Value = Vec<Quorum>> {
            let one = (0usize..3, 1u32..4, 1u32..4);
            prop::collection::vec(one, 1..4).prop_map(|list| {
                let quorum = |(group, quorum, organisations): (usize, u32, u32)| Quorum {
                    group: format!("g{group}").parse().unwrap(),
                    quorum,
                    organisations: organisations.min(quorum),
                };
                list.into_iter().map(quorum).collect()
            })
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(512))]
            #[test]
            fn seating_agrees_with_brute_force(
                known in any_people(),
                quorums in any_quorums(),
                approving in prop::collection::vec(any::<bool>(), 6),
            ) {
                let approvers: BTreeSet<_> = (0..6).filter(|i| approving[*i]).map(person).collect();
                let list: Vec<_> = approvers.iter().cloned().collect();
                let wanted: Vec<_> = quorums.iter().cloned().map(Requirement::Quorum).collect();
                let answer = satisfied(&known, &wanted, &approvers);
                let brute = fills(&known, &quorums, &list, &mut vec![Vec::new(); quorums.len()]);
                prop_assert_eq!(answer.is_ok(), brute);
                // Each eligible person closes one seat, and nobody else closes any.
                let before = seats_missing(&answer);
                let eligible: BTreeSet<_> = answer.err().into_iter().flatten().flat_map(|s| s.eligible).collect();
                for extra in (0..6).map(person).filter(|p| !approvers.contains(p)) {
                    let mut more = approvers.clone();
                    more.insert(extra.clone());
                    let after = seats_missing(&satisfied(&known, &wanted, &more));
                    prop_assert_eq!(after + u32::from(eligible.contains(&extra)), before);
                }
            }

            #[test]
            fn a_tree_is_met_where_one_of_its_ways_is(
                known in any_people(),
                parts in prop::collection::vec(any_quorums(), 1..4),
                approving in prop::collection::vec(any::<bool>(), 6),
            ) {
                let approvers: BTreeSet<_> = (0..6).filter(|i| approving[*i]).map(person).collect();
                let all = |quorums: &[Quorum]| Requirement::AllOf {
                    all_of: quorums.iter().cloned().map(Requirement::Quorum).collect(),
                };
                let tree = Requirement::AnyOf { any_of: parts.iter().map(|part| all(part)).collect() };
                let met = |requirement: Requirement| satisfied(&known, &[requirement], &approvers).is_ok();
                let any = parts.iter().any(|part| met(all(part)));
                prop_assert_eq!(met(tree.clone()), any);
                prop_assert_eq!(met(tree.clone().canonical()), any);
                prop_assert_eq!(tree.count_ways(), tree.ways().len());
                let canonical = tree.canonical();
                prop_assert_eq!(canonical.clone().canonical(), canonical);
            }
        }
    }
}
