//! Raw bytes to effects. Neither rust-bitcoin nor alloy reads here: a fault in what builds a
//! transaction cannot hide itself from what reads it. The Bitcoin family has a reader of its own,
//! EVM is read by ethers-core. Only the form that custodyd writes is accepted.

use thiserror::Error;

use crate::address::AddressError;
use crate::amount::{Amount, AmountError};
use crate::bitcoin::params::BitcoinNetwork;
use crate::effects::{Coin, Effects};
use crate::keys::Digest;
use crate::network::{Network, NetworkError};
use crate::signature::SignatureError;
use crate::signature_point::SignaturePoint;
use crate::{bitcoin, evm};

/// Why raw bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the transaction is truncated")]
    Truncated,
    /// Bytes after the end.
    #[error("{0} bytes follow the transaction")]
    TrailingBytes(usize),
    /// More bytes than are looked at.
    #[error("{length} bytes are more than the {limit} a transaction may have")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Most that are read.
        limit: usize,
    },
    /// A second spelling of the same value.
    #[error("{0} is not in its shortest form")]
    NotCanonical(&'static str),
    /// Not version 2.
    #[error("transaction version {0} is not 2")]
    Version(u32),
    /// BIP-144's marker and flag; Litecoin's MWEB has another flag.
    #[error("marker {marker:#04x} and flag {flag:#04x} are not a segwit transaction's")]
    SegwitMarker {
        /// First byte after the version.
        marker: u8,
        /// Second byte after the version.
        flag: u8,
    },
    /// No inputs or no outputs.
    #[error("the transaction has no {0}")]
    Empty(&'static str),
    /// A scriptSig where P2WPKH has none.
    #[error("input {0} has a scriptSig")]
    ScriptSig(usize),
    /// Not the sequence that plans use.
    #[error("input {input} has the sequence {sequence:#010x}, not 0xfffffffd")]
    Sequence {
        /// Its place.
        input: usize,
        /// Its sequence.
        sequence: u32,
    },
    /// An input that is none of ours.
    #[error("input {input} spends {outpoint}, which is not among the known coins")]
    UnknownInput {
        /// Its place.
        input: usize,
        /// What it spends.
        outpoint: ::bitcoin::OutPoint,
    },
    /// An outpoint spent twice.
    #[error("{0} is spent twice")]
    DuplicateInput(::bitcoin::OutPoint),
    /// Not signature and key.
    #[error("the witness of input {input} has {items} items, not a signature and a key")]
    Witness {
        /// Its place.
        input: usize,
        /// Items found.
        items: usize,
    },
    /// Another key than the coin's.
    #[error("the witness of input {0} has another key than its coin")]
    WitnessKey(usize),
    /// Anything but SIGHASH_ALL.
    #[error("input {input} is signed with sighash type {sighash:#04x}, not SIGHASH_ALL")]
    SighashType {
        /// Its place.
        input: usize,
        /// The byte found.
        sighash: u8,
    },
    /// A signature that is malformed, high-S, or not by the key.
    #[error("input {input}: {source}")]
    InputSignature {
        /// Its place.
        input: usize,
        /// Why.
        source: SignatureError,
    },
    /// Outputs above inputs.
    #[error("outputs of {outputs} are above inputs of {inputs}")]
    OutputsExceedInputs {
        /// Sum of the inputs.
        inputs: Amount,
        /// Sum of the outputs.
        outputs: Amount,
    },
    /// An output that custodyd does not pay.
    #[error("output {output}: {source}")]
    Output {
        /// Its place.
        output: usize,
        /// Why.
        source: AddressError,
    },
    /// Not 0x02.
    #[error("transaction type {0:#04x} is not EIP-1559's 0x02")]
    TransactionType(u8),
    /// What the RLP decoder says.
    #[error("the RLP is malformed: {0}")]
    Rlp(String),
    /// Not 9 fields unsigned, 12 signed.
    #[error("the transaction has {found} fields, not {expected}")]
    Fields {
        /// Found.
        found: usize,
        /// Of this form.
        expected: usize,
    },
    /// Zero or absent: the transaction could be replayed elsewhere.
    #[error("the transaction has no chain id")]
    MissingChainId,
    /// A chain id that cannot be.
    #[error(transparent)]
    ChainId(#[from] NetworkError),
    /// Another chain.
    #[error("the transaction is for {found}, not {expected}")]
    WrongChain {
        /// Asked for.
        expected: Network,
        /// In the bytes.
        found: Network,
    },
    /// No recipient: it would create a contract.
    #[error("the transaction creates a contract")]
    ContractCreation,
    /// It would burn the amount.
    #[error("the transaction pays the zero address")]
    ZeroAddress,
    /// Not a plain transfer.
    #[error("the transaction carries {0} bytes of calldata")]
    Calldata(usize),
    /// Not a plain transfer.
    #[error("the transaction carries an access list")]
    AccessList,
    /// A number beyond what its field can mean.
    #[error("the {0} is out of range")]
    Range(&'static str),
    /// A signature that is malformed or high-S.
    #[error(transparent)]
    Signature(SignatureError),
    /// No account made this signature.
    #[error("no key can be recovered from the signature")]
    Unrecoverable,
    /// An amount that cannot exist.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// What a signed transaction does, read from its bytes. `prevouts` are the coins that it may spend;
/// EVM needs none. For the Bitcoin family every signature is verified against its coin; for EVM the
/// account is recovered from the signature.
///
/// # Errors
/// [`DecodeError`] for anything but a transaction of the form that custodyd writes.
pub fn decode(network: Network, raw: &[u8], prevouts: &[Coin]) -> Result<Effects, DecodeError> {
    match network {
        Network::Bitcoin(network) => Ok(bitcoin::decode::signed(network, raw, prevouts)?.effects),
        Network::Evm(chain) => Ok(evm::decode::signed(chain, raw)?.effects),
    }
}

/// The signatures in a signed transaction, each with its key and digest as the bytes tell them. For the Bitcoin family
/// signatures are not verified again, as [`decode`] does it: that they are whoever's they say was settled when the
/// transaction was made.
///
/// # Errors
/// [`DecodeError`] for anything but a transaction of the form that custodyd writes.
pub fn signature_points(
    network: Network,
    raw: &[u8],
    prevouts: &[Coin],
) -> Result<Vec<SignaturePoint>, DecodeError> {
    match network {
        Network::Bitcoin(_) => bitcoin::decode::points(raw, prevouts),
        Network::Evm(chain) => Ok(vec![evm::decode::signed(chain, raw)?.point]),
    }
}

/// What an unsigned EIP-1559 transaction (`0x02 ‖ rlp`, nine fields) would do, and the digest that
/// signs it. The bytes do not tell the account, so `account` is none.
///
/// # Errors
/// [`DecodeError`].
pub fn unsigned_evm_effects(bytes: &[u8]) -> Result<(Effects, Digest), DecodeError> {
    evm::decode::unsigned(bytes)
}

/// What an unsigned Bitcoin-family transaction (no witnesses, empty scriptSigs) would do, and the
/// digest of each input under SIGHASH_ALL, computed here and not by the builder.
///
/// # Errors
/// [`DecodeError`].
pub fn unsigned_bitcoin_effects(
    network: BitcoinNetwork,
    bytes: &[u8],
    prevouts: &[Coin],
) -> Result<(Effects, Vec<Digest>), DecodeError> {
    bitcoin::decode::unsigned(network, bytes, prevouts)
}
