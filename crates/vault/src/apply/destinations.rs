//! What proposals change of destinations, and what they are checked against.

use std::collections::BTreeSet;

use custodyd_chain::Address;
use custodyd_policy::{Tag, Timestamp};

use crate::{Entry, Vault};

impl Vault {
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

    pub(super) fn remove_destination(&mut self, address: &Address) {
        self.destinations.remove(address);
    }

    pub(super) fn block(&mut self, addresses: &BTreeSet<Address>) {
        self.destinations.block(addresses);
    }

    pub(super) fn unblock(&mut self, addresses: &BTreeSet<Address>) {
        self.destinations.unblock(addresses);
    }

    /// Whether an address is in the address book, known already or not yet.
    pub(crate) fn is_in_address_book(&self, address: &Address) -> bool {
        self.destinations.book().contains_key(address)
    }

    /// The address that is in the address book under this name.
    pub(crate) fn destination_named(&self, name: &str) -> Option<&Address> {
        let mut entries = self.destinations.book().iter();
        let named = entries.find(|(_, entry)| entry.name == name);
        named.map(|(address, _)| address)
    }

    /// Whether an address is never paid.
    pub(crate) fn is_blocked(&self, address: &Address) -> bool {
        self.destinations.blocked().contains(address)
    }
}
