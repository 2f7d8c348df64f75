//! What a transaction does, in terms a person can approve: who is paid, from what, at which fee.

use ::bitcoin::OutPoint;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::amount::Amount;
use crate::keys::PublicKey;
use crate::network::Network;

/// An amount to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Destination.
    pub to: Address,
    /// Amount, in the network's asset.
    pub amount: Amount,
}

/// A spendable output of ours: P2WPKH of `public_key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount: Amount,
    /// The key it pays.
    pub public_key: PublicKey,
}

/// What a transaction does. A plan states it, the decoder reads it from raw bytes, and the two must be equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// Where.
    pub network: Network,
    /// All outputs in their order, change included.
    pub payments: Vec<Payment>,
    /// All inputs in their order; none for EVM.
    pub inputs: Vec<OutPoint>,
    /// The fee; for EVM the most that can be charged (gas limit × max fee per gas).
    pub fee: Amount,
    /// The paying account, where the bytes tell it: EVM transactions that are signed.
    pub account: Option<Address>,
    /// The account's nonce, for EVM.
    pub nonce: Option<u64>,
}
