//! Limits that only one of two policies has, by meaning, and earlier withdrawals that show it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::U256;

use crate::analysis::diff::{Example, LimitChange};
use crate::analysis::model::{Leaf, Model, Standing, TooManyRegions};
use crate::analysis::region::Region;
use crate::analysis::sameness::{Meaning, binding, meanings};
use crate::analysis::space::Space;
use crate::duration::{MINUTE_MS, Span};
use crate::facts::Facts;
use crate::ids::WithdrawalId;
use crate::limit::Limit;
use crate::policy::Policy;
use crate::reason::Measure;

/// The limits that mean something else, or nothing, in the other policy; for their examples so many earlier withdrawals
/// are tried at most.
pub(super) fn changes(
    space: &Space,
    old: &Policy,
    new: &Policy,
    left: &Cell<u64>,
    most_tried: u64,
) -> Result<Vec<LimitChange>, TooManyRegions> {
    let (before, after) = (of(space, old), of(space, new));
    let mut changes = Vec::new();
    let tries = Cell::new(most_tried);
    for (policy, own, other, side) in [
        (old, &before, &after, "only the old policy"),
        (new, &after, &before, "only the new policy"),
    ] {
        for (number, parts) in own {
            let Some(limit) = policy.0.limits.get(*number) else {
                continue;
            };
            let changed = parts
                .iter()
                .filter(|part| !other.values().flatten().any(|known| known == *part));
            let mut regions = Vec::new();
            for part in changed {
                regions.extend(allowed(space, old, new, part, left)?);
            }
            // A limit on what is denied anyway changes nothing.
            if regions.is_empty() {
                continue;
            }
            changes.push(LimitChange {
                limit: format!("{side} has {}", told(limit)),
                example: example(space, old, new, limit, &regions, &tries),
            });
        }
    }
    Ok(changes)
}

/// The parts of a policy's limits that can bind, by the number of the limit.
fn of(space: &Space, policy: &Policy) -> BTreeMap<usize, BTreeSet<Meaning>> {
    let limits = policy.0.limits.iter();
    let all: Vec<_> = limits.map(|limit| meanings(space, limit)).collect();
    let binding = binding(all.iter().flatten().cloned());
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (number, parts) in all.into_iter().enumerate() {
        let kept = parts
            .into_iter()
            .filter(|part| binding.contains(part) && seen.insert(part.clone()));
        found.insert(number, kept.collect());
    }
    found
}

/// Regions of a limit's part that either policy allows; a few are enough.
fn allowed(
    space: &Space,
    old: &Policy,
    new: &Policy,
    part: &Meaning,
    left: &Cell<u64>,
) -> Result<Vec<Region>, TooManyRegions> {
    const ENOUGH: usize = 24;
    let mut found = Vec::new();
    for start in part.clause.parts(&space.all()) {
        for policy in [old, new] {
            let model = Model::new(policy, space).with_empty_windows(space);
            let mut kept = 0_usize;
            model.walk_within(left, &start, &|_| true, &mut |leaf: Leaf<'_>| {
                if matches!(leaf.standing, Standing::Allowed { .. }) {
                    found.push(leaf.region.clone());
                    kept = kept.saturating_add(1);
                }
                kept < ENOUGH
            })?;
        }
    }
    Ok(found)
}

fn told(limit: &Limit) -> String {
    let mut text = format!(
        "limit \"{}\": at most {} in {} per {}",
        limit.id,
        match limit.max {
            Measure::Count(count) => format!("{count} withdrawals"),
            other => other.to_string(),
        },
        Span(limit.window_ms),
        limit.per
    );
    let follows = match limit.on_breach.kind() {
        crate::reason::BreachKind::Deny => "denied",
        crate::reason::BreachKind::Hold => "held",
        crate::reason::BreachKind::Quorum => "approved",
    };
    text.push_str(&format!(", above that {follows}"));
    if !limit.on_breach.requirements().is_empty() {
        let by = crate::requirement::Listed(limit.on_breach.requirements());
        text.push_str(&format!(" by {by}"));
    }
    text
}

/// A request of one of the regions whose verdict depends on what was admitted before. Tried are withdrawals that use up
/// any limit's maximum, or all of it but what is asked for, at instants just inside and outside of any window.
fn example(
    space: &Space,
    old: &Policy,
    new: &Policy,
    limit: &Limit,
    regions: &[Region],
    tries: &Cell<u64>,
) -> Option<Example> {
    let limits = || old.0.limits.iter().chain(new.0.limits.iter());
    let mut ages = BTreeSet::from([MINUTE_MS]);
    for known in limits() {
        ages.extend([known.window_ms, known.window_ms.saturating_sub(1)]);
        ages.insert(known.window_ms.saturating_add(known.window_ms >> 8));
    }
    let alike =
        |one: &&Limit| std::mem::discriminant(&one.max) == std::mem::discriminant(&limit.max);
    let sums: BTreeSet<U256> = limits().filter(alike).map(Limit::max_weight).collect();
    for region in regions {
        let Some(facts) = space.request(region, 1) else {
            continue;
        };
        for other in others(space, region, &facts) {
            for (sum, age) in sums
                .iter()
                .flat_map(|sum| ages.iter().map(move |age| (*sum, *age)))
            {
                let Some(history) = earlier(space, region, limit, &other, sum, age) else {
                    continue;
                };
                let cost = u64::try_from(history.len()).ok()?;
                tries.set(tries.get().checked_sub(cost)?);
                if let Some(found) = Example::of(old, new, facts.clone(), history) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// Who and what earlier withdrawals may have been of: the same, or the same but for one thing that limits count apart.
fn others(space: &Space, region: &Region, facts: &Facts) -> Vec<Facts> {
    let mut found = vec![facts.clone()];
    let destination = space.request(region, 2).map(|other| other.destination);
    found.extend(destination.map(|destination| Facts {
        destination,
        ..facts.clone()
    }));
    let sources = &space.axes.sources;
    let sources = sources
        .iter()
        .filter(|source| source.network == facts.destination.network());
    for source in sources.take(16) {
        found.push(Facts {
            wallet: source.wallet.clone(),
            tier: source.tier,
            ..facts.clone()
        });
    }
    for initiator in space.axes.initiators.iter().take(16) {
        found.push(Facts {
            initiator: initiator.clone(),
            ..facts.clone()
        });
    }
    found
}

/// Withdrawals so long before that come to a sum, as a limit counts them.
fn earlier(
    space: &Space,
    region: &Region,
    limit: &Limit,
    like: &Facts,
    sum: U256,
    age_ms: u64,
) -> Option<Vec<Facts>> {
    const MOST: u64 = 1_000;
    let at = like.at.checked_sub_ms(age_ms)?;
    let each = |serial: u64| Facts {
        withdrawal: WithdrawalId::from_bytes(u128::from(serial).to_be_bytes()),
        at,
        ..like.clone()
    };
    match limit.max {
        Measure::Count(_) => {
            let count = u64::try_from(sum).ok().filter(|count| *count <= MOST)?;
            Some(
                (0..count)
                    .map(|serial| each(serial.saturating_add(2)))
                    .collect(),
            )
        }
        Measure::Amount(max) => {
            let most = space.amounts_in(region, max.asset()).last()?.most;
            let count = u64::try_from(sum.checked_div(most)?).ok()?;
            let mut amounts = vec![most; usize::try_from(count.min(MOST)).ok()?];
            amounts.push(sum.checked_sub(most.checked_mul(U256::from(count))?)?);
            let amounts = amounts.into_iter().filter(|units| !units.is_zero());
            let mut history = Vec::new();
            for (serial, units) in amounts.enumerate() {
                let mut one = each(u64::try_from(serial).ok()?.checked_add(2)?);
                one.amount = custodyd_chain::Amount::from_units(max.asset(), units).ok()?;
                history.push(one);
            }
            Some(history)
        }
        Measure::Fiat(max) => {
            let mut one = each(2);
            let cents = u128::try_from(sum).ok()?;
            one.fiat = Some(crate::fiat::Fiat {
                currency: max.currency,
                cents,
            });
            Some(vec![one])
        }
    }
}
