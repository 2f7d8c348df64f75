//! What proposals change of destinations, and what they are checked against; and what clients say that assets are worth.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Asset};
use custodyd_policy::{Currency, Price, Tag, Timestamp, WalletId};

use super::Touch;
use crate::{Entry, Vault};

impl Vault {
    /// An address comes into the address book; its cool-off begins.
    pub(super) fn add_destination(
        &mut self,
        address: &Address,
        name: &str,
        tags: &BTreeSet<Tag>,
        at: Timestamp,
    ) {
        let entry = Entry {
            name: name.to_owned(),
            tags: tags.clone(),
            added_at: at,
            founding: false,
        };
        self.destinations.add(address.clone(), entry);
    }

    /// An address leaves the address book. It is remembered as one that was paid, if it was.
    pub(super) fn remove_destination(&mut self, address: &Address) {
        self.destinations.remove(address);
    }

    pub(super) fn block(&mut self, addresses: &BTreeSet<Address>) {
        self.destinations.block(addresses);
    }

    /// What was denied while they were blocked stays denied.
    pub(super) fn unblock(&mut self, addresses: &BTreeSet<Address>) {
        self.destinations.unblock(addresses);
    }

    /// An address is a wallet's own from now on, for ever.
    pub(super) fn address_owned(&mut self, address: Address, wallet: &WalletId) {
        self.destinations.add_own(address, wallet.clone());
    }

    /// Whether an address is in the address book, known already or not yet.
    pub(crate) fn is_in_address_book(&self, address: &Address) -> bool {
        self.destinations.book().contains_key(address)
    }

    /// The address that is in the address book under this name.
    pub(crate) fn destination_named(&self, name: &str) -> Option<&Address> {
        self.destinations.named(name)
    }

    /// Whether an address is never paid.
    pub(crate) fn is_blocked(&self, address: &Address) -> bool {
        self.destinations.blocked().contains(address)
    }

    pub(super) fn prices_set(
        &mut self,
        prices: &BTreeMap<Asset, Price>,
        currency: Currency,
        as_of: Timestamp,
    ) -> Vec<Touch> {
        for (asset, price) in prices {
            self.prices.set(*asset, *price, currency, as_of);
        }
        Vec::new()
    }
}
