//! What the vault knows of destinations: the address book, the block list, where it paid before, and which addresses
//! look alike. It only tells; what follows is the policy's.
//!
//! Every question is answered by looking a key up in an ordered map, so that its cost grows with the logarithm of what is
//! known, never with the history.

mod block_list;
mod book;
mod founding;
mod payments;
mod resemblance;

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Amount};
use custodyd_policy::{
    DestinationClass, DestinationTerms, Flag, LookAlike, Tag, Timestamp, WalletId,
};

pub use block_list::{BlockListError, BlockListFault, MAX_BLOCK_LIST_LINES, parse_block_list};
pub use book::Entry;
pub use founding::{FoundingEntry, TaggedAddress};
use payments::Payments;
use resemblance::{Resemblance, TRUSTED};

/// Destinations, as the vault knows them.
#[derive(Debug, Clone)]
pub(crate) struct Destinations {
    book: BTreeMap<Address, Entry>,
    /// The same, by name.
    names: BTreeMap<String, Address>,
    blocked: BTreeSet<Address>,
    /// Addresses of the vault's wallets. None ever leaves: what was paid to it can still be spent.
    own: BTreeMap<Address, WalletId>,
    payments: Payments,
    resemblance: Resemblance,
}

/// What is known of one destination at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) class: DestinationClass,
    pub(crate) tags: BTreeSet<Tag>,
    pub(crate) flags: BTreeSet<Flag>,
    pub(crate) resembles: Option<Address>,
}

impl Destinations {
    /// Nothing is known yet; addresses are compared as `terms` say.
    pub(crate) fn new(look_alike: LookAlike) -> Self {
        Self {
            book: BTreeMap::new(),
            names: BTreeMap::new(),
            blocked: BTreeSet::new(),
            own: BTreeMap::new(),
            payments: Payments::default(),
            resemblance: Resemblance::new(look_alike),
        }
    }

    pub(crate) fn book(&self) -> &BTreeMap<Address, Entry> {
        &self.book
    }

    pub(crate) fn blocked(&self) -> &BTreeSet<Address> {
        &self.blocked
    }

    pub(crate) fn own(&self) -> &BTreeMap<Address, WalletId> {
        &self.own
    }

    /// An entry of the address book, new or in the place of another.
    pub(crate) fn add(&mut self, address: Address, entry: Entry) {
        self.remove(&address);
        self.resemblance.insert(&address, TRUSTED);
        self.names.insert(entry.name.clone(), address.clone());
        self.book.insert(address, entry);
    }

    /// Takes an entry out; false if there is none.
    pub(crate) fn remove(&mut self, address: &Address) -> bool {
        if !self.own.contains_key(address) {
            self.resemblance.remove(address, TRUSTED);
        }
        let entry = self.book.remove(address);
        if let Some(entry) = &entry {
            self.names.remove(&entry.name);
        }
        entry.is_some()
    }

    /// The address of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Address> {
        self.names.get(name)
    }

    pub(crate) fn block(&mut self, addresses: &BTreeSet<Address>) {
        self.blocked.extend(addresses.iter().cloned());
    }

    pub(crate) fn unblock(&mut self, addresses: &BTreeSet<Address>) {
        for address in addresses {
            self.blocked.remove(address);
        }
    }

    pub(crate) fn add_own(&mut self, address: Address, wallet: WalletId) {
        self.resemblance.insert(&address, TRUSTED);
        self.own.insert(address, wallet);
    }

    /// A transaction that pays `address` was sent with the event `seq`.
    pub(crate) fn paid(&mut self, address: &Address, amount: Amount, seq: u64, at: Timestamp) {
        if self.payments.record(address, amount, seq, at) {
            self.resemblance.insert(address, seq);
        }
    }

    /// Compares addresses as another policy says from now on.
    pub(crate) fn compare_by(&mut self, look_alike: LookAlike) {
        if self.resemblance.compares_by() == look_alike {
            return;
        }
        self.resemblance = Resemblance::new(look_alike);
        for address in self.book.keys().chain(self.own.keys()) {
            self.resemblance.insert(address, TRUSTED);
        }
        for (address, first) in self.payments.first() {
            self.resemblance.insert(address, first);
        }
    }

    pub(crate) fn class(
        &self,
        address: &Address,
        terms: &DestinationTerms,
        at: Timestamp,
    ) -> DestinationClass {
        if self.blocked.contains(address) {
            DestinationClass::Blocked
        } else if self.own.contains_key(address) {
            DestinationClass::Own
        } else if self
            .book
            .get(address)
            .is_some_and(|entry| entry.is_known(terms.cool_off_ms, at))
        {
            DestinationClass::Known
        } else {
            DestinationClass::New
        }
    }

    /// What is known of a destination to which `amount` would go at `at`.
    pub(crate) fn look_at(
        &self,
        address: &Address,
        amount: Amount,
        terms: &DestinationTerms,
        at: Timestamp,
    ) -> Sight {
        let entry = self.book.get(address);
        let resembles = self.resembled(address, terms, at);
        let mut flags = BTreeSet::new();
        let mut flag = |set: bool, flag| {
            if set {
                flags.insert(flag);
            }
        };
        flag(self.payments.first_to(address).is_none(), Flag::FirstSeen);
        flag(resembles.is_some(), Flag::LookAlike);
        flag(
            entry.is_some_and(|entry| !entry.is_known(terms.cool_off_ms, at)),
            Flag::CoolingOff,
        );
        flag(
            self.payments.was_probed(address, amount, terms.probe, at),
            Flag::ProbeThenDrain,
        );
        Sight {
            class: self.class(address, terms, at),
            tags: entry.map(|entry| entry.tags.clone()).unwrap_or_default(),
            flags,
            resembles,
        }
    }

    /// The address that this one could be taken for. What people agreed on, or is ours, is what it is: it is the other one
    /// that resembles it. Of two that are neither, the one that was paid first is the real one.
    pub(crate) fn resembled(
        &self,
        address: &Address,
        terms: &DestinationTerms,
        at: Timestamp,
    ) -> Option<Address> {
        let known = |entry: &Entry| entry.is_known(terms.cool_off_ms, at);
        if self.own.contains_key(address) || self.book.get(address).is_some_and(known) {
            return None;
        }
        let rank = self.payments.first_to(address).unwrap_or(u64::MAX);
        self.resemblance.of(address, rank)
    }
}

#[cfg(test)]
mod tests;
