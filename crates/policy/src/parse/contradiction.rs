//! Conditions that exclude each other: a rule with such a pair looks like a rule, and is none.

use std::collections::BTreeSet;

use custodyd_chain::Family;

use crate::condition::When;
use crate::facts::{Call, DestinationClass, Flag, Initiator, Tier};

/// Why these conditions never hold together, if that is so for two of them.
pub(super) fn contradiction(when: &When) -> Option<&'static str> {
    let assets = || when.asset.iter().flatten().copied();
    let amounts = [&when.amount, &when.fee].into_iter().flatten();
    let ranged: BTreeSet<_> = amounts.map(|range| range.asset).collect();
    if ranged.len() > 1 {
        return Some(
            "`amount` and `fee` are in two assets; a fee is paid in the asset of its chain",
        );
    }
    let asset_is_open = |asset| {
        when.asset.as_ref().is_none_or(|set| set.contains(&asset))
            && ranged.iter().all(|of| *of == asset)
    };
    if let Some(chains) = &when.chain
        && !chains.iter().any(|chain| asset_is_open(chain.asset()))
    {
        return Some("no chain of `chain` has the asset of `asset`, `amount` or `fee`");
    }
    if let Some(classes) = &when.destination {
        if when.destination_tier.is_some() && !classes.contains(&DestinationClass::Own) {
            return Some(
                "`destination_tier` is about our own wallets, and `destination` leaves \"own\" out",
            );
        }
        let cooling_off = BTreeSet::from([Flag::CoolingOff]);
        if when.flag.as_ref() == Some(&cooling_off) && !classes.contains(&DestinationClass::New) {
            return Some("an address that cools off is \"new\", and `destination` leaves that out");
        }
    }
    let native_only = |families: &mut dyn Iterator<Item = Family>| {
        let mut families = families.peekable();
        families.peek().is_some() && families.all(|family| family == Family::Bitcoin)
    };
    if let Some(calls) = &when.call
        && !calls.contains(&Call::Native)
        && (native_only(&mut assets().map(|asset| asset.family()))
            || native_only(&mut ranged.iter().map(|asset| asset.family()))
            || native_only(&mut when.chain.iter().flatten().map(|chain| chain.family())))
    {
        return Some("only EVM chains have calls other than \"native\"");
    }
    if let (Some(clients), Some(initiators)) = (&when.client, &when.initiator) {
        let named = |client| initiators.contains(&Initiator::Client(client));
        if !clients.iter().cloned().any(named) {
            return Some("no client of `client` is named in `initiator`");
        }
    }
    None
}

/// Whether the conditions leave nothing but what goes from a cold wallet to a hot one directly, which is always denied.
pub(super) fn is_cold_to_hot(when: &When) -> bool {
    when.tier == Some(BTreeSet::from([Tier::Cold]))
        && when.destination_tier == Some(BTreeSet::from([Tier::Hot]))
}
