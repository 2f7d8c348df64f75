//! The genesis file: what people write down when a vault begins, and what becomes its first event.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use custodyd_chain::{Address, FeeCaps, Network, PublicKey};
use custodyd_policy::{ClientId, OperatorId, Tier, VaultId, WalletId};
use custodyd_vault::{
    Addresses, Ed25519Key, FoundingEntry, Genesis, JournalKey, KeyId, WalletKey, WalletSpec,
};
use serde::Deserialize;

use crate::config::{ConfigError, read};

/// A genesis file. Online keys get their ids here; the HSM makes them once the ids are durable.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// The vault.
    pub vault: VaultId,
    /// The policy's file, relative to this one.
    pub policy: std::path::PathBuf,
    /// People and their Ed25519 public keys, hex.
    pub operators: BTreeMap<OperatorId, Vec<Ed25519Key>>,
    /// Services and their Ed25519 public key, hex.
    pub clients: BTreeMap<ClientId, Ed25519Key>,
    /// Wallets by name.
    pub wallets: BTreeMap<WalletId, WalletEntry>,
    /// Known destinations by label.
    #[serde(default)]
    pub address_book: BTreeMap<String, FoundingEntry>,
    /// Destinations never paid.
    #[serde(default)]
    pub blocked: BTreeSet<Address>,
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

impl GenesisFile {
    /// Reads a genesis file and its policy.
    ///
    /// # Errors
    /// Names the file and what is wrong in it.
    pub fn load(path: &Path) -> Result<(Self, String), ConfigError> {
        let file: Self = toml::from_str(&read(path)?).map_err(|e| ConfigError::Syntax {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        let policy = read(&path.parent().unwrap_or(Path::new(".")).join(&file.policy))?;
        Ok((file, policy))
    }

    /// The genesis, with ids for the keys that the HSM will make.
    ///
    /// # Errors
    /// What `fresh_id` gives.
    pub fn into_genesis<E>(
        self,
        policy: String,
        journal_key: JournalKey,
        mut fresh_id: impl FnMut() -> Result<KeyId, E>,
    ) -> Result<Genesis, E> {
        let mut wallets = BTreeMap::new();
        for (id, entry) in self.wallets {
            let key = match entry.public_key {
                Some(public) => WalletKey::Offline(public),
                None => WalletKey::Online(fresh_id()?),
            };
            let WalletEntry {
                tier,
                network,
                fee_caps,
                confirmations,
                addresses,
                ..
            } = entry;
            wallets.insert(
                id,
                WalletSpec {
                    tier,
                    network,
                    fee_caps,
                    confirmations,
                    key,
                    addresses,
                },
            );
        }
        Ok(Genesis {
            vault: self.vault,
            policy,
            journal_key,
            operators: self.operators,
            clients: self.clients,
            wallets,
            address_book: self.address_book,
            blocked: self.blocked,
        })
    }
}
