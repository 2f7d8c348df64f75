//! An amount of one asset. Its units are private to this file, so no other code can wrap them,
//! mix assets, or hold more of an asset than exists.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use alloy_primitives::U256;
use thiserror::Error;

use crate::asset::Asset;
use crate::text::{quoted, serde_as_text};

/// Longest decimal string that is looked at: 21 digits, a point, 18 decimals, and room to say
/// "too many decimals" rather than "too long".
const MAX_TEXT: usize = 96;

/// Why an amount was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not a ticker that custodyd knows.
    #[error("unknown asset \"{0}\": one of BTC, LTC, ETH")]
    UnknownAsset(String),
    /// Not digits with at most one point between them.
    #[error("\"{0}\" is not a decimal amount: only digits with an optional point, like 0.5")]
    Malformed(String),
    /// `00.5` or `01`.
    #[error("\"{0}\" has a leading zero")]
    LeadingZero(String),
    /// Finer than the asset's base unit.
    #[error("\"{input}\" has more than the {decimals} decimals of {asset}")]
    TooManyDecimals {
        /// What was given.
        input: String,
        /// The asset.
        asset: Asset,
        /// Its decimals.
        decimals: u8,
    },
    /// More than can exist.
    #[error("{input} is above what can exist of {asset}")]
    AboveCap {
        /// What was given.
        input: String,
        /// The asset.
        asset: Asset,
    },
    /// Two assets in one sum or comparison.
    #[error("cannot combine {left} with {right}")]
    AssetMismatch {
        /// Left operand.
        left: Amount,
        /// Right operand.
        right: Amount,
    },
    /// The sum is above what can exist.
    #[error("{left} + {right} is above what can exist")]
    Overflow {
        /// Left operand.
        left: Amount,
        /// Right operand.
        right: Amount,
    },
    /// The difference is below zero.
    #[error("{left} - {right} is below zero")]
    Underflow {
        /// Left operand.
        left: Amount,
        /// Right operand.
        right: Amount,
    },
}

/// An amount of one asset, never above [`Asset::cap`]. Text and JSON form: `1.5 LTC`.
///
/// It has no `Ord`: amounts of two assets have no order. Use [`Amount::cmp_same`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    asset: Asset,
    units: U256,
}

impl Amount {
    /// Parses a strict decimal string: digits, optionally a point and more digits. No sign,
    /// exponent, space, separator, leading zero or bare point; not more decimals than the asset
    /// has, not more coins than exist. Zero parses; whether it makes sense is the caller's to say.
    ///
    /// # Errors
    /// [`AmountError`], carrying the input.
    pub fn parse(asset: Asset, text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(quoted(text));
        if text.len() > MAX_TEXT {
            return Err(malformed());
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(malformed());
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(AmountError::LeadingZero(quoted(text)));
        }
        let decimals = asset.decimals();
        let missing = usize::from(decimals)
            .checked_sub(fraction.len())
            .ok_or_else(|| AmountError::TooManyDecimals {
                input: quoted(text),
                asset,
                decimals,
            })?;
        let above_cap = || AmountError::AboveCap {
            input: quoted(text),
            asset,
        };
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .chain(std::iter::repeat_n(b'0', missing));
        let units = digits
            .map(|digit| U256::from(digit.saturating_sub(b'0')))
            .try_fold(U256::ZERO, |sum, digit| {
                sum.checked_mul(U256::from(10_u8))?.checked_add(digit)
            })
            .ok_or_else(above_cap)?;
        Self::from_units(asset, units).map_err(|_| above_cap())
    }

    /// From base units (satoshi, litoshi, wei).
    ///
    /// # Errors
    /// [`AmountError::AboveCap`].
    pub fn from_units(asset: Asset, units: U256) -> Result<Self, AmountError> {
        if units > asset.cap() {
            return Err(AmountError::AboveCap {
                input: format!("{units} base units"),
                asset,
            });
        }
        Ok(Amount { asset, units })
    }

    /// From base units that fit 64 bits.
    ///
    /// # Errors
    /// [`AmountError::AboveCap`].
    pub fn from_u64(asset: Asset, units: u64) -> Result<Self, AmountError> {
        Self::from_units(asset, U256::from(units))
    }

    /// None of it.
    #[must_use]
    pub const fn zero(asset: Asset) -> Self {
        Amount {
            asset,
            units: U256::ZERO,
        }
    }

    /// The asset.
    #[must_use]
    pub const fn asset(&self) -> Asset {
        self.asset
    }

    /// Base units.
    #[must_use]
    pub const fn units(&self) -> U256 {
        self.units
    }

    /// Base units, where they fit 64 bits; always so for the Bitcoin family.
    #[must_use]
    pub fn units_u64(&self) -> Option<u64> {
        u64::try_from(self.units).ok()
    }

    /// Is it nothing?
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.units.is_zero()
    }

    /// The shortest decimal string that parses to this amount.
    #[must_use]
    pub fn to_decimal(&self) -> String {
        let mut text = String::with_capacity(24);
        let _ = self.write_decimal(&mut text);
        text
    }

    fn write_decimal(&self, out: &mut impl fmt::Write) -> fmt::Result {
        // A verdict holds a dozen amounts: 64-bit division is an order of magnitude cheaper than 256-bit.
        let digits = match u64::try_from(self.units) {
            Ok(units) => units.to_string(),
            Err(_) => self.units.to_string(),
        };
        let decimals = usize::from(self.asset.decimals());
        let (whole, fraction) = match digits.len().checked_sub(decimals) {
            Some(point) if point > 0 => digits.split_at(point),
            _ => ("0", digits.as_str()),
        };
        out.write_str(whole)?;
        let zeros = decimals.saturating_sub(fraction.len());
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() {
            return Ok(());
        }
        out.write_char('.')?;
        for _ in 0..zeros {
            out.write_char('0')?;
        }
        out.write_str(fraction)
    }

    /// Sum.
    ///
    /// # Errors
    /// [`AmountError::AssetMismatch`], [`AmountError::Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, AmountError> {
        self.same_asset(other)?;
        self.units
            .checked_add(other.units)
            .filter(|sum| *sum <= self.asset.cap())
            .map(|units| Amount {
                asset: self.asset,
                units,
            })
            .ok_or(AmountError::Overflow {
                left: *self,
                right: *other,
            })
    }

    /// Difference.
    ///
    /// # Errors
    /// [`AmountError::AssetMismatch`], [`AmountError::Underflow`].
    pub fn checked_sub(&self, other: &Self) -> Result<Self, AmountError> {
        self.same_asset(other)?;
        self.units
            .checked_sub(other.units)
            .map(|units| Amount {
                asset: self.asset,
                units,
            })
            .ok_or(AmountError::Underflow {
                left: *self,
                right: *other,
            })
    }

    /// Sum of many, zero of `asset` if there are none.
    ///
    /// # Errors
    /// As [`Amount::checked_add`].
    pub fn sum<'a>(
        asset: Asset,
        amounts: impl IntoIterator<Item = &'a Amount>,
    ) -> Result<Self, AmountError> {
        amounts
            .into_iter()
            .try_fold(Amount::zero(asset), |sum, amount| sum.checked_add(amount))
    }

    /// Order of two amounts of one asset.
    ///
    /// # Errors
    /// [`AmountError::AssetMismatch`].
    pub fn cmp_same(&self, other: &Self) -> Result<Ordering, AmountError> {
        self.same_asset(other)?;
        Ok(self.units.cmp(&other.units))
    }

    fn same_asset(&self, other: &Self) -> Result<(), AmountError> {
        if self.asset == other.asset {
            return Ok(());
        }
        Err(AmountError::AssetMismatch {
            left: *self,
            right: *other,
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            return f.pad(&format!("{} {}", self.to_decimal(), self.asset));
        }
        self.write_decimal(f)?;
        f.write_str(" ")?;
        f.write_str(self.asset.ticker())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// `1.5 LTC`: a decimal, one space, a ticker.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (decimal, ticker) = text
            .split_once(' ')
            .ok_or_else(|| AmountError::Malformed(quoted(text)))?;
        Amount::parse(ticker.parse()?, decimal)
    }
}

serde_as_text!(Amount);
