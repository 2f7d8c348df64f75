//! One change to a vault, as operators propose and sign it.

use std::collections::BTreeSet;

use custodyd_chain::{Address, FeeCaps, Network, PublicKey};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{ChangeKind, ClientId, OperatorId, Tag, Tier, Timestamp, WalletId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Addresses, Credential, Ed25519Key, Scope};

/// Changes in one proposal at most.
pub const MAX_CHANGES: usize = 256;
/// Addresses in one change at most.
pub const MAX_ADDRESSES: usize = 10_000;

/// One change. In JSON `{"change": "add_operator", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Another policy: rules, limits, groups, organisations and governance itself.
    SetPolicy {
        /// Its TOML text.
        source: String,
    },
    /// One more person.
    AddOperator {
        /// Their name.
        id: OperatorId,
        /// Their credentials; at least one.
        credentials: Vec<Credential>,
    },
    /// One person less; their open votes are void.
    RemoveOperator {
        /// Who.
        id: OperatorId,
    },
    /// One more credential of a person.
    AddCredential {
        /// Whose.
        operator: OperatorId,
        /// Which.
        credential: Credential,
    },
    /// A credential that no longer counts; its owner's open votes are void.
    RevokeCredential {
        /// Whose.
        operator: OperatorId,
        /// Which.
        credential: Credential,
    },
    /// Somebody may bring a credential of their own, once: whoever holds the invitation's private half. A person who isn't
    /// there yet comes in with it.
    Invite {
        /// As whom.
        operator: OperatorId,
        /// The invitation's public half.
        invitation: Ed25519Key,
        /// Until when, Unix milliseconds.
        until: Timestamp,
    },
    /// An invitation that no longer counts.
    Uninvite {
        /// Which.
        invitation: Ed25519Key,
    },
    /// Passkeys sign for this console from then on, and for no other.
    SetConsole {
        /// Its id and origins.
        console: RelyingParty,
    },
    /// One more service.
    AddClient {
        /// Its name.
        id: ClientId,
        /// Its key.
        key: Ed25519Key,
        /// What it may do; at least one thing.
        scopes: BTreeSet<Scope>,
    },
    /// One service less. What it asked for before stays.
    RemoveClient {
        /// Which.
        id: ClientId,
    },
    /// A service may do other things.
    SetClientScopes {
        /// Which.
        id: ClientId,
        /// All that it may do from then on; at least one thing.
        scopes: BTreeSet<Scope>,
    },
    /// A service signs with another key.
    RotateClientKey {
        /// Which.
        id: ClientId,
        /// Its new key.
        key: Ed25519Key,
    },
    /// One more known destination; its cool-off begins.
    AddDestination {
        /// Where.
        address: Address,
        /// Its name in the address book; no other has it.
        name: String,
        /// What policy may know it by.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        tags: BTreeSet<Tag>,
    },
    /// A destination is no longer known.
    RemoveDestination {
        /// Where.
        address: Address,
    },
    /// Destinations that are never paid.
    Block {
        /// At least one; those that are blocked already may be among them.
        addresses: BTreeSet<Address>,
    },
    /// Destinations that are judged by the rules again.
    Unblock {
        /// At least one; each is blocked.
        addresses: BTreeSet<Address>,
    },
    /// Other settings of a wallet, for what is planned from then on.
    SetWallet {
        /// Which.
        id: WalletId,
        /// What a transaction of it may cost in fees at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fee_caps: Option<FeeCaps>,
        /// Depth at which a transaction is final.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmations: Option<u32>,
    },
    /// One more wallet. An online one's key gets an id that is derived from the proposal's, and is made once the change
    /// is durable.
    AddWallet {
        /// Its name.
        id: WalletId,
        /// How it may sign.
        tier: Tier,
        /// Where it lives.
        network: Network,
        /// What a transaction of it may cost in fees at most.
        fee_caps: FeeCaps,
        /// Depth at which a transaction is final; at least 1.
        confirmations: u32,
        /// A cold wallet's public key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<PublicKey>,
        /// Where the keys of further addresses are.
        #[serde(default, skip_serializing_if = "Addresses::are_on_the_token")]
        addresses: Addresses,
    },
    /// A wallet that pays own wallets only, until it is empty.
    RetireWallet {
        /// Which.
        id: WalletId,
    },
}

impl Change {
    /// What policy entrusts it as. A new policy is of the kinds that differ between it and the one before:
    /// [`Policy::kinds_changed`](custodyd_policy::Policy::kinds_changed).
    pub fn kind(&self) -> Option<ChangeKind> {
        match self {
            Self::SetPolicy { .. } => None,
            Self::AddOperator { .. }
            | Self::RemoveOperator { .. }
            | Self::AddCredential { .. }
            | Self::RevokeCredential { .. }
            | Self::Invite { .. }
            | Self::Uninvite { .. }
            | Self::SetConsole { .. } => Some(ChangeKind::Operators),
            Self::AddClient { .. }
            | Self::RemoveClient { .. }
            | Self::SetClientScopes { .. }
            | Self::RotateClientKey { .. } => Some(ChangeKind::Clients),
            Self::AddDestination { .. } | Self::RemoveDestination { .. } => {
                Some(ChangeKind::AddressBook)
            }
            Self::Block { .. } | Self::Unblock { .. } => Some(ChangeKind::BlockList),
            Self::SetWallet { .. } | Self::AddWallet { .. } | Self::RetireWallet { .. } => {
                Some(ChangeKind::Wallets)
            }
        }
    }
}

/// SHA-256 over the changes' RFC 8785 form, in their order, hex: what a statement names them by.
pub fn changes_digest(changes: &[Change]) -> String {
    let canonical = serde_json_canonicalizer::to_vec(&changes)
        .expect("changes hold strings and small integers, which RFC 8785 can write");
    hex::encode(Sha256::digest(canonical))
}
