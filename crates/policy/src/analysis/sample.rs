//! A request out of a region: facts that a policy can be asked about.

use custodyd_chain::{Address, Amount, Asset, Network, ScriptBuf, U256};

use crate::analysis::axes::{
    GOAL, Goal, INITIATOR, SOURCE, Source, Span256, TIME, VALUE, Value, amount_axis, fee_axis,
};
use crate::analysis::region::Region;
use crate::analysis::space::Space;
use crate::facts::{Facts, Flag, Initiator};
use crate::fiat::Fiat;
use crate::ids::WithdrawalId;
use crate::instant::Timestamp;

impl Space {
    /// The first source of a region.
    pub(crate) fn source(&self, region: &Region) -> Option<&Source> {
        self.axes.sources.get(region.on(SOURCE).first()?)
    }

    /// The sources of a region.
    pub(crate) fn sources_of<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Source> {
        let atoms = region.on(SOURCE).iter();
        atoms.filter_map(|atom| self.axes.sources.get(atom))
    }

    /// The goals of a region.
    pub(crate) fn goals_of<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Goal> {
        let atoms = region.on(GOAL).iter();
        atoms.filter_map(|atom| self.axes.goals.get(atom))
    }

    /// The initiators of a region.
    pub(crate) fn initiators_of<'a>(
        &'a self,
        region: &'a Region,
    ) -> impl Iterator<Item = &'a Initiator> {
        let atoms = region.on(INITIATOR).iter();
        atoms.filter_map(|atom| self.axes.initiators.get(atom))
    }

    /// The atom that this initiator is; the one for any other, if it is not named.
    pub(crate) fn initiator_atom(&self, initiator: &Initiator) -> Option<usize> {
        let all = &self.axes.initiators;
        let named = all.iter().position(|known| known == initiator);
        // The last of a kind stands for all that are not named.
        let alike = |known: &Initiator| known.client().is_some() == initiator.client().is_some();
        named.or_else(|| all.iter().rposition(alike))
    }

    /// The amounts of an asset in a region, smallest first.
    pub(crate) fn amounts_in<'a>(
        &'a self,
        region: &'a Region,
        asset: Asset,
    ) -> impl Iterator<Item = Span256> + 'a {
        let spans = self.axes.amounts_of(asset);
        let atoms = region.on(amount_axis(asset)).iter();
        atoms.filter_map(|atom| spans.get(atom).copied())
    }

    /// A request of the region, of an amount that a person would write. The serial number makes the withdrawal and the
    /// destination its own.
    pub(crate) fn request(&self, region: &Region, serial: u64) -> Option<Facts> {
        let asset = self.source(region)?.network.asset();
        let span = self.amounts_in(region, asset).next()?;
        self.request_of(region, serial, round(span, asset))
    }

    /// A request of the region that asks for so many units. They must be of one of its intervals.
    pub(crate) fn request_of(&self, region: &Region, serial: u64, units: U256) -> Option<Facts> {
        let source = self.source(region)?.clone();
        let asset = source.network.asset();
        let goal = *self.goals_of(region).next()?;
        let fee = region.on(fee_axis(asset)).first()?;
        let fee = self.axes.fees_of(asset).get(fee)?.least;
        let amount = Amount::from_units(asset, units).ok()?;
        let fiat = match &self.world.prices {
            Some((currency, prices)) if prices.contains_key(&asset) => Some(Fiat {
                currency: *currency,
                cents: prices.get(&asset)?.cents(&amount)?,
            }),
            _ => match self.axes.values.get(region.on(VALUE).first()?)? {
                Value::Unknown => None,
                Value::Cents(currency, least, most) => Some(Fiat {
                    currency: *currency,
                    cents: (*least).max(1).min(*most),
                }),
            },
        };
        let raised = |axis: Option<usize>| axis.is_some_and(|axis| !region.on(axis).contains(0));
        let flags = Flag::ALL.into_iter().filter(|flag| match flag {
            Flag::CoolingOff => goal.cooling,
            other => raised(self.axes.flag_axis(*other)),
        });
        let tags = self.axes.tags.iter();
        Some(Facts {
            withdrawal: WithdrawalId::from_bytes(u128::from(serial).to_be_bytes()),
            vault: "main".parse().ok()?,
            wallet: source.wallet,
            tier: source.tier,
            amount,
            fiat,
            fee: Amount::from_units(asset, fee).ok()?,
            destination: address(source.network, serial)?,
            class: goal.class,
            destination_tier: goal.tier,
            tags: tags
                .filter(|tag| raised(self.axes.tag_axis(tag)))
                .cloned()
                .collect(),
            flags: flags.collect(),
            resembles: None,
            call: source.call,
            initiator: self.initiators_of(region).next()?.clone(),
            at: self.times_of(region).next()?,
        })
    }

    /// An instant of each atom of time in a region.
    pub(crate) fn times_of<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = Timestamp> {
        let atoms = region.on(TIME).iter();
        atoms.filter_map(|atom| self.axes.times.get(atom).map(|atom| atom.at))
    }
}

/// A round amount of an interval: its upper end if that is a bound that somebody wrote, else one coin more than its
/// lower end.
fn round(span: Span256, asset: Asset) -> U256 {
    let coin = U256::from(10_u8)
        .checked_pow(U256::from(asset.decimals()))
        .unwrap_or(U256::ONE);
    if span.most < asset.cap() {
        return span.most;
    }
    let below = span.least.saturating_sub(U256::ONE);
    below.saturating_add(coin).min(span.most).max(span.least)
}

/// An address on this network that no other serial number has: a P2WPKH program or an account that holds the number.
pub(crate) fn address(network: Network, serial: u64) -> Option<Address> {
    const PREFIX: &str = "c0de0000000000000000c0de";
    let program = format!("{PREFIX}{serial:016x}");
    match network {
        Network::Bitcoin(_) => {
            let script = ScriptBuf::from_hex(&format!("0014{program}")).ok()?;
            Address::from_script(network, &script).ok()
        }
        Network::Evm(_) => Address::parse(network, &format!("0x{program}")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::analysis::fixture::{ALLOW, policy, space};
    use crate::analysis::world::World;

    #[test]
    fn whoever_is_not_named_is_the_one_that_stands_for_their_kind() {
        let policy = policy(
            "[[rules]]\nid = \"a\"\neffect = \"allow\"\nwhen = { initiator = [\"client/shop\", \"operator/bob\"] }\n",
        );
        let space = space(&policy);
        let shown = |name: &str| {
            let atom = space.initiator_atom(&name.parse().unwrap()).unwrap();
            space.axes.initiators[atom].to_string()
        };
        for (name, stands) in [
            ("client/shop", "client/shop"),
            ("client/other", "client/any-client"),
            ("operator/bob", "operator/bob"),
            ("operator/alice", "operator/any-operator"),
        ] {
            assert_eq!(shown(name), stands);
        }
    }

    #[test]
    fn what_has_no_price_is_asked_for_all_the_same() {
        let policy = policy(ALLOW);
        let prices = BTreeMap::from([(Asset::Btc, "50000".parse().unwrap())]);
        let world = World {
            prices: Some(("USD".parse().unwrap(), prices)),
            ..World::default()
        };
        let space = Space::new(&[&policy], &[], &world);
        for (asset, worth) in [(Asset::Btc, Some("50000 USD")), (Asset::Ltc, None)] {
            let of = space.sources(|source| source.network.asset() == asset);
            let region = space.all().within(SOURCE, &of).unwrap();
            let facts = space.request(&region, 1).unwrap();
            assert_eq!(facts.amount.to_string(), format!("1 {asset}"));
            assert_eq!(facts.fiat.map(|fiat| fiat.to_string()).as_deref(), worth);
        }
    }
}
