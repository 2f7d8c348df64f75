//! What enacted changes do to destinations, what they are checked against, and what assets are said to be worth. A payout
//! to an address that is blocked from now on is judged anew.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Asset};
use custodyd_policy::{Currency, Price, Tag, Timestamp, WalletId};

use super::{ReplayFault, Touch};
use crate::{Entry, Vault};

impl Vault {
    /// An address comes into the address book; its cool-off begins.
    pub(crate) fn destination_added(
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
    pub(crate) fn destination_removed(&mut self, address: &Address) -> Result<(), ReplayFault> {
        if self.destinations.remove(address) {
            Ok(())
        } else {
            Err(self.missing(address))
        }
    }

    /// Addresses are never paid from now on. What waits to be paid to one, and is in no transaction, is judged anew before
    /// anything else happens: what people approved before they knew is not paid either.
    pub(crate) fn addresses_blocked(
        &mut self,
        addresses: &BTreeSet<Address>,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.destinations.block(addresses);
        let concerned: Vec<_> = self
            .pending()
            .filter(|w| addresses.contains(&w.request.destination))
            .map(|w| w.id)
            .collect();
        let mut touched = Vec::new();
        for id in concerned {
            touched.extend(self.begin_again(&id, at)?);
        }
        Ok(touched)
    }

    /// Addresses are judged by the rules again. What was denied stays denied.
    pub(crate) fn addresses_unblocked(&mut self, addresses: &BTreeSet<Address>) {
        self.destinations.unblock(addresses);
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

    /// An address is a wallet's own from now on, for ever.
    pub(crate) fn address_owned(&mut self, address: Address, wallet: &WalletId) {
        self.destinations.add_own(address, wallet.clone());
    }

    /// Has addresses compared as the policy in force says: for whoever puts another one in force.
    pub(crate) fn compare_by_policy(&mut self) {
        let look_alike = self.policy.destinations().look_alike;
        self.destinations.compare_by(look_alike);
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
