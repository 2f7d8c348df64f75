//! Money that is no asset of ours: what an amount is worth, by prices that clients hand in. Integers throughout; a value
//! is rounded up, so that a limit in fiat never lets more pass than it says.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use custodyd_chain::{Amount, Asset, U256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::Quoted;
use crate::instant::Timestamp;

/// Text that is no currency, fiat amount or price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FiatError {
    /// Not three capital letters.
    #[error("{found} is no currency; write three capital letters (ISO 4217), such as \"USD\"")]
    Currency {
        /// The rejected text, shortened.
        found: Quoted,
    },
    /// Not digits, a point and a few decimals.
    #[error(
        "{found} is no {what}: digits, and a point with at most {decimals} decimals, such as \"{example}\""
    )]
    Number {
        /// The rejected text, shortened.
        found: Quoted,
        /// What was expected.
        what: &'static str,
        /// How many decimals it may have.
        decimals: usize,
        /// How to write it.
        example: &'static str,
    },
    /// A price of nothing would make every amount worth nothing.
    #[error("a price of zero is no price")]
    ZeroPrice,
}

/// A currency: three capital letters (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl FromStr for Currency {
    type Err = FiatError;

    fn from_str(text: &str) -> Result<Self, FiatError> {
        let letters: Option<[u8; 3]> = text.as_bytes().try_into().ok();
        letters
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| FiatError::Currency {
                found: Quoted::new(text),
            })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.0).expect("capital letters are ASCII");
        f.pad(text)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

/// `[fiat]` of a policy: what values are in, and which prices count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiatTerms {
    /// The currency of every value in the policy.
    pub currency: Currency,
    /// How old a price may be, in milliseconds.
    pub price_max_age_ms: u64,
}

impl FiatTerms {
    /// What an amount is worth at `now`, rounded up; nothing without a price in this currency that is fresh.
    pub fn value_of(&self, prices: &Prices, amount: &Amount, now: Timestamp) -> Option<Fiat> {
        prices.value_of(amount, self.currency, now, self.price_max_age_ms)
    }
}

/// Decimals of a fiat amount.
const CENTS: usize = 2;
/// Decimals of a price.
const PRICE_DECIMALS: usize = 8;

/// An amount of a currency, in hundredths. In text and JSON `12.50 USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fiat {
    /// Of which currency.
    pub currency: Currency,
    /// How many hundredths of it.
    pub cents: u128,
}

impl Fiat {
    /// The other value, if it is known and in the same currency.
    pub(crate) fn same_currency(self, other: Option<Self>) -> Option<Self> {
        other.filter(|other| other.currency == self.currency)
    }
}

impl FromStr for Fiat {
    type Err = FiatError;

    fn from_str(text: &str) -> Result<Self, FiatError> {
        let refused = || FiatError::Number {
            found: Quoted::new(text),
            what: "amount of a currency",
            decimals: CENTS,
            example: "1000 USD",
        };
        let (number, currency) = text.split_once(' ').ok_or_else(refused)?;
        Ok(Self {
            cents: scaled(number, CENTS).ok_or_else(refused)?,
            currency: currency.parse()?,
        })
    }
}

impl fmt::Display for Fiat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", unscaled(self.cents, CENTS), self.currency)
    }
}

/// What one whole unit of an asset costs, in 10⁻⁸ of the currency. In text and JSON a decimal, such as `64000.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u128);

impl Price {
    /// What an amount is worth at this price, in hundredths, rounded up; `None` above 2¹²⁸.
    pub fn cents(self, amount: &Amount) -> Option<u128> {
        let per_unit = U256::from(10_u8)
            .checked_pow(U256::from(amount.asset().decimals()))?
            .checked_mul(
                U256::from(10_u8).checked_pow(U256::from(PRICE_DECIMALS.checked_sub(CENTS)?))?,
            )?;
        let scaled = amount.units().checked_mul(U256::from(self.0))?;
        let up = per_unit.checked_sub(U256::ONE)?;
        u128::try_from(scaled.checked_add(up)?.checked_div(per_unit)?).ok()
    }
}

impl FromStr for Price {
    type Err = FiatError;

    fn from_str(text: &str) -> Result<Self, FiatError> {
        match scaled(text, PRICE_DECIMALS) {
            Some(0) => Err(FiatError::ZeroPrice),
            Some(price) => Ok(Self(price)),
            None => Err(FiatError::Number {
                found: Quoted::new(text),
                what: "price",
                decimals: PRICE_DECIMALS,
                example: "64000.5",
            }),
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unscaled(self.0, PRICE_DECIMALS))
    }
}

/// Digits with at most `decimals` after a point, as an integer; no sign, exponent or leading zero.
fn scaled(text: &str, decimals: usize) -> Option<u128> {
    const LONGEST: usize = 30;
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let canonical = whole == "0" || !whole.starts_with('0');
    if text.len() > LONGEST || whole.is_empty() || !canonical || !digits(whole) || !digits(fraction)
    {
        return None;
    }
    let missing = decimals.checked_sub(fraction.len())?;
    let zeros = std::iter::repeat_n('0', missing);
    let all: String = whole.chars().chain(fraction.chars()).chain(zeros).collect();
    all.parse().ok()
}

fn unscaled(value: u128, decimals: usize) -> String {
    let digits = format!("{value:0>width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        _ if decimals == CENTS => format!("{whole}.{fraction}"),
        kept => format!("{whole}.{kept}"),
    }
}

macro_rules! text_serde {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
text_serde!(Currency, Fiat, Price);

/// What assets cost, in one currency, each price with its time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    by_asset: BTreeMap<Asset, (Price, Currency, Timestamp)>,
}

impl Prices {
    /// Takes a price in; the newest counts.
    pub fn set(&mut self, asset: Asset, price: Price, currency: Currency, at: Timestamp) {
        self.by_asset.insert(asset, (price, currency, at));
    }

    /// The price of an asset, its currency, and since when it stands.
    pub fn of(&self, asset: Asset) -> Option<(Price, Currency, Timestamp)> {
        self.by_asset.get(&asset).copied()
    }

    /// What an amount is worth at `now`, rounded up; nothing without a price in this currency that is at most
    /// `max_age_ms` old.
    pub fn value_of(
        &self,
        amount: &Amount,
        currency: Currency,
        now: Timestamp,
        max_age_ms: u64,
    ) -> Option<Fiat> {
        let (price, of, at) = self.of(amount.asset())?;
        let fresh = of == currency && at.checked_add_ms(max_age_ms).is_none_or(|end| now <= end);
        let cents = price.cents(amount).filter(|_| fresh)?;
        Some(Fiat { currency, cents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_is_rounded_up_to_the_hundredth() {
        let price: Price = "64000.5".parse().unwrap();
        assert_eq!(price.cents(&amount("1 BTC")), Some(6_400_050));
        assert_eq!(price.cents(&amount("0.00000001 BTC")), Some(1));
        assert_eq!(price.cents(&amount("0 BTC")), Some(0));
        let cheap: Price = "0.00000001".parse().unwrap();
        assert_eq!(cheap.cents(&amount("1 ETH")), Some(1));
    }

    #[test]
    fn fiat_and_prices_keep_their_text() {
        for text in ["0 USD", "12.50 CHF", "100000 USD", "0.05 EUR"] {
            let fiat: Fiat = text.parse().unwrap();
            assert_eq!(fiat.to_string(), text);
        }
        for text in ["64000.5", "1", "0.00000001"] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_fiat_amount_or_price_is_refused() {
        for text in [
            "",
            "1",
            "1 usd",
            "1  USD",
            "1.234 USD",
            "-1 USD",
            "1e3 USD",
            "01 USD",
            ".5 USD",
            "1. USD",
            "1 USDT",
            "1,5 USD",
        ] {
            assert!(text.parse::<Fiat>().is_err(), "{text}");
        }
        for text in ["0", "0.0", "1.123456789", "-1", "NaN", "1e9"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_price_counts_in_its_currency_and_until_it_is_stale() {
        let mut prices = Prices::default();
        let usd: Currency = "USD".parse().unwrap();
        prices.set(
            Asset::Btc,
            "100".parse().unwrap(),
            usd,
            Timestamp::from_ms(1_000),
        );
        let value = |currency: &str, now, asset: &str| {
            let currency = currency.parse().unwrap();
            prices.value_of(&amount(asset), currency, Timestamp::from_ms(now), 500)
        };
        assert_eq!(value("USD", 1_500, "2 BTC").unwrap().to_string(), "200 USD");
        assert_eq!(value("USD", 1_501, "2 BTC"), None);
        assert_eq!(value("EUR", 1_000, "2 BTC"), None);
        assert_eq!(value("USD", 1_000, "2 ETH"), None);
    }
}
