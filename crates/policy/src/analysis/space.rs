//! The space of requests that policies and claims can tell apart.
//!
//! Each axis is cut by the constants that are named: a set into each named value and "any other", an interval at its
//! bounds, time by the hours that hold. Two requests with the same atoms on every axis are judged alike by every rule
//! that the space was made for, so one request stands for all of them.

use custodyd_chain::Asset;

use crate::analysis::axes::{Axes, Goal, Source};
use crate::analysis::bits::Bits;
use crate::analysis::constants::Constants;
use crate::analysis::region::{Clause, Region, Test};
use crate::analysis::world::World;
use crate::condition::When;
use crate::hours::Hours;
use crate::policy::Policy;

/// The space of requests.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    pub(crate) axes: Axes,
    pub(crate) world: World,
    /// The distinct hours conditions, in the order in which the atoms of time list them.
    pub(crate) hours: Vec<Hours>,
}

impl Space {
    /// The space in which every rule and limit of these policies, and each of these other conditions, is decided.
    pub(crate) fn new(policies: &[&Policy], others: &[&When], world: &World) -> Self {
        let mut constants = Constants::default();
        for policy in policies {
            for rule in &policy.0.rules {
                constants.when(&rule.when);
            }
            for limit in policy.0.limits.iter() {
                constants.when(&limit.when);
                constants.maximum(limit.max);
            }
        }
        for when in others {
            constants.when(when);
        }
        let axes = constants.axes(world);
        Self {
            axes,
            world: world.clone(),
            hours: constants.hours,
        }
    }

    /// Every request.
    pub(crate) fn all(&self) -> Region {
        Region::new(self.axes.lengths().into_iter().map(Bits::full).collect())
    }

    /// The sources for which this holds.
    pub(crate) fn sources(&self, mut holds: impl FnMut(&Source) -> bool) -> Bits {
        let sources = &self.axes.sources;
        Bits::of(sources.len(), |atom| {
            sources.get(atom).is_some_and(&mut holds)
        })
    }

    /// The goals for which this holds.
    pub(crate) fn goals(&self, mut holds: impl FnMut(&Goal) -> bool) -> Bits {
        let goals = &self.axes.goals;
        Bits::of(goals.len(), |atom| goals.get(atom).is_some_and(&mut holds))
    }

    /// A clause of one test.
    pub(crate) fn only(axis: usize, atoms: Bits) -> Clause {
        Clause(vec![Test::In(axis, atoms)])
    }

    /// Whether the world says what a unit of this asset costs.
    pub(crate) fn is_priced(&self, asset: Asset) -> bool {
        let prices = self.world.prices.as_ref();
        prices.is_some_and(|(_, prices)| prices.contains_key(&asset))
    }
}
