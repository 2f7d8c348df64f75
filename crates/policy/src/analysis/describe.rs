//! A region in words.

use std::collections::BTreeSet;
use std::fmt::Display;

use custodyd_chain::{Amount, Asset};

use crate::analysis::axes::{
    GOAL, INITIATOR, SOURCE, Span256, TIME, VALUE, Value, amount_axis, fee_axis,
};
use crate::analysis::bits::Bits;
use crate::analysis::region::Region;
use crate::analysis::space::Space;

/// More values than this are not listed.
const LISTED: usize = 4;

impl Space {
    /// What the requests of a region have in common, as a person would say it.
    pub(crate) fn describe(&self, region: &Region) -> String {
        let mut parts = Vec::new();
        let lengths = self.axes.lengths();
        let is_cut = |axis: usize| {
            let length = lengths.get(axis).copied().unwrap_or_default();
            *region.on(axis) != Bits::full(length)
        };
        if is_cut(SOURCE) {
            let all = &self.axes.sources;
            let some: Vec<_> = self.sources_of(region).collect();
            name(
                &mut parts,
                "tier",
                all.iter().map(|s| s.tier),
                some.iter().map(|s| s.tier),
            );
            let assets = |s: &crate::analysis::axes::Source| s.network.asset();
            name(
                &mut parts,
                "asset",
                all.iter().map(assets),
                some.iter().map(|s| assets(s)),
            );
            name(
                &mut parts,
                "wallet",
                all.iter().map(|s| &s.wallet),
                some.iter().map(|s| &s.wallet),
            );
            let of_assets: BTreeSet<Asset> = some.iter().map(|s| assets(s)).collect();
            let same = all.iter().filter(|s| of_assets.contains(&assets(s)));
            let (networks, calls): (Vec<_>, Vec<_>) = same.map(|s| (s.network, s.call)).unzip();
            name(
                &mut parts,
                "chain",
                networks.into_iter(),
                some.iter().map(|s| s.network),
            );
            name(
                &mut parts,
                "call",
                calls.into_iter(),
                some.iter().map(|s| s.call),
            );
        }
        if is_cut(GOAL) {
            let words = |goal: &crate::analysis::axes::Goal| match (goal.tier, goal.cooling) {
                (Some(tier), _) => format!("{} ({tier})", goal.class),
                (None, true) => format!("{} (cooling off)", goal.class),
                (None, false) => goal.class.to_string(),
            };
            let goals = self.goals_of(region).map(words);
            name(
                &mut parts,
                "destination",
                self.axes.goals.iter().map(words),
                goals,
            );
        }
        if is_cut(INITIATOR) {
            let all = self.axes.initiators.iter();
            name(&mut parts, "initiator", all, self.initiators_of(region));
        }
        for asset in Asset::ALL {
            let of = self
                .sources_of(region)
                .any(|source| source.network.asset() == asset);
            if of && is_cut(amount_axis(asset)) {
                let atoms = region.on(amount_axis(asset));
                parts.push(format!(
                    "amount {}",
                    ranges(asset, self.axes.amounts_of(asset), atoms)
                ));
            }
            if of && is_cut(fee_axis(asset)) {
                let atoms = region.on(fee_axis(asset));
                parts.push(format!(
                    "fee {}",
                    ranges(asset, self.axes.fees_of(asset), atoms)
                ));
            }
        }
        if is_cut(VALUE) {
            let values = region
                .on(VALUE)
                .iter()
                .filter_map(|atom| self.axes.values.get(atom));
            let shown = values.map(|value| match value {
                Value::Unknown => "without a price".to_owned(),
                Value::Cents(currency, least, most) => worth(*currency, *least, *most),
            });
            parts.push(format!("value {}", shown.collect::<Vec<_>>().join(" or ")));
        }
        if is_cut(TIME)
            && let Some(at) = self.times_of(region).next()
        {
            parts.push(format!("at times such as {at}"));
        }
        for flag in &self.axes.flags {
            raised(&mut parts, region, self.axes.flag_axis(*flag), flag);
        }
        for tag in &self.axes.tags {
            raised(&mut parts, region, self.axes.tag_axis(tag), tag);
        }
        if parts.is_empty() {
            return "every request".to_owned();
        }
        parts.join(", ")
    }
}

fn raised(parts: &mut Vec<String>, region: &Region, axis: Option<usize>, name: &dyn Display) {
    let Some(axis) = axis else { return };
    match (region.on(axis).contains(0), region.on(axis).contains(1)) {
        (false, true) => parts.push(name.to_string()),
        (true, false) => parts.push(format!("not {name}")),
        _ => {}
    }
}

/// Names the values that are possible, or the fewer ones that are not; nothing, if all are.
fn name<T: Ord + Display>(
    parts: &mut Vec<String>,
    field: &str,
    all: impl Iterator<Item = T>,
    some: impl Iterator<Item = T>,
) {
    let (all, some): (BTreeSet<T>, BTreeSet<T>) = (all.collect(), some.collect());
    let other: Vec<String> = all.difference(&some).map(T::to_string).collect();
    if other.is_empty() {
        return;
    }
    let listed: Vec<String> = some.iter().map(T::to_string).collect();
    if listed.len() > LISTED && other.len() <= LISTED {
        parts.push(format!("{field} not {}", other.join(" or ")));
    } else if listed.len() > LISTED {
        parts.push(format!("{field} one of {}", listed.len()));
    } else {
        parts.push(format!("{field} {}", listed.join(" or ")));
    }
}

/// Intervals of units, those that touch taken together.
fn ranges(asset: Asset, spans: &[Span256], atoms: &Bits) -> String {
    let mut joined: Vec<(Span256, usize)> = Vec::new();
    for atom in atoms.iter() {
        let Some(span) = spans.get(atom) else {
            continue;
        };
        match joined.last_mut() {
            Some((last, at)) if at.checked_add(1) == Some(atom) => {
                last.most = span.most;
                *at = atom;
            }
            _ => joined.push((*span, atom)),
        }
    }
    let show = |units| {
        Amount::from_units(asset, units).map_or_else(|_| units.to_string(), |a| a.to_string())
    };
    let words = joined.iter().map(|(span, _)| {
        let below = span.least.saturating_sub(custodyd_chain::U256::ONE);
        match (below.is_zero(), span.most < asset.cap()) {
            (true, true) => format!("at most {}", show(span.most)),
            (true, false) => "of any size".to_owned(),
            (false, true) => format!("above {} and at most {}", show(below), show(span.most)),
            (false, false) => format!("above {}", show(below)),
        }
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn worth(currency: crate::fiat::Currency, least: u128, most: u128) -> String {
    let show = |cents| crate::fiat::Fiat { currency, cents }.to_string();
    match (least, most) {
        (0, u128::MAX) => format!("any in {currency}"),
        (0, most) => format!("at most {}", show(most)),
        (least, u128::MAX) => format!("at least {}", show(least)),
        (least, most) => format!("{} to {}", show(least), show(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use custodyd_chain::U256;

    #[test]
    fn up_to_four_values_are_listed_and_of_more_the_fewer_or_their_number() {
        for (all, some, wanted) in [
            (6, 1, "of 1"),
            (6, 4, "of 1 or 2 or 3 or 4"),
            (10, 4, "of 1 or 2 or 3 or 4"),
            (7, 5, "of not 6 or 7"),
            (9, 5, "of not 6 or 7 or 8 or 9"),
            (10, 5, "of one of 5"),
            (12, 6, "of one of 6"),
        ] {
            let mut parts = Vec::new();
            name(&mut parts, "of", 1..=all, 1..=some);
            assert_eq!(parts, [wanted]);
        }
        let mut parts = Vec::new();
        name(&mut parts, "of", 1..=3, 1..=3);
        assert!(parts.is_empty());
    }

    #[test]
    fn intervals_that_touch_are_one_and_others_are_named_apart() {
        let btc = |coins: u32| U256::from(coins) * U256::from(100_000_000_u32);
        let span = |from: u32, to: U256| Span256 {
            least: btc(from) + U256::ONE,
            most: to,
        };
        let spans = [
            span(0, btc(1)),
            span(1, btc(2)),
            span(2, btc(3)),
            span(3, btc(4)),
            span(4, Asset::Btc.cap()),
        ];
        for (atoms, wanted) in [
            (vec![0], "at most 1 BTC"),
            (vec![0, 1], "at most 2 BTC"),
            (
                vec![1, 3],
                "above 1 BTC and at most 2 BTC or above 3 BTC and at most 4 BTC",
            ),
            (vec![0, 1, 4], "at most 2 BTC or above 4 BTC"),
            (vec![0, 1, 2, 3, 4], "of any size"),
        ] {
            let bits = Bits::of(spans.len(), |atom| atoms.contains(&atom));
            assert_eq!(ranges(Asset::Btc, &spans, &bits), wanted);
        }
    }
}
