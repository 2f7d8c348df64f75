//! Changes of where money may go and where it lies: the address book, the block list, and wallets.

use std::collections::BTreeSet;

use custodyd_chain::{Address, FeeCaps, Network, PublicKey};
use custodyd_policy::WalletId;

use super::{draft::Draft, people::at_most};
use crate::{
    ChangeFault, GenesisError, KeyId, MAX_ADDRESSES, Wallet, WalletKey, WalletSpec,
    decide::is_plain_text,
};

/// Wallets of a vault at most.
const MAX_WALLETS: usize = 1_024;
/// Characters of a destination's name at most.
const MAX_NAME: usize = 64;

impl Draft<'_> {
    pub(super) fn add_destination(
        &mut self,
        address: &Address,
        name: &str,
    ) -> Result<(), ChangeFault> {
        if name.trim().is_empty() || !is_plain_text(name, MAX_NAME) {
            return Err(ChangeFault::DestinationName);
        }
        self.check_network(address)?;
        if self.is_known(address) {
            return Err(ChangeFault::DestinationKnown(address.clone()));
        }
        if self.is_named(name) {
            return Err(ChangeFault::DestinationNameTaken(name.to_owned()));
        }
        self.names.insert(address.clone(), Some(name.to_owned()));
        Ok(())
    }

    pub(super) fn remove_destination(&mut self, address: &Address) -> Result<(), ChangeFault> {
        if !self.is_known(address) {
            return Err(ChangeFault::UnknownDestination(address.clone()));
        }
        self.names.insert(address.clone(), None);
        Ok(())
    }

    fn is_known(&self, address: &Address) -> bool {
        match self.names.get(address) {
            Some(changed) => changed.is_some(),
            None => self.vault.is_in_address_book(address),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let added = self.names.values().flatten().any(|taken| taken == name);
        let kept = |address: &Address| !self.names.contains_key(address);
        added || self.vault.destination_named(name).is_some_and(kept)
    }

    pub(super) fn block(&mut self, addresses: &BTreeSet<Address>) -> Result<(), ChangeFault> {
        count(addresses)?;
        for address in addresses {
            self.check_network(address)?;
            self.blocks.insert(address.clone(), true);
        }
        Ok(())
    }

    pub(super) fn unblock(&mut self, addresses: &BTreeSet<Address>) -> Result<(), ChangeFault> {
        count(addresses)?;
        for address in addresses {
            let blocked = self.blocks.get(address).copied();
            if !blocked.unwrap_or_else(|| self.vault.is_blocked(address)) {
                return Err(ChangeFault::NotBlocked(address.clone()));
            }
            self.blocks.insert(address.clone(), false);
        }
        Ok(())
    }

    fn check_network(&self, address: &Address) -> Result<(), ChangeFault> {
        if self.networks().any(|network| network == address.network()) {
            Ok(())
        } else {
            Err(ChangeFault::ForeignAddress(address.clone()))
        }
    }

    fn networks(&self) -> impl Iterator<Item = Network> {
        let added = self.wallets.values().map(|spec| spec.network);
        let present = self.vault.wallets.values().map(|wallet| wallet.network);
        present.chain(added)
    }

    pub(super) fn set_wallet(
        &mut self,
        id: &WalletId,
        fee_caps: Option<FeeCaps>,
        confirmations: Option<u32>,
    ) -> Result<(), ChangeFault> {
        let wallet = self.wallet(id)?;
        let asset = wallet.network.asset();
        let fault = |e| ChangeFault::Wallet(Box::new(e));
        if let Some(caps) = fee_caps
            && caps.absolute.asset() != asset
        {
            let (wallet, cap) = (id.clone(), caps.absolute);
            return Err(fault(GenesisError::FeeCapAsset { wallet, cap }));
        }
        if confirmations == Some(0) {
            return Err(fault(GenesisError::Confirmations(id.clone())));
        }
        if fee_caps.is_none() && confirmations.is_none() {
            return Err(ChangeFault::WalletUnchanged(id.clone()));
        }
        let settings = self.settings.entry(id.clone()).or_default();
        settings.fee_caps = fee_caps.or(settings.fee_caps);
        settings.confirmations = confirmations.or(settings.confirmations);
        Ok(())
    }

    /// Where a new wallet's first key is. The id of one that the HSM is to make comes from the proposal's, which is fresh.
    pub(super) fn wallet_key(&self, id: &WalletId, public_key: Option<&PublicKey>) -> WalletKey {
        match public_key {
            Some(public) => WalletKey::Offline(*public),
            None => WalletKey::Online(KeyId::of_wallet(self.proposal, id)),
        }
    }

    pub(super) fn add_wallet(
        &mut self,
        id: &WalletId,
        spec: WalletSpec,
    ) -> Result<(), ChangeFault> {
        if self.vault.wallets.contains_key(id) || self.wallets.contains_key(id) {
            return Err(ChangeFault::WalletExists(id.clone()));
        }
        let present = self.vault.wallets.len().saturating_add(self.wallets.len());
        at_most(present, MAX_WALLETS, "wallets")?;
        let fault = |e| ChangeFault::Wallet(Box::new(e));
        spec.check(id).map_err(fault)?;
        let asset = spec.network.asset();
        if self
            .networks()
            .any(|n| n.asset() == asset && n != spec.network)
        {
            let asset = asset.to_string();
            return Err(fault(GenesisError::TwoNetworks(id.clone(), asset)));
        }
        let taken = match &spec.key {
            WalletKey::Online(key) => self.vault.keys.contains_key(key),
            WalletKey::Offline(public) => {
                let mut present = self.vault.wallets.values();
                present.any(|wallet| wallet.key_of(public).is_some())
            }
        };
        if taken || self.wallets.values().any(|other| other.key == spec.key) {
            return Err(fault(GenesisError::SharedKey(id.clone())));
        }
        self.wallets.insert(id.clone(), spec);
        Ok(())
    }

    pub(super) fn retire_wallet(&mut self, id: &WalletId) -> Result<(), ChangeFault> {
        if self.wallet(id)?.retiring || !self.retiring.insert(id.clone()) {
            return Err(ChangeFault::RetiringAlready(id.clone()));
        }
        Ok(())
    }

    fn wallet(&self, id: &WalletId) -> Result<&Wallet, ChangeFault> {
        self.vault
            .wallets
            .get(id)
            .ok_or_else(|| ChangeFault::UnknownWallet(id.clone()))
    }
}

fn count(addresses: &BTreeSet<Address>) -> Result<(), ChangeFault> {
    if (1..=MAX_ADDRESSES).contains(&addresses.len()) {
        Ok(())
    } else {
        Err(ChangeFault::Addresses(addresses.len()))
    }
}
