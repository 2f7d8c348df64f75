//! Where the vault paid before: since when each destination is known from payments, and the small ones among the recent.

use std::collections::BTreeMap;

use custodyd_chain::{Address, Amount, U256};
use custodyd_policy::{MAX_PROBE_WINDOW_MS, Probe, Timestamp};

/// Payments by destination.
#[derive(Debug, Clone, Default)]
pub(super) struct Payments {
    to: BTreeMap<Address, Paid>,
}

#[derive(Debug, Clone)]
struct Paid {
    /// The event with which the first payment was sent.
    first: u64,
    /// Recent payments, oldest first, none of which is followed by one that is as small: whatever the window, the first
    /// within it is the smallest within it.
    smallest: Vec<(Timestamp, Amount)>,
}

impl Payments {
    /// Takes a payment in. True for the first to this address.
    pub(super) fn record(
        &mut self,
        address: &Address,
        amount: Amount,
        seq: u64,
        at: Timestamp,
    ) -> bool {
        let new = !self.to.contains_key(address);
        let paid = self.to.entry(address.clone()).or_insert_with(|| Paid {
            first: seq,
            smallest: Vec::new(),
        });
        // No policy can ask for what is older.
        paid.smallest
            .retain(|(then, _)| at.saturating_ms_since(*then) <= MAX_PROBE_WINDOW_MS);
        while paid
            .smallest
            .last()
            .is_some_and(|(_, last)| last.units() >= amount.units())
        {
            paid.smallest.pop();
        }
        paid.smallest.push((at, amount));
        new
    }

    /// The event with which the first payment to this address was sent.
    pub(super) fn first_to(&self, address: &Address) -> Option<u64> {
        self.to.get(address).map(|paid| paid.first)
    }

    /// All destinations, each with its first payment's event.
    pub(super) fn first(&self) -> impl Iterator<Item = (&Address, u64)> {
        self.to.iter().map(|(address, paid)| (address, paid.first))
    }

    /// Whether a payment of at most `amount / times` went to this address within the window.
    pub(super) fn was_probed(
        &self,
        address: &Address,
        amount: Amount,
        probe: Probe,
        at: Timestamp,
    ) -> bool {
        let Some(paid) = self.to.get(address) else {
            return false;
        };
        let old = |(then, _): &(Timestamp, Amount)| at.saturating_ms_since(*then) > probe.window_ms;
        let smallest = paid.smallest.get(paid.smallest.partition_point(old));
        smallest.is_some_and(|(_, small)| {
            // What overflows is more than any amount.
            let large = small.units().checked_mul(U256::from(probe.times));
            small.asset() == amount.asset() && large.is_some_and(|large| amount.units() >= large)
        })
    }
}
