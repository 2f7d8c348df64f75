//! Amounts and values with their unit, and ranges of them that hold something.

use std::fmt::Display;

use custodyd_chain::{Amount, U256};
use toml::Spanned;

use crate::condition::{AmountRange, FiatRange};
use crate::error::{Place, PolicyError, PolicyFault};
use crate::fiat::Fiat;
use crate::ids::Quoted;
use crate::parse::{Parser, syntax};

/// What a range is written in.
trait Bound: Display {
    type Unit: PartialEq + Display;

    fn unit(&self) -> Self::Unit;
    fn size(&self) -> U256;
}

impl Bound for Amount {
    type Unit = custodyd_chain::Asset;

    fn unit(&self) -> Self::Unit {
        self.asset()
    }

    fn size(&self) -> U256 {
        self.units()
    }
}

impl Bound for Fiat {
    type Unit = crate::fiat::Currency;

    fn unit(&self) -> Self::Unit {
        self.currency
    }

    fn size(&self) -> U256 {
        U256::from(self.cents)
    }
}

/// A range as it was written.
struct Bounds<T: Bound> {
    unit: T::Unit,
    above: Option<T>,
    at_most: Option<T>,
    text: String,
}

impl Parser<'_> {
    /// The condition `key` on an amount of one asset.
    pub(super) fn amount_range(
        &self,
        place: &Place,
        key: &'static str,
        range: &Spanned<syntax::Range>,
    ) -> Result<AmountRange, PolicyError> {
        let bounds = self.bounds(place, key, range, Self::amount)?;
        Ok(AmountRange {
            asset: bounds.unit,
            above: bounds.above.map(|amount| amount.units()),
            at_most: bounds.at_most.map(|amount| amount.units()),
            text: bounds.text,
        })
    }

    /// The condition `fiat`.
    pub(super) fn fiat_range(
        &self,
        place: &Place,
        range: &Spanned<syntax::Range>,
    ) -> Result<FiatRange, PolicyError> {
        let bounds = self.bounds(place, "fiat", range, Self::value)?;
        Ok(FiatRange {
            currency: bounds.unit,
            above: bounds.above.map(|value| value.cents),
            at_most: bounds.at_most.map(|value| value.cents),
            text: bounds.text,
        })
    }

    fn bounds<T: Bound>(
        &self,
        place: &Place,
        field: &'static str,
        range: &Spanned<syntax::Range>,
        read: impl Fn(&Self, &Place, &'static str, &Spanned<String>) -> Result<T, PolicyError>,
    ) -> Result<Bounds<T>, PolicyError> {
        let written = range.get_ref();
        let bound = |key, text: &Option<Spanned<String>>| match text {
            Some(text) => read(self, place, key, text).map(Some),
            None => Ok(None),
        };
        let above = bound("above", &written.above)?;
        let at_most = bound("at_most", &written.at_most)?;
        let place = place.clone();
        let refused = |fault| Err(self.refused(range, fault));
        let (unit, text) = match (&above, &at_most) {
            (None, None) => return refused(PolicyFault::NoBound { place, field }),
            (Some(above), None) => (above.unit(), format!("above {above}")),
            (None, Some(at_most)) if at_most.size().is_zero() => {
                let (above, at_most) = ("nothing".to_owned(), at_most.to_string());
                return refused(PolicyFault::EmptyRange {
                    place,
                    field,
                    above,
                    at_most,
                });
            }
            (None, Some(at_most)) => (at_most.unit(), format!("at most {at_most}")),
            (Some(above), Some(at_most)) if above.unit() != at_most.unit() => {
                let (above, at_most) = (above.unit().to_string(), at_most.unit().to_string());
                return refused(PolicyFault::MixedBounds {
                    place,
                    above,
                    at_most,
                });
            }
            (Some(above), Some(at_most)) if above.size() >= at_most.size() => {
                let (above, at_most) = (above.to_string(), at_most.to_string());
                return refused(PolicyFault::EmptyRange {
                    place,
                    field,
                    above,
                    at_most,
                });
            }
            (Some(above), Some(at_most)) => {
                let text = format!("above {above} and at most {at_most}");
                (above.unit(), text)
            }
        };
        Ok(Bounds {
            unit,
            above,
            at_most,
            text,
        })
    }

    /// An amount with its unit, such as `1.5 LTC`.
    pub(super) fn amount(
        &self,
        place: &Place,
        key: &'static str,
        text: &Spanned<String>,
    ) -> Result<Amount, PolicyError> {
        self.with_unit(place, key, text, "LTC")?;
        text.get_ref().parse().map_err(|error| {
            let place = place.clone();
            self.refused(text, PolicyFault::Amount { place, key, error })
        })
    }

    /// A value in the policy's currency, such as `1000 USD`.
    pub(super) fn value(
        &self,
        place: &Place,
        key: &'static str,
        text: &Spanned<String>,
    ) -> Result<Fiat, PolicyError> {
        let Some(terms) = &self.fiat else {
            let place = place.clone();
            return Err(self.refused(text, PolicyFault::NoFiatTerms { place, key }));
        };
        let wanted = terms.currency;
        self.with_unit(place, key, text, &wanted.to_string())?;
        let place = place.clone();
        match text.get_ref().parse::<Fiat>() {
            Ok(value) if value.currency == wanted => Ok(value),
            Ok(value) => {
                let found = value.currency;
                let fault = PolicyFault::OtherCurrency {
                    place,
                    key,
                    found,
                    wanted,
                };
                Err(self.refused(text, fault))
            }
            Err(error) => Err(self.refused(text, PolicyFault::Fiat { place, key, error })),
        }
    }

    /// Refuses a bare number, and says how it is written with its unit.
    fn with_unit(
        &self,
        place: &Place,
        key: &'static str,
        text: &Spanned<String>,
        unit: &str,
    ) -> Result<(), PolicyError> {
        let written = text.get_ref();
        if written.is_empty() || !written.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Ok(());
        }
        let fault = PolicyFault::AmountWithoutUnit {
            place: place.clone(),
            key,
            found: Quoted::new(written),
            example: format!("{} {unit}", written.chars().take(20).collect::<String>()),
        };
        Err(self.refused(text, fault))
    }
}
