//! What requests and limits come to in the unit of a claim: base units of an asset, or hundredths of a currency.

use std::collections::BTreeMap;

use custodyd_chain::{Amount, Asset, U256};

use crate::analysis::claim::Bound;
use crate::analysis::outflow::cells::Cell;
use crate::analysis::prices;
use crate::analysis::space::Space;
use crate::facts::Facts;
use crate::fiat::{Fiat, Price};
use crate::limit::Limit;
use crate::reason::Measure;

/// The claim's unit, and the prices that are assumed.
pub(super) struct Worth<'a> {
    pub(super) bound: Bound,
    pub(super) space: &'a Space,
}

/// What leaves: whole amounts per asset, and values where no price is assumed. Added up per asset before it is rounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Total {
    units: BTreeMap<Asset, U256>,
    cents: u128,
}

impl Worth<'_> {
    /// The price of an asset in the claim's currency.
    fn price(&self, asset: Asset) -> Option<Price> {
        let (currency, prices) = self.space.world.prices.as_ref()?;
        let price = prices.get(&asset).copied();
        price.filter(|_| self.bound.currency() == Some(*currency))
    }

    fn cents(&self, asset: Asset, units: U256) -> Option<U256> {
        let price = self.price(asset)?;
        let amount = Amount::from_units(asset, units).ok()?;
        price.cents(&amount).map(U256::from)
    }

    /// The bound that is claimed.
    pub(super) fn claimed(&self) -> U256 {
        match self.bound {
            Bound::Amount(amount) => amount.units(),
            Bound::Fiat(fiat) => U256::from(fiat.cents),
        }
    }

    /// The most that one request of a cell is worth; `None` if nothing bounds it.
    pub(super) fn of_cell(&self, cell: &Cell) -> Option<U256> {
        match self.bound {
            Bound::Amount(_) => Some(cell.most),
            Bound::Fiat(_) => self
                .cents(cell.asset, cell.most)
                .or(cell.cents.map(U256::from)),
        }
    }

    /// The most that a limit's window lets pass once, of these requests.
    pub(super) fn of_limit(&self, limit: &Limit, cells: &[&Cell]) -> Option<U256> {
        match (limit.max, self.bound) {
            (Measure::Count(most), _) => {
                let each = cells.iter().map(|cell| self.of_cell(cell));
                let each = each.collect::<Option<Vec<U256>>>()?.into_iter().max()?;
                each.checked_mul(U256::from(most))
            }
            (Measure::Amount(max), Bound::Amount(of)) => {
                (max.asset() == of.asset()).then(|| max.units())
            }
            (Measure::Amount(max), Bound::Fiat(_)) => self.cents(max.asset(), max.units()),
            (Measure::Fiat(max), Bound::Fiat(of)) => {
                (max.currency == of.currency).then(|| U256::from(max.cents))
            }
            (Measure::Fiat(max), Bound::Amount(of)) => {
                let (currency, prices) = self.space.world.prices.as_ref()?;
                let price = prices
                    .get(&of.asset())
                    .filter(|_| *currency == max.currency)?;
                let units = prices::units(*price, of.asset(), max.cents)?;
                (units < of.asset().cap()).then_some(units)
            }
        }
    }

    /// Adds a request to what leaves.
    pub(super) fn add(&self, total: &mut Total, facts: &Facts) {
        let asset = facts.amount.asset();
        if self.bound.asset().is_some() || self.price(asset).is_some() {
            let units = total.units.entry(asset).or_default();
            *units = units.saturating_add(facts.amount.units());
        } else if let Some(fiat) = facts.fiat {
            total.cents = total.cents.saturating_add(fiat.cents);
        }
    }

    /// What has left, in the claim's unit.
    pub(super) fn of_total(&self, total: &Total) -> U256 {
        let sums = total.units.iter().map(|(asset, units)| match self.bound {
            Bound::Amount(_) => *units,
            Bound::Fiat(_) => self.cents(*asset, *units).unwrap_or_default(),
        });
        sums.fold(U256::from(total.cents), U256::saturating_add)
    }

    /// The claim's unit, as people write it.
    pub(super) fn show(&self, value: U256) -> String {
        match self.bound {
            Bound::Amount(of) => Amount::from_units(of.asset(), value).map_or_else(
                |_| format!("more {} than can exist", of.asset()),
                |amount| amount.to_string(),
            ),
            Bound::Fiat(of) => u128::try_from(value).map_or_else(
                |_| format!("more {} than can be counted", of.currency),
                |cents| Fiat { cents, ..of }.to_string(),
            ),
        }
    }
}
