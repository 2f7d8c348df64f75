//! Between units of an asset and hundredths of a currency, where a claim assumes a price.

use custodyd_chain::{Amount, Asset, U256};

use crate::fiat::Price;

/// The most units that are worth at most so many hundredths; the asset's cap if all of it is.
pub(super) fn units(price: Price, asset: Asset, cents: u128) -> Option<U256> {
    let worth = |units: U256| {
        let amount = Amount::from_units(asset, units).ok()?;
        price.cents(&amount)
    };
    let within = |units: U256| worth(units).is_some_and(|worth| worth <= cents);
    // Worth grows with the amount: halve the distance between what is within and what is not.
    let (mut within_it, mut above) = (U256::ZERO, asset.cap());
    if within(above) {
        return Some(above);
    }
    while above.checked_sub(within_it)? > U256::ONE {
        let middle = within_it.checked_add(
            above
                .checked_sub(within_it)?
                .checked_div(U256::from(2_u8))?,
        )?;
        if within(middle) {
            within_it = middle;
        } else {
            above = middle;
        }
    }
    Some(within_it)
}
