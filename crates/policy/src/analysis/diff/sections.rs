//! The parts of a policy that are no rules or limits, compared in words.

use std::collections::BTreeSet;
use std::fmt::Display;

use crate::analysis::sameness::least_ways;
use crate::duration::Span;
use crate::facts::Tier;
use crate::governance::{ChangeKind, ChangeRule};
use crate::policy::{Policy, TierFloor};
use crate::requirement::Listed;
use crate::treasury::TierTarget;

/// A line for each thing that differs.
pub(super) fn changes(old: &Policy, new: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    people(&mut lines, "group", old.groups(), new.groups());
    people(
        &mut lines,
        "organisation",
        old.organisations(),
        new.organisations(),
    );
    let mut differ = |what: &str, was: String, is: String| {
        if was != is {
            lines.push(format!("{what}: was {was}; now {is}"));
        }
    };
    let span = |ms: u64| Span(ms).to_string();
    differ(
        "approvals.expire_after",
        span(old.approval_ttl_ms()),
        span(new.approval_ttl_ms()),
    );
    for tier in [Tier::Warm, Tier::Cold] {
        let floor = |policy: &Policy| {
            let floor = policy.tier_floor(tier);
            floor.map_or_else(|| "no floor".to_owned(), in_words)
        };
        differ(&format!("tiers.{tier}"), floor(old), floor(new));
    }
    let unfreeze = |policy: &Policy| least_ways(&policy.governance().unfreeze);
    if unfreeze(old) != unfreeze(new) {
        let words = |policy: &Policy| Listed(&policy.governance().unfreeze).to_string();
        differ("governance.unfreeze", words(old), words(new));
    }
    let floor = |policy: &Policy| {
        let floor = policy.governance().floor();
        format!("{} people and {}", floor.people, delay(floor.delay_ms))
    };
    differ("governance.floor", floor(old), floor(new));
    for kind in ChangeKind::ALL {
        let (was, is) = (old.governance().change(kind), new.governance().change(kind));
        let same = match (was, is) {
            (Some(was), Some(is)) => {
                was.delay_ms == is.delay_ms && least_ways(&was.require) == least_ways(&is.require)
            }
            (was, is) => was == is,
        };
        if !same {
            differ(
                &format!("governance.changes.{kind}"),
                change(was),
                change(is),
            );
        }
    }
    let (was, is) = (old.destinations(), new.destinations());
    differ(
        "destinations.cool_off",
        span(was.cool_off_ms),
        span(is.cool_off_ms),
    );
    if was != is && was.cool_off_ms == is.cool_off_ms {
        lines.push(format!("destinations: was {was:?}; now {is:?}"));
    }
    fiat(&mut lines, old, new);
    treasury(&mut lines, old, new);
    lines
}

fn fiat(lines: &mut Vec<String>, old: &Policy, new: &Policy) {
    let words = |policy: &Policy| match policy.fiat() {
        Some(terms) => format!(
            "{}, prices up to {} old",
            terms.currency,
            Span(terms.price_max_age_ms)
        ),
        None => "none".to_owned(),
    };
    if old.fiat() != new.fiat() {
        lines.push(format!("fiat: was {}; now {}", words(old), words(new)));
    }
}

fn treasury(lines: &mut Vec<String>, old: &Policy, new: &Policy) {
    let (old, new) = (old.treasury(), new.treasury());
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (was, is) = (old.get(key), new.get(key));
        if was != is {
            let words = |target: Option<&TierTarget>| {
                target.map_or_else(|| "none".to_owned(), TierTarget::to_string)
            };
            let (asset, tier) = key;
            lines.push(format!(
                "treasury {asset} {tier}: was {}; now {}",
                words(was),
                words(is)
            ));
        }
    }
}

fn in_words(floor: &TierFloor) -> String {
    format!("{} and {}", floor.requirement, delay(floor.hold_ms))
}

fn delay(ms: u64) -> String {
    match ms {
        0 => "no delay".to_owned(),
        ms => Span(ms).to_string(),
    }
}

fn change(rule: Option<&ChangeRule>) -> String {
    match rule {
        Some(rule) => format!("{} and {}", Listed(&rule.require), delay(rule.delay_ms)),
        None => "nobody".to_owned(),
    }
}

fn people<K: Ord + Display + Clone, P: Ord + Display>(
    lines: &mut Vec<String>,
    what: &str,
    old: &std::collections::BTreeMap<K, BTreeSet<P>>,
    new: &std::collections::BTreeMap<K, BTreeSet<P>>,
) {
    let names: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let list = |people: &mut dyn Iterator<Item = &P>| {
        people.map(P::to_string).collect::<Vec<_>>().join(", ")
    };
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(was), Some(is)) => {
                let (left, joined) = (list(&mut was.difference(is)), list(&mut is.difference(was)));
                if !joined.is_empty() {
                    lines.push(format!("{what} {name}: {joined} joined"));
                }
                if !left.is_empty() {
                    lines.push(format!("{what} {name}: {left} left"));
                }
            }
            (Some(_), None) => lines.push(format!("{what} {name} is gone")),
            (None, Some(is)) => {
                lines.push(format!("{what} {name} is new: {}", list(&mut is.iter())))
            }
            (None, None) => {}
        }
    }
}
