//! What tiers should hold: three amounts of one asset in their order, each asset and tier once.

use std::collections::BTreeMap;

use custodyd_chain::{Amount, Asset};
use toml::Spanned;

use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::Tier;
use crate::parse::{Parser, line_of, syntax};
use crate::treasury::TierTarget;

impl Parser<'_> {
    pub(super) fn treasury(
        &self,
        written: &[Spanned<syntax::Target>],
    ) -> Result<BTreeMap<(Asset, Tier), TierTarget>, PolicyError> {
        let mut targets = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for one in written {
            let key = (one.get_ref().asset, one.get_ref().tier);
            let line = line_of(self.source, &one.span());
            if let Some(first) = lines.insert(key, line) {
                let place = Place::Treasury(key.0, key.1);
                return Err(self.refused(one, PolicyFault::TargetTwice { place, first }));
            }
            targets.insert(key, self.target(one)?);
        }
        Ok(targets)
    }

    fn target(&self, one: &Spanned<syntax::Target>) -> Result<TierTarget, PolicyError> {
        let syntax::Target {
            asset,
            tier,
            floor,
            target,
            ceiling,
        } = one.get_ref();
        let place = Place::Treasury(*asset, *tier);
        let read = |key: &'static str, text: &Spanned<String>| -> Result<Amount, PolicyError> {
            let amount = self.amount(&place, key, text)?;
            if amount.asset() == *asset {
                return Ok(amount);
            }
            let (place, found) = (place.clone(), amount.asset());
            Err(self.refused(text, PolicyFault::TargetAsset { place, key, found }))
        };
        let found = TierTarget {
            floor: read("floor", floor)?,
            target: read("target", target)?,
            ceiling: read("ceiling", ceiling)?,
        };
        if found.ceiling.is_zero() {
            return Err(self.refused(ceiling, PolicyFault::ZeroCeiling { place }));
        }
        let (low, mid, high) = (
            found.floor.units(),
            found.target.units(),
            found.ceiling.units(),
        );
        if low > mid || mid > high {
            let fault = PolicyFault::TargetOrder {
                place,
                floor: found.floor,
                target: found.target,
                ceiling: found.ceiling,
            };
            return Err(self.refused(one, fault));
        }
        Ok(found)
    }
}
