//! Conditions that can hold: no empty list, no empty range, no empty hours.

use std::collections::BTreeSet;
use std::fmt::Display;

use custodyd_chain::Asset;
use toml::Spanned;

use crate::condition::When;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::DestinationClass;
use crate::parse::contradiction::{contradiction, is_cold_to_hot};
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
                Some(range) => Some(self.amount_range(place, "amount", range)?),
                None => None,
            },
            fiat: match &written.fiat {
                Some(range) => Some(self.fiat_range(place, range)?),
                None => None,
            },
            fee: match &written.fee {
                Some(range) => Some(self.amount_range(place, "fee", range)?),
                None => None,
            },
            hours: match &written.hours {
                Some(hours) => Some(self.hours(place, hours)?),
                None => None,
            },
        };
        for range in [&when.amount, &when.fee].into_iter().flatten() {
            self.only_asset(place, at, &when, range.asset)?;
        }
        if let Some(why) = contradiction(&when) {
            let place = place.clone();
            return Err(self.refused(at, PolicyFault::NeverMatches { place, why }));
        }
        Ok(when)
    }

    /// Refuses what is only about withdrawals that are always denied, and does not deny them itself: blocked
    /// destinations, and cold to hot.
    pub(super) fn not_always_denied<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        when: &When,
    ) -> Result<(), PolicyError> {
        if is_cold_to_hot(when) {
            let place = place.clone();
            return Err(self.refused(at, PolicyFault::OnlyColdToHot { place }));
        }
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

    pub(super) fn set<T: Ord + Clone + Display>(
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
}
