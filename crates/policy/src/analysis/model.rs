//! A policy as clauses over a space, and the walk that finds what it says of every request.
//!
//! The walk starts from a region and splits it only where a clause is open that may still change the answer: first
//! whatever could allow, then whatever could deny, then what asks for approvals or counts. A part that nothing can
//! allow any more, or that is denied, is not split further. What is reached in the end is a region in which the policy
//! says the same of every request.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::analysis::axes::{GOAL, SOURCE};
use crate::analysis::region::{Clause, Region, Truth};
use crate::analysis::space::Space;
use crate::facts::{DestinationClass, Tier};
use crate::limit::{Breach, Limit};
use crate::policy::{Effect, Policy};
use crate::requirement::{Joined, Requirement};

/// What a clause leads to where it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is denied; by this rule, if by one.
    Deny(Option<usize>),
    /// The rule allows it.
    Allow(usize),
    /// The rule asks for approvals or a hold.
    Ask(usize),
    /// The tier's floor asks for approvals and a hold.
    Floor(Tier),
    /// It alone is above the limit, which asks for approvals then.
    Escalate(usize),
    /// It counts towards the limit.
    Count(usize),
}

/// A clause and its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) clause: Clause,
    pub(crate) role: Role,
}

/// What a policy says of a request when no limit is used up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Denied,
    Allowed {
        requirements: Vec<Requirement>,
        hold_ms: u64,
    },
}

/// Where a walk ended: in the region, these roles and no others hold.
pub(crate) struct Leaf<'r> {
    pub(crate) region: &'r Region,
    pub(crate) standing: Standing,
    pub(crate) holds: &'r [Role],
}

/// There are more regions than may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the conditions cut requests into more regions than are looked at")]
pub struct TooManyRegions;

/// The most regions that one walk looks at.
pub(crate) const MAX_REGIONS: u64 = 4_000_000;

/// What follows where a clause holds, whatever the rule is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Consequence {
    Denied,
    Allowed,
    Asked(Vec<Requirement>, u64),
    Counted(usize),
}

/// A policy's clauses.
#[derive(Debug, Clone)]
pub(crate) struct Model<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) items: Vec<Item>,
}

/// Whether a walk looks at a region, goes on after a leaf.
pub(crate) type Keep<'a> = &'a dyn Fn(&Region) -> bool;

impl<'p> Model<'p> {
    /// The rules and the invariants of `evaluate`. Of limits only that what they can't count is denied.
    pub(crate) fn new(policy: &'p Policy, space: &Space) -> Self {
        let mut model = Self {
            policy,
            items: Vec::new(),
        };
        let blocked = space.goals(|goal| goal.class == DestinationClass::Blocked);
        model.add(vec![Space::only(GOAL, blocked)], Role::Deny(None));
        let to_hot = space.goals(|goal| goal.tier == Some(Tier::Hot));
        let from_cold = Space::only(SOURCE, space.sources(|source| source.tier == Tier::Cold));
        let cold_to_hot = from_cold.narrowed(GOAL, &to_hot);
        model.add(cold_to_hot.into_iter().collect(), Role::Deny(None));
        for tier in [Tier::Warm, Tier::Cold] {
            let of_tier = Space::only(SOURCE, space.sources(|source| source.tier == tier));
            let role = match policy.tier_floor(tier) {
                Some(_) => Role::Floor(tier),
                None => Role::Deny(None),
            };
            model.add(vec![of_tier], role);
        }
        for (number, rule) in policy.0.rules.iter().enumerate() {
            let compiled = space.compile(&rule.when, None);
            model.add(compiled.faults, Role::Deny(None));
            if rule.effect != Effect::Deny && (!rule.require.is_empty() || rule.hold_ms > 0) {
                model.add(compiled.holds.clone(), Role::Ask(number));
            }
            match rule.effect {
                Effect::Deny => model.add(compiled.holds, Role::Deny(Some(number))),
                Effect::Allow => model.add(compiled.holds, Role::Allow(number)),
                Effect::Require => {}
            }
        }
        for limit in policy.0.limits.iter() {
            model.add(space.compile_limit(limit).faults, Role::Deny(None));
        }
        model
    }

    /// What is above a limit by itself as well: together with the rules, what is said when nothing is used up yet. Each
    /// other verdict under the same rules denies, or asks for these approvals and more.
    pub(crate) fn with_empty_windows(mut self, space: &Space) -> Self {
        for (number, limit) in self.policy.0.limits.iter().enumerate() {
            let role = match limit.on_breach {
                Breach::Deny | Breach::Hold => Role::Deny(None),
                Breach::Quorum(_) => Role::Escalate(number),
            };
            self.add(space.oversize(limit), role);
        }
        self
    }

    /// Which limits a request counts towards as well.
    pub(crate) fn with_counts(mut self, space: &Space) -> Self {
        for (number, limit) in self.policy.0.limits.iter().enumerate() {
            self.add(space.compile_limit(limit).holds, Role::Count(number));
        }
        self
    }

    pub(crate) fn add(&mut self, clauses: Vec<Clause>, role: Role) {
        self.items
            .extend(clauses.into_iter().map(|clause| Item { clause, role }));
    }

    /// The model without what one rule adds.
    pub(crate) fn without_rule(&self, number: usize) -> Self {
        let of_rule = |role: Role| {
            [
                Role::Deny(Some(number)),
                Role::Allow(number),
                Role::Ask(number),
            ]
            .contains(&role)
        };
        let items = self.items.iter().filter(|item| !of_rule(item.role));
        Self {
            policy: self.policy,
            items: items.cloned().collect(),
        }
    }

    /// Walks the parts of a region that `keep` wants, until `visit` answers false.
    ///
    /// # Errors
    /// There are too many regions to look at.
    pub(crate) fn walk(
        &self,
        region: &Region,
        keep: Keep<'_>,
        visit: &mut dyn FnMut(Leaf<'_>) -> bool,
    ) -> Result<(), TooManyRegions> {
        self.walk_within(&Cell::new(MAX_REGIONS), region, keep, visit)
    }

    /// The same, where several walks together look at so many regions at most.
    ///
    /// # Errors
    /// None is left to look at.
    pub(crate) fn walk_within(
        &self,
        left: &Cell<u64>,
        region: &Region,
        keep: Keep<'_>,
        visit: &mut dyn FnMut(Leaf<'_>) -> bool,
    ) -> Result<(), TooManyRegions> {
        let items: Vec<&Item> = self.items.iter().collect();
        let mut walk = Walk {
            model: self,
            keep,
            visit,
            left,
            stopped: false,
        };
        walk.region(region, &items, &[])
    }

    /// What holds together amounts to.
    pub(crate) fn standing(&self, holds: &[Role]) -> Standing {
        let mut allowed = false;
        let mut joined = Joined::default();
        let mut longest = 0_u64;
        for role in holds {
            match role {
                Role::Deny(_) => return Standing::Denied,
                Role::Allow(_) => allowed = true,
                _ => {}
            }
            if let Some((require, hold_ms)) = self.asked(*role) {
                require.iter().for_each(|one| joined.add(one));
                longest = longest.max(hold_ms);
            }
        }
        let requirements = joined.into_list();
        if !allowed || !self.is_possible(&requirements) {
            return Standing::Denied;
        }
        Standing::Allowed {
            requirements,
            hold_ms: longest,
        }
    }

    /// Whether all operators together can give these approvals.
    pub(crate) fn is_possible(&self, requirements: &[Requirement]) -> bool {
        requirements.len() < 2
            || self
                .policy
                .satisfied(requirements, self.policy.operators())
                .is_ok()
    }

    /// The clauses that another model has too, with the same consequence. What a rule or limit is called says nothing.
    pub(crate) fn common(&self, other: &Model<'_>) -> BTreeSet<(Clause, Consequence)> {
        let of = |model: &Model<'_>| -> BTreeSet<(Clause, Consequence)> {
            let items = model.items.iter();
            items
                .map(|item| (item.clause.clone(), model.consequence(item.role)))
                .collect()
        };
        of(self).intersection(&of(other)).cloned().collect()
    }

    /// The clauses that are not among these.
    pub(crate) fn other_than<'a>(
        &'a self,
        common: &'a BTreeSet<(Clause, Consequence)>,
    ) -> impl Iterator<Item = &'a Clause> {
        let own =
            |item: &&Item| !common.contains(&(item.clause.clone(), self.consequence(item.role)));
        self.items.iter().filter(own).map(|item| &item.clause)
    }

    fn consequence(&self, role: Role) -> Consequence {
        match role {
            Role::Deny(_) => Consequence::Denied,
            Role::Allow(_) => Consequence::Allowed,
            Role::Ask(_) | Role::Floor(_) | Role::Escalate(_) => {
                let (requirements, hold_ms) = self.asked(role).unwrap_or_default();
                Consequence::Asked(requirements.to_vec(), hold_ms)
            }
            Role::Count(number) => Consequence::Counted(number),
        }
    }

    /// The approvals and the hold that a role asks for; nothing, if it asks for neither.
    fn asked(&self, role: Role) -> Option<(&[Requirement], u64)> {
        match role {
            Role::Ask(number) => {
                let rule = self.policy.0.rules.get(number)?;
                Some((&rule.require, rule.hold_ms))
            }
            Role::Floor(tier) => {
                let floor = self.policy.tier_floor(tier)?;
                Some((std::slice::from_ref(&floor.requirement), floor.hold_ms))
            }
            Role::Escalate(number) => Some((self.limit(number)?.on_breach.requirements(), 0)),
            Role::Deny(_) | Role::Allow(_) | Role::Count(_) => None,
        }
    }

    pub(crate) fn limit(&self, number: usize) -> Option<&'p Limit> {
        self.policy.0.limits.get(number)
    }
}

struct Walk<'a, 'p> {
    model: &'a Model<'p>,
    keep: Keep<'a>,
    visit: &'a mut dyn FnMut(Leaf<'_>) -> bool,
    left: &'a Cell<u64>,
    stopped: bool,
}

impl Walk<'_, '_> {
    fn region(
        &mut self,
        region: &Region,
        items: &[&Item],
        before: &[Role],
    ) -> Result<(), TooManyRegions> {
        self.left
            .set(self.left.get().checked_sub(1).ok_or(TooManyRegions)?);
        if self.stopped || !(self.keep)(region) {
            return Ok(());
        }
        let mut holds = before.to_vec();
        let mut open: Vec<(&Item, usize)> = Vec::new();
        for item in items {
            match item.clause.judge(region) {
                // A rule with alternatives holds once.
                Truth::Holds if holds.contains(&item.role) => {}
                Truth::Holds => holds.push(item.role),
                Truth::Fails => {}
                Truth::Open(test) => open.push((item, test)),
            }
        }
        let denied = holds.iter().any(|role| matches!(role, Role::Deny(_)));
        let allows = |role: &Role| matches!(role, Role::Allow(_));
        let allowed = holds.iter().any(allows);
        open.retain(|(item, _)| !(holds.contains(&item.role) || allowed && allows(&item.role)));
        let next = if denied {
            None
        } else if !allowed {
            open.iter().find(|(item, _)| allows(&item.role))
        } else {
            let deny = open
                .iter()
                .find(|(item, _)| matches!(item.role, Role::Deny(_)));
            deny.or(open.first())
        };
        let Some((item, test)) = next else {
            let standing = if allowed && !denied {
                self.model.standing(&holds)
            } else {
                Standing::Denied
            };
            self.stopped = !(self.visit)(Leaf {
                region,
                standing,
                holds: &holds,
            });
            return Ok(());
        };
        let items: Vec<&Item> = open.iter().map(|(item, _)| *item).collect();
        for part in item.clause.split(region, *test) {
            self.region(&part, &items, &holds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
