//! What proposals change of destinations.

use std::collections::BTreeSet;

use custodyd_chain::Address;
use custodyd_policy::{Tag, Timestamp};

use crate::Vault;

impl Vault {
    pub(super) fn add_destination(
        &mut self,
        address: &Address,
        _name: &str,
        _tags: &BTreeSet<Tag>,
        _at: Timestamp,
    ) {
        self.known.insert(address.clone());
    }

    pub(super) fn remove_destination(&mut self, address: &Address) {
        self.known.remove(address);
    }

    pub(super) fn block(&mut self, addresses: &BTreeSet<Address>) {
        self.blocked.extend(addresses.iter().cloned());
    }

    pub(super) fn unblock(&mut self, addresses: &BTreeSet<Address>) {
        for address in addresses {
            self.blocked.remove(address);
        }
    }

    /// Whether an address is in the address book, known already or not yet.
    pub(crate) fn is_in_address_book(&self, address: &Address) -> bool {
        self.known.contains(address)
    }

    /// The address that is in the address book under this name.
    pub(crate) fn destination_named(&self, _name: &str) -> Option<&Address> {
        None
    }

    /// Whether an address is never paid.
    pub(crate) fn is_blocked(&self, address: &Address) -> bool {
        self.blocked.contains(address)
    }
}
