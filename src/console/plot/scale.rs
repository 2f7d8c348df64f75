//! The vertical scale: where it ends, and what its quarters say.

use custodyd_chain::{Amount, Asset, U256};

use super::{HEIGHT, Tick, share, text};

/// The scale's end: the first of 1, 2, 4, 5, 8 or 10 times a power of ten of base units that is at least as much. All of them are a
/// whole number of quarters from a thousand units on.
pub(super) fn nice(most: U256, asset: Asset) -> U256 {
    let ten = U256::from(10);
    let mut power = U256::from(1);
    while power.saturating_mul(ten) <= most {
        power = power.saturating_mul(ten);
    }
    if most.is_zero() {
        // Nothing at all: the scale is one whole coin.
        return Amount::parse(asset, "1").map_or(U256::from(4), |one| one.units());
    }
    [1_u64, 2, 4, 5, 8, 10]
        .into_iter()
        .map(|times| power.saturating_mul(U256::from(times)))
        .find(|end| *end >= most)
        .unwrap_or(most)
}

pub(super) fn ticks(top: U256, asset: Asset) -> Vec<Tick> {
    (0..=4_u64)
        .map(|quarter| {
            let units = top.saturating_mul(U256::from(quarter)) / U256::from(4);
            let amount = Amount::from_units(asset, units).unwrap_or(Amount::zero(asset));
            Tick {
                at: text(HEIGHT - share(units, top) * HEIGHT),
                text: amount.to_decimal(),
                anchor: "start",
            }
        })
        .collect()
}
