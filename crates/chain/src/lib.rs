//! What a transaction is: amounts, addresses, plans, digests, signatures, and decoding that
//! shares nothing with the building.
//!
//! | module | subject |
//! |---|---|
//! | [`asset`], [`amount`] | units that cannot be mixed, arithmetic that cannot wrap |
//! | [`network`] | the chains, named as they are written in files and in JSON |
//! | [`address`] | destinations, parsed once and bound to one network |
//! | [`keys`], [`signature`] | secp256k1 public keys, digests, low-S signatures |
//! | [`signature_point`] | what a signature tells of its nonce, which no key may use twice |
//! | [`plan`] | what is going to be signed; the only way to a [`RawTransaction`] |
//! | [`effects`] | what a transaction does, whoever built it |
//! | [`mod@decode`] | raw bytes to effects, by code that has no part in building them |
//! | [`raw`] | a transaction that was verified, ready for a node |
//! | [`bitcoin`], [`evm`] | the two families |
//!
//! **Purity.** Nothing here reads a clock, a file, the network, the environment or a random
//! source; the same arguments give the same answer, on every machine. Arithmetic is checked, and
//! there are no floats but those that `bdk_coin_select` keeps inside [`bitcoin`]'s selection, where
//! they only suggest which coins to take and never decide an amount.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

pub mod address;
pub mod amount;
pub mod asset;
pub mod bitcoin;
pub mod decode;
pub mod effects;
pub mod evm;
pub mod fee;
pub mod keys;
pub mod network;
pub mod plan;
pub mod raw;
pub mod signature;
pub mod signature_point;

mod text;

pub use crate::address::{Address, AddressError};
pub use crate::amount::{Amount, AmountError};
pub use crate::asset::{Asset, Family};
pub use crate::bitcoin::params::{BitcoinNetwork, BitcoinParams};
pub use crate::bitcoin::plan::BitcoinPlan;
pub use crate::bitcoin::select::SelectError;
pub use crate::decode::{
    DecodeError, decode, signature_points, unsigned_bitcoin_effects, unsigned_evm_effects,
};
pub use crate::effects::{Coin, Effects, Payment};
pub use crate::evm::call::EvmCall;
pub use crate::evm::plan::EvmPlan;
pub use crate::fee::{FeeAboveCap, FeeCaps, FeeQuote};
pub use crate::keys::{Digest, KeyError, PublicKey};
pub use crate::network::{EvmChainId, Network, NetworkError};
pub use crate::plan::{AssembleError, Plan, PlanFault, SigningRequest};
pub use crate::raw::{RawTransaction, RawTransactionError};
pub use crate::signature::{Signature, SignatureError};
pub use crate::signature_point::{NonceX, SignaturePoint};

pub use ::bitcoin::{OutPoint, ScriptBuf, Txid};
pub use alloy_primitives::U256;
