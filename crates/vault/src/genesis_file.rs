//! The genesis as people write it down, before the HSM made anything. The daemon begins a vault with it and operators sign
//! it, each from the same file.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, FeeCaps, Network, PublicKey};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{ClientId, OperatorId, Tier, VaultId, WalletId};
use serde::{Deserialize, Serialize};

use crate::{
    Addresses, Credential, Ed25519Key, FoundingEntry, Genesis, GenesisStatement, JournalKey, KeyId,
    RawSignature, Scope, WalletKey, WalletSpec,
};

/// A genesis file. Online keys get their ids when the vault is made; the HSM makes them once the ids are durable.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// The vault.
    pub vault: VaultId,
    /// The policy's file, relative to this one.
    pub policy: String,
    /// People and their credentials: Ed25519 public keys in hex, or `p256:…` of a smart card.
    pub operators: BTreeMap<OperatorId, Vec<Credential>>,
    /// Services and their Ed25519 public key, hex.
    pub clients: BTreeMap<ClientId, Ed25519Key>,
    /// What some services may do; the others may do all but set prices.
    #[serde(default)]
    pub client_scopes: BTreeMap<ClientId, BTreeSet<Scope>>,
    /// Wallets by name.
    pub wallets: BTreeMap<WalletId, WalletEntry>,
    /// Known destinations by label.
    #[serde(default)]
    pub address_book: BTreeMap<String, FoundingEntry>,
    /// Destinations never paid.
    #[serde(default)]
    pub blocked: BTreeSet<Address>,
    /// The console that passkeys sign for: `id` is its host's name, `origins` is where browsers find it.
    #[serde(default)]
    pub console: Option<RelyingParty>,
}

/// A wallet of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletEntry {
    /// `hot`, `warm` or `cold`.
    pub tier: Tier,
    /// Where it lives.
    pub network: Network,
    /// What a transaction may cost.
    pub fee_caps: FeeCaps,
    /// Depth at which a payout is final.
    pub confirmations: u32,
    /// A cold wallet's public key, compressed, hex, as `coldsign keygen` printed it.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// `token`, or `wrapped`: where the keys of addresses after the first are.
    #[serde(default)]
    pub addresses: Addresses,
}

/// The file beside a genesis file in which its operators' signatures gather: `genesis.toml` has `genesis.signatures.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisSignatures {
    /// Over [`GenesisFile::statement`], each by an operator's first key or any other of theirs.
    pub signatures: BTreeMap<OperatorId, RawSignature>,
}

impl GenesisFile {
    /// What each of the first operators signs.
    #[must_use]
    pub fn statement(&self, policy: String) -> GenesisStatement {
        // Neither is part of what is signed.
        let nobodys = KeyId::from_bytes([0; 16]);
        let journal_key = JournalKey {
            key: nobodys.clone(),
            public_key: String::new(),
        };
        let genesis = self
            .clone()
            .into_genesis(policy, journal_key, Default::default(), || {
                Ok::<_, std::convert::Infallible>(nobodys.clone())
            });
        match genesis {
            Ok(genesis) => genesis.statement(),
            Err(never) => match never {},
        }
    }

    /// The genesis, with ids for the keys that the HSM will make.
    ///
    /// # Errors
    /// What `fresh_id` gives.
    pub fn into_genesis<E>(
        self,
        policy: String,
        journal_key: JournalKey,
        signed: GenesisSignatures,
        mut fresh_id: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Genesis, E> {
        let mut wallets = BTreeMap::new();
        for (id, entry) in self.wallets {
            let key = match entry.public_key {
                Some(public) => WalletKey::Offline(public),
                None => WalletKey::Online(fresh_id()?),
            };
            let spec = WalletSpec {
                tier: entry.tier,
                network: entry.network,
                fee_caps: entry.fee_caps,
                confirmations: entry.confirmations,
                key,
                addresses: entry.addresses,
            };
            wallets.insert(id, spec);
        }
        Ok(Genesis {
            vault: self.vault,
            policy,
            journal_key,
            operators: self.operators,
            clients: self.clients,
            client_scopes: self.client_scopes,
            wallets,
            address_book: self.address_book,
            blocked: self.blocked,
            console: self.console,
            signatures: signed.signatures,
        })
    }
}
