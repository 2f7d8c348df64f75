//! Conditions that can hold: no empty list, no empty range, no empty hours.

use std::collections::BTreeSet;
use std::fmt::Display;

use custodyd_chain::{Amount, Asset};
use toml::Spanned;

use crate::condition::{AmountRange, When};
use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::DestinationClass;
use crate::hours::{DAY_MINUTES, Day, Hours, parse_clock};
use crate::ids::Quoted;
use crate::parse::{Parser, syntax};

impl Parser<'_> {
    /// The conditions of the rule or limit that is written at `at`.
    pub(super) fn when<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        written: &syntax::When,
    ) -> Result<When, PolicyError> {
        let when = When {
            tier: self.set(place, "tier", written.tier.as_ref())?,
            wallet: self.set(place, "wallet", written.wallet.as_ref())?,
            asset: self.set(place, "asset", written.asset.as_ref())?,
            client: self.set(place, "client", written.client.as_ref())?,
            chain: self.set(place, "chain", written.chain.as_ref())?,
            initiator: self.set(place, "initiator", written.initiator.as_ref())?,
            destination: self.set(place, "destination", written.destination.as_ref())?,
            destination_tier: self.set(
                place,
                "destination_tier",
                written.destination_tier.as_ref(),
            )?,
            tag: self.set(place, "tag", written.tag.as_ref())?,
            flag: self.set(place, "flag", written.flag.as_ref())?,
            call: self.set(place, "call", written.call.as_ref())?,
            amount: match &written.amount {
                Some(range) => Some(self.range(place, range)?),
                None => None,
            },
            hours: match &written.hours {
                Some(hours) => Some(self.hours(place, hours)?),
                None => None,
            },
        };
        if let Some(range) = &when.amount {
            self.only_asset(place, at, &when, range.asset)?;
        }
        Ok(when)
    }

    /// Refuses what is only about blocked destinations and does not deny them: they are denied anyway.
    pub(super) fn not_only_blocked<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        when: &When,
    ) -> Result<(), PolicyError> {
        let blocked = BTreeSet::from([DestinationClass::Blocked]);
        if when.destination.as_ref() != Some(&blocked) {
            return Ok(());
        }
        let place = place.clone();
        Err(self.refused(at, PolicyFault::OnlyBlocked { place }))
    }

    /// Refuses a list of assets next to an amount that only one of them can be in.
    pub(super) fn only_asset<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        when: &When,
        asset: Asset,
    ) -> Result<(), PolicyError> {
        let only = BTreeSet::from([asset]);
        if when.asset.as_ref().is_none_or(|assets| *assets == only) {
            return Ok(());
        }
        let place = place.clone();
        Err(self.refused(at, PolicyFault::AssetNeverMatches { place, asset }))
    }

    fn set<T: Ord + Clone + Display>(
        &self,
        place: &Place,
        field: &'static str,
        list: Option<&Spanned<Vec<T>>>,
    ) -> Result<Option<BTreeSet<T>>, PolicyError> {
        let Some(list) = list else { return Ok(None) };
        let place = place.clone();
        if list.get_ref().is_empty() {
            return Err(self.refused(list, PolicyFault::EmptyList { place, field }));
        }
        let mut set = BTreeSet::new();
        for value in list.get_ref() {
            if !set.insert(value.clone()) {
                let value = value.to_string();
                let fault = PolicyFault::DuplicateInList {
                    place,
                    field,
                    value,
                };
                return Err(self.refused(list, fault));
            }
        }
        Ok(Some(set))
    }

    fn range(
        &self,
        place: &Place,
        range: &Spanned<syntax::AmountRange>,
    ) -> Result<AmountRange, PolicyError> {
        let syntax::AmountRange { above, at_most } = range.get_ref();
        let above = match above {
            Some(text) => Some(self.amount(place, "above", text)?),
            None => None,
        };
        let at_most = match at_most {
            Some(text) => Some(self.amount(place, "at_most", text)?),
            None => None,
        };
        let place = place.clone();
        let (asset, text) = match (above, at_most) {
            (None, None) => return Err(self.refused(range, PolicyFault::NoBound { place })),
            (Some(above), None) => (above.asset(), format!("above {above}")),
            (None, Some(at_most)) if at_most.is_zero() => {
                let (above, at_most) = ("nothing".to_owned(), at_most.to_string());
                let fault = PolicyFault::EmptyRange {
                    place,
                    above,
                    at_most,
                };
                return Err(self.refused(range, fault));
            }
            (None, Some(at_most)) => (at_most.asset(), format!("at most {at_most}")),
            (Some(above), Some(at_most)) if above.asset() != at_most.asset() => {
                let (above, at_most) = (above.asset(), at_most.asset());
                let fault = PolicyFault::MixedBounds {
                    place,
                    above,
                    at_most,
                };
                return Err(self.refused(range, fault));
            }
            (Some(above), Some(at_most)) if above.units() >= at_most.units() => {
                let (above, at_most) = (above.to_string(), at_most.to_string());
                let fault = PolicyFault::EmptyRange {
                    place,
                    above,
                    at_most,
                };
                return Err(self.refused(range, fault));
            }
            (Some(above), Some(at_most)) => {
                let text = format!("above {above} and at most {at_most}");
                (above.asset(), text)
            }
        };
        Ok(AmountRange {
            asset,
            above: above.map(|amount| amount.units()),
            at_most: at_most.map(|amount| amount.units()),
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
        let written = text.get_ref();
        let place = place.clone();
        let no_unit =
            !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if no_unit {
            let fault = PolicyFault::AmountWithoutUnit {
                place,
                key,
                found: Quoted::new(written),
                example: format!("{} LTC", written.chars().take(20).collect::<String>()),
            };
            return Err(self.refused(text, fault));
        }
        written
            .parse()
            .map_err(|error| self.refused(text, PolicyFault::Amount { place, key, error }))
    }

    fn hours(&self, place: &Place, hours: &Spanned<syntax::Hours>) -> Result<Hours, PolicyError> {
        let written = hours.get_ref();
        let from = self.clock(place, "from", &written.from)?;
        let to = self.clock(place, "to", &written.to)?;
        if from == DAY_MINUTES {
            let (place, found) = (place.clone(), Quoted::new(written.from.get_ref()));
            let fault = PolicyFault::Clock {
                place,
                key: "from",
                found,
            };
            return Err(self.refused(&written.from, fault));
        }
        if from == to {
            let place = place.clone();
            return Err(self.refused(hours, PolicyFault::EmptyHours { place }));
        }
        let days = self.set(place, "days", written.days.as_ref())?;
        Ok(Hours {
            from,
            to,
            days: days.unwrap_or_else(|| Day::ALL.into()),
            utc_offset_minutes: self.utc_offset(place, written.utc_offset_minutes.as_ref())?,
        })
    }

    fn clock(
        &self,
        place: &Place,
        key: &'static str,
        text: &Spanned<String>,
    ) -> Result<u32, PolicyError> {
        parse_clock(text.get_ref()).ok_or_else(|| {
            let (place, found) = (place.clone(), Quoted::new(text.get_ref()));
            self.refused(text, PolicyFault::Clock { place, key, found })
        })
    }

    /// From Baker Island's -12:00 to Kiritimati's +14:00.
    fn utc_offset(
        &self,
        place: &Place,
        minutes: Option<&Spanned<i64>>,
    ) -> Result<i32, PolicyError> {
        let Some(minutes) = minutes else { return Ok(0) };
        let found = *minutes.get_ref();
        match i32::try_from(found) {
            Ok(offset @ -720..=840) => Ok(offset),
            _ => {
                let place = place.clone();
                Err(self.refused(minutes, PolicyFault::UtcOffset { place, found }))
            }
        }
    }
}
