//! A client says what assets are worth. Prices move what limits and rules in fiat allow, so that it takes a scope of its own,
//! and time never goes back.

use std::collections::BTreeMap;

use custodyd_chain::Asset;
use custodyd_policy::{ClientId, Currency, Price, Timestamp};

use super::CLOCK_SKEW_MS;
use crate::{Event, Evidence, Rejection, Scope, Vault};

/// Prices in one command at most.
pub const MAX_PRICES: usize = 64;

/// Why prices were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceFault {
    /// Nobody would look at them.
    #[error("the policy in force has no [fiat], so that no price is taken")]
    NoFiat,
    /// A price in another currency is worth nothing.
    #[error("the policy counts in {expected}, not in {found}")]
    Currency {
        /// What was given.
        found: Currency,
        /// What the policy says.
        expected: Currency,
    },
    /// None, or too many.
    #[error("1 to {MAX_PRICES} prices at once, not {0}")]
    Count(usize),
    /// Which would count?
    #[error("the price of {0} is there twice")]
    Twice(Asset),
    /// Not yet.
    #[error("prices as of {as_of} are from the future: it is {now}")]
    Future {
        /// What was given.
        as_of: Timestamp,
        /// When that was.
        now: Timestamp,
    },
    /// A newer one, or another one of the same time, is in force.
    #[error(
        "the price of {asset} in force is of {standing}, and time doesn't go back: not as of {as_of}"
    )]
    Older {
        /// Of which asset.
        asset: Asset,
        /// What was given.
        as_of: Timestamp,
        /// When the one in force is of.
        standing: Timestamp,
    },
}

impl Vault {
    pub(super) fn decide_prices(
        &self,
        client: &ClientId,
        prices: &[(Asset, Price)],
        currency: Currency,
        as_of: Timestamp,
        evidence: &Evidence,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let known = self
            .clients
            .get(client)
            .ok_or_else(|| Rejection::UnknownPrincipal(format!("client {client}")))?;
        if !known.may(Scope::Prices) {
            return Err(Rejection::NotScoped(client.clone(), Scope::Prices));
        }
        let prices = self.check_prices(prices, currency, as_of, now)?;
        let stands = |(asset, price): (&Asset, &Price)| {
            self.prices.of(*asset) == Some((*price, currency, as_of))
        };
        if prices.iter().all(stands) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::PricesSet {
            client: client.clone(),
            currency,
            as_of,
            prices,
            evidence: evidence.clone(),
        }])
    }

    fn check_prices(
        &self,
        prices: &[(Asset, Price)],
        currency: Currency,
        as_of: Timestamp,
        now: Timestamp,
    ) -> Result<BTreeMap<Asset, Price>, PriceFault> {
        let expected = self.policy.fiat().ok_or(PriceFault::NoFiat)?.currency;
        if currency != expected {
            let found = currency;
            return Err(PriceFault::Currency { found, expected });
        }
        if !(1..=MAX_PRICES).contains(&prices.len()) {
            return Err(PriceFault::Count(prices.len()));
        }
        if as_of.as_ms() > now.as_ms().saturating_add(CLOCK_SKEW_MS) {
            return Err(PriceFault::Future { as_of, now });
        }
        let mut by_asset = BTreeMap::new();
        for (asset, price) in prices {
            if by_asset.insert(*asset, *price).is_some() {
                return Err(PriceFault::Twice(*asset));
            }
            let standing = self.prices.of(*asset).filter(|(_, of, _)| *of == currency);
            if let Some((in_force, _, standing)) = standing
                && (as_of < standing || as_of == standing && *price != in_force)
            {
                let asset = *asset;
                return Err(PriceFault::Older {
                    asset,
                    as_of,
                    standing,
                });
            }
        }
        Ok(by_asset)
    }
}
