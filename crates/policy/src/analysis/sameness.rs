//! When two requirements or limits mean the same, however they are written.

use std::collections::BTreeSet;

use custodyd_chain::U256;

use crate::analysis::axes::{INITIATOR, SOURCE};
use crate::analysis::bits::Bits;
use crate::analysis::implication;
use crate::analysis::model::Standing;
use crate::analysis::region::Clause;
use crate::analysis::space::Space;
use crate::ids::WalletId;
use crate::limit::{Breach, Dimension, Limit};
use crate::policy::Policy;
use crate::reason::{BreachKind, Measure};
use crate::requirement::{Quorum, Requirement, ways};

/// The ways of meeting requirements that ask for no more than another way does, each group once.
pub(crate) fn least_ways(requirements: &[Requirement]) -> BTreeSet<Vec<Quorum>> {
    let all: BTreeSet<Vec<Quorum>> = ways(requirements).into_iter().map(merged).collect();
    let beaten = |way: &Vec<Quorum>| {
        all.iter()
            .any(|other| other != way && is_easier(other, way))
    };
    all.iter().filter(|way| !beaten(way)).cloned().collect()
}

/// Two quorums of one group take different people, so they are one of both together.
fn merged(way: Vec<Quorum>) -> Vec<Quorum> {
    let mut merged: Vec<Quorum> = Vec::new();
    for quorum in way {
        let same = |known: &&mut Quorum| {
            known.group == quorum.group && known.organisations <= 1 && quorum.organisations <= 1
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.quorum = known.quorum.saturating_add(quorum.quorum),
            None => merged.push(quorum),
        }
    }
    merged.sort();
    merged
}

/// Whether whoever meets `hard` meets `easy`, group by group.
fn is_easier(easy: &[Quorum], hard: &[Quorum]) -> bool {
    let mut left: Vec<&Quorum> = hard.iter().collect();
    easy.iter().all(|wanted| {
        let enough = |given: &&Quorum| {
            given.group == wanted.group
                && given.quorum >= wanted.quorum
                && given.organisations >= wanted.organisations
        };
        let found = left.iter().position(enough);
        found.is_some_and(|at| {
            left.swap_remove(at);
            true
        })
    })
}

/// Whether two answers are the same for whoever has to act on them.
pub(crate) fn same_standing(old: (&Policy, &Standing), new: (&Policy, &Standing)) -> bool {
    match (old.1, new.1) {
        (Standing::Denied, Standing::Denied) => true,
        (
            Standing::Allowed {
                requirements: one,
                hold_ms: a,
            },
            Standing::Allowed {
                requirements: other,
                hold_ms: b,
            },
        ) => a == b && same_requirements(old.0, new.0, one, other),
        _ => false,
    }
}

/// Whether the same people meet both; where groups differ, whether both ask the same of them.
pub(crate) fn same_requirements(
    old: &Policy,
    new: &Policy,
    one: &[Requirement],
    other: &[Requirement],
) -> bool {
    if one == other || least_ways(one) == least_ways(other) {
        return true;
    }
    let implies = |given, wanted| implication::breach(old, given, wanted, None) == Ok(None);
    old.0.people == new.0.people && implies(one, other) && implies(other, one)
}

/// A limit by what it means: what it counts, apart by what, how much in how long, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meaning {
    pub(crate) clause: Clause,
    per: Dimension,
    unit: String,
    max: U256,
    window_ms: u64,
    breach: BreachOrder,
    ways: BTreeSet<Vec<Quorum>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BreachOrder {
    Deny,
    Hold,
    Quorum,
}

impl Meaning {
    /// Whether this one leaves nothing for the other to refuse.
    fn replaces(&self, other: &Self) -> bool {
        let follows = match (self.breach, other.breach) {
            (BreachOrder::Deny, _)
            | (BreachOrder::Hold, BreachOrder::Hold | BreachOrder::Quorum) => true,
            (BreachOrder::Quorum, BreachOrder::Quorum) => self.ways == other.ways,
            _ => false,
        };
        follows
            && (self.per == Dimension::Vault || self.per == other.per)
            && self.unit == other.unit
            && self.max <= other.max
            && self.window_ms >= other.window_ms
            && self.clause.covers(&other.clause)
    }
}

/// The parts of a limit that count apart whatever it says, each with its meaning.
pub(crate) fn meanings(space: &Space, limit: &Limit) -> Vec<Meaning> {
    let unit = match limit.max {
        Measure::Count(_) => "withdrawals".to_owned(),
        Measure::Amount(max) => max.asset().to_string(),
        Measure::Fiat(max) => max.currency.to_string(),
    };
    let whole = space.compile_limit(limit).holds;
    let keys = keys(space, limit.per);
    let mut found = Vec::new();
    for clause in whole {
        for (axis, atoms, is_one) in &keys {
            let Some(clause) = clause.narrowed(*axis, atoms) else {
                continue;
            };
            found.push(Meaning {
                clause: space.plain(clause),
                // What is of one key only is counted together.
                per: if *is_one { Dimension::Vault } else { limit.per },
                unit: unit.clone(),
                max: limit.max_weight(),
                window_ms: limit.window_ms,
                breach: match limit.on_breach.kind() {
                    BreachKind::Deny => BreachOrder::Deny,
                    BreachKind::Hold => BreachOrder::Hold,
                    BreachKind::Quorum => BreachOrder::Quorum,
                },
                ways: match &limit.on_breach {
                    Breach::Quorum(require) => least_ways(require),
                    Breach::Deny | Breach::Hold => BTreeSet::new(),
                },
            });
        }
    }
    found
}

/// Meanings without those that another one leaves nothing for.
pub(crate) fn binding(meanings: impl Iterator<Item = Meaning>) -> BTreeSet<Meaning> {
    let all: BTreeSet<Meaning> = meanings.collect();
    let idle = |one: &Meaning| {
        all.iter().any(|other| {
            // Of two that replace each other, the first stays.
            other != one && other.replaces(one) && (!one.replaces(other) || other < one)
        })
    };
    all.iter().filter(|one| !idle(one)).cloned().collect()
}

/// The sets of atoms that a dimension keeps apart; whether each is of one key only.
fn keys(space: &Space, per: Dimension) -> Vec<(usize, Bits, bool)> {
    let sources = &space.axes.sources;
    match per {
        Dimension::Vault | Dimension::Destination => {
            vec![(SOURCE, space.sources(|_| true), per == Dimension::Vault)]
        }
        Dimension::Tier => {
            let tiers: BTreeSet<_> = sources.iter().map(|source| source.tier).collect();
            let of = |tier| (SOURCE, space.sources(|source| source.tier == tier), true);
            tiers.into_iter().map(of).collect()
        }
        Dimension::Asset => {
            let assets: BTreeSet<_> = sources
                .iter()
                .map(|source| source.network.asset())
                .collect();
            let of = |asset| {
                (
                    SOURCE,
                    space.sources(|source| source.network.asset() == asset),
                    true,
                )
            };
            assets.into_iter().map(of).collect()
        }
        Dimension::Wallet => {
            let wallets: BTreeSet<_> = sources.iter().map(|source| &source.wallet).collect();
            let of = |wallet: &WalletId| {
                let atoms = space.sources(|source| source.wallet == *wallet);
                (
                    SOURCE,
                    atoms,
                    space.axes.any_wallet.as_ref() != Some(wallet),
                )
            };
            wallets.into_iter().map(of).collect()
        }
        Dimension::Client => {
            let length = space.axes.initiators.len();
            let of = |atom: usize| {
                let atoms = Bits::of(length, |other| other == atom);
                let any = space.axes.initiators.get(atom);
                let is_any = any.is_some_and(|one| space.axes.any_initiators.contains(one));
                (INITIATOR, atoms, !is_any)
            };
            (0..length).map(of).collect()
        }
    }
}

#[cfg(test)]
mod tests;
