//! What several rules ask for together.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::GroupId;
use crate::requirement::{Quorum, Requirement};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Listed;

    fn require(group: &str, quorum: u32) -> Requirement {
        Requirement::of(group.parse().unwrap(), quorum)
    }

    fn joined(requirements: &[Requirement]) -> Vec<Requirement> {
        let mut joined = Joined::default();
        requirements.iter().for_each(|one| joined.add(one));
        joined.into_list()
    }

    #[test]
    fn joined_requirements_take_the_highest_quorum_of_a_group() {
        let list = joined(&[
            require("treasury", 1),
            require("security", 1),
            require("treasury", 2),
        ]);
        assert_eq!(list, [require("security", 1), require("treasury", 2)]);
        assert_eq!(Listed(&list).to_string(), "1 of security and 2 of treasury");
    }

    #[test]
    fn the_most_organisations_count_whichever_quorum_asks_for_them() {
        let of = |quorum, organisations| {
            let group = "treasury".parse().unwrap();
            Requirement::Quorum(Quorum {
                group,
                quorum,
                organisations,
            })
        };
        let nested = Requirement::AllOf {
            all_of: vec![of(2, 2), require("security", 1)],
        };
        assert_eq!(
            joined(&[of(3, 1), nested]),
            [require("security", 1), of(3, 2)]
        );
    }

    #[test]
    fn one_choice_asked_for_twice_is_one_choice_and_another_is_another() {
        let choice = |n| Requirement::AnyOf {
            any_of: vec![require("a", n), require("b", 1)],
        };
        let list = joined(&[choice(1), require("a", 2), choice(1)]);
        assert_eq!(list, [require("a", 2), choice(1)]);
        assert_eq!(joined(&[choice(2), choice(1)]), [choice(1), choice(2)]);
    }
}
