//! What an export says of itself: canonical JSON (RFC 8785), so that one manifest has one form, one checksum and one
//! signature. What it says of a transaction is a claim, which [`crate::recompute`] holds against the files.

use bitcoin::hashes::{Hash, hash160};
use custodyd_chain::{Address, Amount, Coin, Digest, Network, Payment, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{ExportId, FileName, TransactionId, VaultName, WalletName};

/// Largest integer that every JSON reader agrees on (RFC 8785, section 3.2.2.3): 2^53 − 1.
pub(crate) const MAX_INTEGER: u64 = 9_007_199_254_740_991;
/// Stands in front of the canonical JSON when it is signed, so that this signature can be nothing else's.
const SIGNING_DOMAIN: &[u8] = b"custodyd/cold-export/v1\n";

/// The version of the format; its only value is `custodyd/cold-export/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportDomain {
    /// The first.
    #[serde(rename = "custodyd/cold-export/v1")]
    V1,
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format.
    pub domain: ExportDomain,
    /// Whose transactions.
    pub vault: VaultName,
    /// Which export of it.
    pub export: ExportId,
    /// When, in milliseconds since 1970.
    pub created_at: u64,
    /// Who signs this manifest.
    pub journal_key: crate::JournalKey,
    /// The transactions, in the order in which they are to be signed.
    pub transactions: Vec<Entry>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The vault's id for it.
    pub transaction: TransactionId,
    /// The wallet that pays.
    pub wallet: WalletName,
    /// Where.
    pub network: Network,
    /// Its file.
    pub file: FileName,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// What it does.
    pub effects: StatedEffects,
    /// The keys that must sign it, each once, in the order of the inputs.
    pub keys: Vec<SigningKey>,
}

/// What a transaction does, as stated or as recomputed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StatedEffects {
    /// Bitcoin family.
    Coins(CoinEffects),
    /// EVM.
    Account(AccountEffects),
}

/// What a Bitcoin-family transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoinEffects {
    /// Whom it pays, in the outputs' order, change left out.
    pub payments: Vec<Payment>,
    /// What comes back.
    pub change: Vec<Change>,
    /// Inputs less outputs.
    pub fee: Amount,
    /// What it spends, in the inputs' order.
    pub inputs: Vec<Coin>,
}

/// What an EVM transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEffects {
    /// Whom it pays.
    pub payments: Vec<Payment>,
    /// The most that can be charged.
    pub fee: Amount,
    /// Who pays.
    pub account: Address,
    /// The account's nonce.
    pub nonce: u64,
}

/// An output back to the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Where to: P2WPKH of the key.
    pub to: Address,
    /// How much.
    pub amount: Amount,
    /// The key that can spend it.
    pub public_key: PublicKey,
}

/// A key that must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// The key.
    pub public_key: PublicKey,
    /// How a PSBT names it; none for EVM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<KeyOrigin>,
}

/// BIP-32 origin of a key that was derived from nothing: as Bitcoin Core does for single keys, its own fingerprint and
/// an empty path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOrigin {
    /// First four bytes of HASH160 of the public key, in hexadecimal.
    pub fingerprint: String,
    /// Always `m`.
    pub path: String,
}

impl KeyOrigin {
    /// The origin of this key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        KeyOrigin {
            fingerprint: hex::encode(fingerprint(key)),
            path: "m".to_owned(),
        }
    }
}

/// First four bytes of HASH160 (BIP-32, key identifiers).
pub(crate) fn fingerprint(key: &PublicKey) -> [u8; 4] {
    let [a, b, c, d, ..] = hash160::Hash::hash(&key.to_bytes()).to_byte_array();
    [a, b, c, d]
}

impl StatedEffects {
    /// Whom it pays, change left out.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        match self {
            StatedEffects::Coins(effects) => &effects.payments,
            StatedEffects::Account(effects) => &effects.payments,
        }
    }

    /// What comes back.
    #[must_use]
    pub fn change(&self) -> &[Change] {
        match self {
            StatedEffects::Coins(effects) => &effects.change,
            StatedEffects::Account(_) => &[],
        }
    }

    /// The fee; for EVM the most that can be charged.
    #[must_use]
    pub fn fee(&self) -> Amount {
        match self {
            StatedEffects::Coins(effects) => effects.fee,
            StatedEffects::Account(effects) => effects.fee,
        }
    }
}

impl Manifest {
    /// Its only form: RFC 8785.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    /// SHA-256 of the canonical form: what the vault journals, and what a person compares.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        sha256(&self.canonical())
    }

    /// What the journal key signs: SHA-256 of the domain, a line end and the canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let hash = Sha256::new()
            .chain_update(SIGNING_DOMAIN)
            .chain_update(self.canonical());
        Digest::from_bytes(hash.finalize().into())
    }

    /// The integer that is too large to be written the same by everybody, if there is one.
    pub(crate) fn unsafe_integer(&self) -> Option<u64> {
        let nonces = self
            .transactions
            .iter()
            .filter_map(|entry| match &entry.effects {
                StatedEffects::Account(effects) => Some(effects.nonce),
                StatedEffects::Coins(_) => None,
            });
        nonces
            .chain([self.created_at])
            .find(|integer| *integer > MAX_INTEGER)
    }
}

pub(crate) fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect(
        "a manifest is made of texts, lists and whole numbers, which all have a canonical form",
    )
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
