//! The first state of a vault: who, which wallets, which policy. Everything else is an event on top of it.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Amount, Family, FeeCaps, Network, PublicKey};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{ClientId, OperatorId, Policy, Tier, VaultId, WalletId};
use serde::{Deserialize, Serialize};

use crate::{
    ChangeFault, Client, Credential, Ed25519Key, FoundingEntry, KeyId, RawSignature, Scope,
    governance::check_staffing,
};

/// A vault at its beginning, as the genesis ceremony wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The vault.
    pub vault: VaultId,
    /// Its policy, as TOML.
    pub policy: String,
    /// The HSM key that signs the journal's head.
    pub journal_key: JournalKey,
    /// The people who approve. One entry is one person, however many credentials they hold.
    pub operators: BTreeMap<OperatorId, Vec<Credential>>,
    /// The services that ask.
    pub clients: BTreeMap<ClientId, Ed25519Key>,
    /// What some of them may do; the others may do all but set prices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client_scopes: BTreeMap<ClientId, BTreeSet<Scope>>,
    /// The wallets, by name.
    pub wallets: BTreeMap<WalletId, WalletSpec>,
    /// Destinations known from the start, by name: without a cool-off, since those who sign the genesis have seen them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub address_book: BTreeMap<String, FoundingEntry>,
    /// Destinations never paid.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blocked: BTreeSet<Address>,
    /// The console that passkeys sign for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<RelyingParty>,
    /// Each operator's signature over [`Genesis::statement`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<OperatorId, RawSignature>,
}

/// The key that signs the journal's head and the manifests of cold exports: P-256, in the online HSM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalKey {
    /// Its CKA_ID.
    pub key: KeyId,
    /// Its public point, compressed SEC1, in hex.
    pub public_key: String,
}

/// A wallet as the genesis defines it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletSpec {
    /// How it may sign.
    pub tier: Tier,
    /// Where it lives.
    pub network: Network,
    /// What a transaction of it may cost in fees at most.
    pub fee_caps: FeeCaps,
    /// Blocks on top of and including the transaction's own until it counts as final; at least 1.
    pub confirmations: u32,
    /// Its first key.
    pub key: WalletKey,
    /// Where the keys of further addresses are.
    #[serde(default, skip_serializing_if = "Addresses::are_on_the_token")]
    pub addresses: Addresses,
}

/// Where the keys of a wallet's addresses after its first are. The first, which takes change, is always on the token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Addresses {
    /// On the token, as many as it holds.
    #[default]
    Token,
    /// In the journal, wrapped by the HSM, as many as one likes.
    Wrapped,
}

impl Addresses {
    pub(crate) fn are_on_the_token(&self) -> bool {
        *self == Self::Token
    }
}

/// Where a wallet's key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WalletKey {
    /// In the online HSM, made there under this id after the id was durable.
    Online(KeyId),
    /// On an air-gapped token; only its public half is known here.
    Offline(PublicKey),
}

/// A genesis that can't be the start of a vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The policy doesn't parse.
    #[error("the policy is not usable: {0}")]
    Policy(String),
    /// A group of the policy names somebody who is not an operator.
    #[error("the policy's groups name {0}, who is not among the operators")]
    UnknownOperator(OperatorId),
    /// Somebody without a credential can't approve.
    #[error("operator {0} has no key")]
    NoCredential(OperatorId),
    /// The same key for two speakers would let one act as the other.
    #[error("the key {0} belongs to two speakers; each needs a key of their own")]
    SharedCredential(String),
    /// The policy asks for more than the operators can give.
    #[error("{0}")]
    Staffing(Box<ChangeFault>),
    /// Scopes for a client that isn't there.
    #[error("client_scopes names {0}, who is not among the clients")]
    UnknownClient(ClientId),
    /// A client that may do nothing.
    #[error("client {0} needs at least one scope")]
    NoScopes(ClientId),
    /// Each of the first operators has to sign.
    #[error("operator {0} has not signed this genesis")]
    NotSigned(OperatorId),
    /// The signature is over something else, or by somebody else.
    #[error("the signature of operator {0} is not theirs over this genesis")]
    Signature(OperatorId),
    /// Somebody signed who has nothing to say.
    #[error("{0} signed this genesis and is not among the operators")]
    UnknownSigner(OperatorId),
    /// No wallet, nothing to keep.
    #[error("a vault needs at least one wallet")]
    NoWallet,
    /// A wallet whose tier and key don't go together.
    #[error("wallet {0}: a {1} wallet needs its key {2}")]
    KeyPlace(WalletId, Tier, &'static str),
    /// Two wallets on one key would reserve the same coins twice.
    #[error("wallets share the key of {0}; each needs its own")]
    SharedKey(WalletId),
    /// Wrapped keys for a wallet that has one key.
    #[error("wallet {0} can't have wrapped addresses: it has a single address")]
    Wrapped(WalletId),
    /// An asset on two networks in one vault can't be told apart by its name.
    #[error("wallet {0}: {1} lives on another network in this vault already")]
    TwoNetworks(WalletId, String),
    /// Caps in another asset than the wallet's.
    #[error("wallet {wallet}: the fee cap {cap} is not in the wallet's asset")]
    FeeCapAsset {
        /// The wallet.
        wallet: WalletId,
        /// The cap it was given.
        cap: Amount,
    },
    /// Zero confirmations would call final what is not even in a block.
    #[error("wallet {0}: confirmations must be at least 1")]
    Confirmations(WalletId),
    /// Which of its names, and whose tags, would count?
    #[error("{0} is twice in the address book; name it once, with all its tags")]
    NamedTwice(Address),
    /// An address on a network that no wallet uses.
    #[error("{0} is on a network that no wallet of this vault uses")]
    ForeignAddress(Address),
}

impl WalletSpec {
    /// Checks what a wallet is by itself, whatever others there are.
    pub(crate) fn check(&self, id: &WalletId) -> Result<(), GenesisError> {
        match (&self.key, self.tier) {
            (WalletKey::Online(_), Tier::Hot | Tier::Warm)
            | (WalletKey::Offline(_), Tier::Cold) => {}
            (_, Tier::Cold) => {
                return Err(GenesisError::KeyPlace(id.clone(), self.tier, "offline"));
            }
            _ => return Err(GenesisError::KeyPlace(id.clone(), self.tier, "online")),
        }
        if self.fee_caps.absolute.asset() != self.network.asset() {
            return Err(GenesisError::FeeCapAsset {
                wallet: id.clone(),
                cap: self.fee_caps.absolute,
            });
        }
        let single = self.tier == Tier::Cold || self.network.family() == Family::Evm;
        if single && self.addresses == Addresses::Wrapped {
            return Err(GenesisError::Wrapped(id.clone()));
        }
        if self.confirmations == 0 {
            return Err(GenesisError::Confirmations(id.clone()));
        }
        Ok(())
    }
}

impl Genesis {
    /// Checks that a vault can start from this, and gives its policy.
    pub fn validate(&self) -> Result<Policy, GenesisError> {
        let policy =
            Policy::parse(&self.policy).map_err(|e| GenesisError::Policy(e.to_string()))?;
        for member in policy.groups().values().flatten() {
            if !self.operators.contains_key(member) {
                return Err(GenesisError::UnknownOperator(member.clone()));
            }
        }
        self.validate_credentials()?;
        check_staffing(&policy, &self.operators)
            .map_err(|fault| GenesisError::Staffing(Box::new(fault)))?;
        self.validate_scopes()?;
        self.validate_wallets()?;
        let networks: BTreeSet<Network> = self.wallets.values().map(|w| w.network).collect();
        let mut named: BTreeMap<&Address, &FoundingEntry> = BTreeMap::new();
        for entry in self.address_book.values() {
            let before = named.insert(entry.address(), entry);
            if before.is_some_and(|before| before.is_tagged() || entry.is_tagged()) {
                return Err(GenesisError::NamedTwice(entry.address().clone()));
            }
        }
        for address in named.into_keys().chain(&self.blocked) {
            if !networks.contains(&address.network()) {
                return Err(GenesisError::ForeignAddress(address.clone()));
            }
        }
        self.check_signatures()?;
        Ok(policy)
    }

    /// The services, with their keys and what they may do.
    pub(crate) fn clients(&self) -> BTreeMap<ClientId, Client> {
        let client = |(id, key): (&ClientId, &Ed25519Key)| {
            let named = self.client_scopes.get(id).cloned();
            let scopes = named.unwrap_or_else(Scope::default_set);
            (id.clone(), Client { key: *key, scopes })
        };
        self.clients.iter().map(client).collect()
    }

    fn validate_scopes(&self) -> Result<(), GenesisError> {
        for (client, scopes) in &self.client_scopes {
            if !self.clients.contains_key(client) {
                return Err(GenesisError::UnknownClient(client.clone()));
            }
            if scopes.is_empty() {
                return Err(GenesisError::NoScopes(client.clone()));
            }
        }
        Ok(())
    }

    fn validate_credentials(&self) -> Result<(), GenesisError> {
        let mut seen: Vec<Credential> = Vec::new();
        for (operator, keys) in &self.operators {
            if keys.is_empty() {
                return Err(GenesisError::NoCredential(operator.clone()));
            }
        }
        let clients = self.clients.values().map(|key| Credential::from(*key));
        for key in self.operators.values().flatten().cloned().chain(clients) {
            if seen.iter().any(|other| other.clashes(&key)) {
                return Err(GenesisError::SharedCredential(key.to_string()));
            }
            seen.push(key);
        }
        Ok(())
    }

    fn validate_wallets(&self) -> Result<(), GenesisError> {
        if self.wallets.is_empty() {
            return Err(GenesisError::NoWallet);
        }
        let mut networks = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for (id, wallet) in &self.wallets {
            let asset = wallet.network.asset();
            if *networks.entry(asset).or_insert(wallet.network) != wallet.network {
                return Err(GenesisError::TwoNetworks(id.clone(), asset.to_string()));
            }
            wallet.check(id)?;
            let key = match &wallet.key {
                WalletKey::Online(key) => key.to_string(),
                WalletKey::Offline(public) => hex::encode(public.to_bytes()),
            };
            if !keys.insert(key) {
                return Err(GenesisError::SharedKey(id.clone()));
            }
        }
        Ok(())
    }
}
