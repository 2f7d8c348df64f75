//! Partially signed transactions, BIP-174 version 0. rust-bitcoin writes them; what comes in is read by a reader of
//! our own, which keeps every key and value as bytes, so that "unchanged" can mean unchanged.

pub(crate) mod signed;
pub(crate) mod unsigned;
mod wire;
pub(crate) mod write;

use custodyd_chain::{OutPoint, PublicKey, Txid};

/// Why a PSBT was refused. Inputs and outputs are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PsbtError {
    /// Not `psbt` and 0xff.
    #[error("this is not a PSBT")]
    Magic,
    /// The bytes end too early.
    #[error("the PSBT is truncated")]
    Truncated,
    /// Something behind the last map.
    #[error("the PSBT has bytes behind its end")]
    TrailingBytes,
    /// A length in more bytes than it needs.
    #[error("a length in the PSBT is not in its shortest form")]
    NotCanonical,
    /// One key for two values.
    #[error("{place} holds the key {key} twice")]
    DuplicateKey {
        /// Which map.
        place: Place,
        /// The key in hexadecimal.
        key: String,
    },
    /// A field that must be there.
    #[error("{place} lacks its {field}")]
    Missing {
        /// Which map.
        place: Place,
        /// The field's name in BIP-174.
        field: &'static str,
    },
    /// A field that has no business there.
    #[error("{place} holds the unexpected key {key}")]
    Unexpected {
        /// Which map.
        place: Place,
        /// The key in hexadecimal.
        key: String,
    },
    /// A field whose value can't be read.
    #[error("the {field} of {place} is malformed: {reason}")]
    Malformed {
        /// Which map.
        place: Place,
        /// The field's name in BIP-174.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// A previous transaction that is not the one that is spent.
    #[error("input {input} spends {outpoint}, but its non_witness_utxo is {found}")]
    PreviousTransaction {
        /// Which input.
        input: usize,
        /// What it spends.
        outpoint: OutPoint,
        /// The id of the transaction given.
        found: Txid,
    },
    /// The two forms of a coin disagree.
    #[error("the witness_utxo of input {0} is not the output of its non_witness_utxo")]
    UtxosDisagree(usize),
    /// The coin or output is not of the key that it names.
    #[error("{place} is not P2WPKH of {key}")]
    NotOfKey {
        /// Which map.
        place: Place,
        /// The key.
        key: PublicKey,
    },
    /// A fingerprint or path that is not a single key's.
    #[error("{place} names another origin for {key} than its own")]
    Origin {
        /// Which map.
        place: Place,
        /// The key.
        key: PublicKey,
    },
    /// Anything but SIGHASH_ALL.
    #[error("input {input} asks for the sighash type {found:#x}, not SIGHASH_ALL")]
    SighashType {
        /// Which input.
        input: usize,
        /// What it asks for.
        found: u32,
    },
    /// What came back is not what left.
    #[error("{place} differs from what was exported: key {key}")]
    Changed {
        /// Which map.
        place: Place,
        /// The first key that differs, in hexadecimal.
        key: String,
    },
    /// Not exactly one signature.
    #[error("input {input} has {found} signatures, not one")]
    SignatureCount {
        /// Which input.
        input: usize,
        /// How many.
        found: usize,
    },
    /// A signature by some other key.
    #[error("input {0} is signed by another key than its coin's")]
    SignedByOther(usize),
    /// A signature that is not strict DER, not low-S, or not there at all.
    #[error("the signature of input {input} is refused: {reason}")]
    Signature {
        /// Which input.
        input: usize,
        /// Why.
        reason: String,
    },
}

/// A map of a PSBT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The global map.
    Global,
    /// An input's.
    Input(usize),
    /// An output's.
    Output(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Global => f.write_str("the global map"),
            Place::Input(index) => write!(f, "input {index}"),
            Place::Output(index) => write!(f, "output {index}"),
        }
    }
}

/// SIGHASH_ALL, the only type that is ever asked for or accepted.
pub(crate) const SIGHASH_ALL: u8 = 0x01;

/// Key types of BIP-174.
pub(crate) mod key_type {
    /// PSBT_GLOBAL_UNSIGNED_TX
    pub(crate) const UNSIGNED_TX: u8 = 0x00;
    /// PSBT_IN_NON_WITNESS_UTXO
    pub(crate) const NON_WITNESS_UTXO: u8 = 0x00;
    /// PSBT_IN_WITNESS_UTXO
    pub(crate) const WITNESS_UTXO: u8 = 0x01;
    /// PSBT_IN_PARTIAL_SIG
    pub(crate) const PARTIAL_SIG: u8 = 0x02;
    /// PSBT_IN_SIGHASH_TYPE
    pub(crate) const SIGHASH_TYPE: u8 = 0x03;
    /// PSBT_IN_BIP32_DERIVATION
    pub(crate) const IN_BIP32_DERIVATION: u8 = 0x06;
    /// PSBT_IN_FINAL_SCRIPTWITNESS
    pub(crate) const FINAL_SCRIPTWITNESS: u8 = 0x08;
    /// PSBT_OUT_BIP32_DERIVATION
    pub(crate) const OUT_BIP32_DERIVATION: u8 = 0x02;
}
