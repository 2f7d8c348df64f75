//! Whether the people who are there can do what a policy asks for, so that nobody is locked out by a change of either.

use std::collections::BTreeSet;

use crate::error::Place;
use crate::governance::ChangeKind;
use crate::ids::OperatorId;
use crate::policy::Policy;
use crate::requirement::{Joined, Requirement};

/// Approvals that a policy asks for somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Where.
    pub place: Place,
    /// Which; all of them, by different people.
    pub require: Vec<Requirement>,
    /// Whether one more person has to propose first, who then doesn't count.
    pub proposed: bool,
}

impl Policy {
    /// Whatever it asks people for: rules, limits, tiers, the end of a freeze, and each kind of change.
    pub fn demands(&self) -> Vec<Demand> {
        let parsed = &self.0;
        let demand = |place, require: &[Requirement], proposed| Demand {
            place,
            require: require.to_vec(),
            proposed,
        };
        let rules = parsed.rules.iter();
        let rules = rules.map(|rule| demand(Place::Rule(rule.id.clone()), &rule.require, false));
        let limits = parsed.limits.iter().map(|limit| {
            let require = limit.on_breach.requirements();
            demand(Place::Limit(limit.id.clone()), require, false)
        });
        let tiers = [crate::Tier::Warm, crate::Tier::Cold];
        let tiers = tiers.into_iter().filter_map(|tier| {
            let require = std::slice::from_ref(&self.tier_floor(tier)?.requirement);
            Some(demand(Place::Tier(tier), require, false))
        });
        let governance = &parsed.governance;
        let unfreeze = demand(Place::Governance, &governance.unfreeze, false);
        let changes = ChangeKind::ALL.into_iter().filter_map(|kind| {
            let rule = governance.change(kind)?;
            Some(demand(Place::Change(kind), &rule.require, true))
        });
        rules
            .chain(limits)
            .chain(tiers)
            .chain([unfreeze])
            .chain(changes)
            .filter(|demand| !demand.require.is_empty())
            .collect()
    }

    /// The first demand that these people can't meet: all of them together, or, where one of them has to propose, whoever
    /// of them that is.
    pub fn unmet_demand(&self, people: &BTreeSet<OperatorId>) -> Option<Demand> {
        let met = |demand: &Demand| {
            if demand.proposed {
                self.met_without_proposer(&demand.require, people)
            } else {
                self.satisfied(&demand.require, people).is_ok()
            }
        };
        self.demands().into_iter().find(|demand| !met(demand))
    }

    /// Whether one of these people can propose and the others meet the requirements.
    pub fn met_without_proposer(
        &self,
        require: &[Requirement],
        people: &BTreeSet<OperatorId>,
    ) -> bool {
        people.iter().any(|proposer| {
            let mut others = people.clone();
            others.remove(proposer);
            self.satisfied(require, &others).is_ok()
        })
    }

    /// What changes of all these kinds at once take: the requirements joined as those of rules are, and the longest delay in
    /// milliseconds.
    ///
    /// # Errors
    /// The first kind that can't be changed at all.
    pub fn change_terms(
        &self,
        kinds: &BTreeSet<ChangeKind>,
    ) -> Result<(Vec<Requirement>, u64), ChangeKind> {
        let mut joined = Joined::default();
        let mut longest = 0;
        for kind in kinds {
            let rule = self.governance().change(*kind).ok_or(*kind)?;
            rule.require.iter().for_each(|one| joined.add(one));
            longest = longest.max(rule.delay_ms);
        }
        Ok((joined.into_list(), longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob", "carol"]
security = ["dave", "erin"]
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[governance.changes]
default = { require = [{ group = "treasury", quorum = 2 }], delay = "1h" }
operators = { require = [{ group = "security", quorum = 1 }, { group = "treasury", quorum = 1 }], delay = "2h" }
[[rules]]
id = "small"
effect = "allow"
when = { tier = ["hot"] }
require = [{ group = "security", quorum = 1 }]
"#;

    fn unmet(people: &[&str]) -> Option<String> {
        let people = people.iter().map(|name| name.parse().unwrap()).collect();
        let demand = Policy::parse(POLICY).unwrap().unmet_demand(&people);
        demand.map(|demand| demand.place.to_string())
    }

    #[test]
    fn a_demand_is_met_by_the_people_who_are_there_and_one_more_where_somebody_proposes() {
        assert_eq!(unmet(&["alice", "bob", "carol", "dave", "erin"]), None);
        // Dave may propose what two of treasury approve.
        assert_eq!(unmet(&["alice", "bob", "dave"]), None);
        assert_eq!(
            unmet(&["alice", "bob", "carol"]).as_deref(),
            Some("rule \"small\"")
        );
        assert_eq!(
            unmet(&["alice", "dave", "erin"]).as_deref(),
            Some("governance.unfreeze")
        );
    }

    #[test]
    fn who_proposes_is_not_one_of_those_who_approve() {
        let policy = Policy::parse(POLICY).unwrap();
        let people = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let require = &policy.governance().unfreeze;
        let met = |names: &[&str]| policy.met_without_proposer(require, &people(names));
        assert!(met(&["alice", "bob", "carol"]));
        assert!(met(&["alice", "bob", "dave"]));
        assert!(!met(&["alice", "bob"]));
        assert!(!met(&["alice", "dave", "erin"]));
        assert!(!met(&[]));
        // Two of treasury, and one of security to propose what those two approve.
        assert_eq!(unmet(&["alice", "bob", "erin"]), None);
    }

    #[test]
    fn changes_of_several_kinds_take_what_each_of_them_takes_and_the_longest_delay() {
        let policy = Policy::parse(POLICY).unwrap();
        let kinds = [ChangeKind::Operators, ChangeKind::Clients].into();
        let (require, delay_ms) = policy.change_terms(&kinds).unwrap();
        let texts: Vec<String> = require.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1 of security", "2 of treasury"]);
        assert_eq!(delay_ms, 7_200_000);
    }
}
