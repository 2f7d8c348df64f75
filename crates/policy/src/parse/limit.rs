//! Limits: one maximum each, in a unit, in a window that is not empty, with a consequence that says what it needs.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, Network};
use toml::Spanned;

use crate::duration::parse_duration;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::limit::{Breach, Limit};
use crate::parse::{Parser, line_of, syntax};
use crate::reason::{BreachKind, Measure};

impl Parser<'_> {
    pub(super) fn limits(
        &self,
        written: &[Spanned<syntax::Limit>],
    ) -> Result<Vec<Limit>, PolicyError> {
        let mut limits = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for one in written {
            let limit = self.limit(one)?;
            let line = line_of(self.source, &one.span());
            if let Some(first) = lines.insert(limit.id.clone(), line) {
                let id = limit.id;
                return Err(self.refused(one, PolicyFault::DuplicateLimit { id, first }));
            }
            limits.insert(limit.id.clone(), limit);
        }
        Ok(limits.into_values().collect())
    }

    fn limit(&self, one: &Spanned<syntax::Limit>) -> Result<Limit, PolicyError> {
        let written = one.get_ref();
        let place = Place::Limit(written.id.clone());
        let max = self.maximum(&place, one)?;
        let asset = self.limited_asset(&place, one, max)?;
        let when = self.when(&place, one, &written.when)?;
        self.not_always_denied(&place, one, &when)?;
        if let Some(asset) = asset {
            self.only_asset(&place, one, &when, asset)?;
            // A condition on an amount or a chain of another asset could never match either.
            let mut ranges = [&when.amount, &when.fee].into_iter().flatten();
            let no_chain = |chains: &BTreeSet<Network>| !chains.iter().any(|c| c.asset() == asset);
            if ranges.any(|range| range.asset != asset) || when.chain.as_ref().is_some_and(no_chain)
            {
                return Err(self.refused(one, PolicyFault::AssetNeverMatches { place, asset }));
            }
        }
        let window_ms = parse_duration(written.window.get_ref()).map_err(|error| {
            let (place, key) = (place.clone(), "window");
            self.refused(&written.window, PolicyFault::Duration { place, key, error })
        })?;
        Ok(Limit {
            id: written.id.clone(),
            per: written.per,
            asset,
            when,
            max,
            window_ms,
            on_breach: self.breach(&place, one)?,
        })
    }

    fn maximum(&self, place: &Place, one: &Spanned<syntax::Limit>) -> Result<Measure, PolicyError> {
        let written = one.get_ref();
        let max = match (&written.max_amount, &written.max_count, &written.max_fiat) {
            (Some(text), None, None) => Measure::Amount(self.amount(place, "max_amount", text)?),
            (None, Some(count), None) => Measure::Count(*count.get_ref()),
            (None, None, Some(text)) => Measure::Fiat(self.value(place, "max_fiat", text)?),
            _ => {
                let place = place.clone();
                return Err(self.refused(one, PolicyFault::OneMaximum { place }));
            }
        };
        let is_zero = match &max {
            Measure::Amount(amount) => amount.is_zero(),
            Measure::Count(count) => *count == 0,
            Measure::Fiat(value) => value.cents == 0,
        };
        if is_zero {
            let place = place.clone();
            return Err(self.refused(one, PolicyFault::ZeroMaximum { place }));
        }
        Ok(max)
    }

    /// The asset the limit is about: the one that is named, or else the one of its maximum.
    fn limited_asset(
        &self,
        place: &Place,
        one: &Spanned<syntax::Limit>,
        max: Measure,
    ) -> Result<Option<Asset>, PolicyError> {
        match (one.get_ref().asset, max) {
            (named, Measure::Count(_) | Measure::Fiat(_)) => Ok(named),
            (Some(asset), Measure::Amount(max)) if asset != max.asset() => {
                let (place, max) = (place.clone(), max.asset());
                Err(self.refused(one, PolicyFault::LimitAsset { place, asset, max }))
            }
            (_, Measure::Amount(max)) => Ok(Some(max.asset())),
        }
    }

    fn breach(&self, place: &Place, one: &Spanned<syntax::Limit>) -> Result<Breach, PolicyError> {
        let written = one.get_ref();
        let owned = || place.clone();
        match (written.on_breach, &written.require) {
            (BreachKind::Quorum, Some(list)) => Ok(Breach::Quorum(self.requirements(place, list)?)),
            (BreachKind::Quorum, None) => {
                let fault = PolicyFault::QuorumWithoutRequire { place: owned() };
                Err(self.refused(one, fault))
            }
            (_, Some(list)) => {
                let fault = PolicyFault::RequireWithoutQuorum { place: owned() };
                Err(self.refused(list, fault))
            }
            (BreachKind::Deny, None) => Ok(Breach::Deny),
            (BreachKind::Hold, None) => Ok(Breach::Hold),
        }
    }
}
