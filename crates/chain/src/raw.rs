//! A transaction that was verified: signatures, effects and, for the Bitcoin family, consensus.
//!
//! The only constructor is [`crate::Plan::assemble`] (and `accept`). Deserialisation exists to
//! replay what was journaled after verification; it checks the id against the bytes and no more.

use ethers_core::utils::keccak256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bitcoin;
use crate::network::Network;
use crate::text::quoted;

/// Why a stored transaction was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RawTransactionError {
    /// Not hexadecimal.
    #[error("\"{0}\" is not hexadecimal")]
    Hex(String),
    /// The id is not that of the bytes.
    #[error("the id {stated} is not that of the bytes, {computed}")]
    Txid {
        /// Stored with the bytes.
        stated: String,
        /// Computed from the bytes.
        computed: String,
    },
    /// Not a transaction at all.
    #[error(transparent)]
    Decode(#[from] crate::decode::DecodeError),
}

/// A verified transaction, ready for a node. JSON: `{"network", "txid", "hex"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct RawTransaction {
    network: Network,
    txid: String,
    bytes: Vec<u8>,
}

impl RawTransaction {
    pub(crate) const fn verified(network: Network, txid: String, bytes: Vec<u8>) -> Self {
        RawTransaction {
            network,
            txid,
            bytes,
        }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// Its id as nodes display it; `0x…` for EVM.
    #[must_use]
    pub fn txid(&self) -> &str {
        &self.txid
    }

    /// The bytes to broadcast.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes in hexadecimal, without prefix.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

/// `0x…`: keccak256 of the bytes.
pub(crate) fn evm_txid(raw: &[u8]) -> String {
    format!("0x{}", hex::encode(keccak256(raw)))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    network: Network,
    txid: String,
    hex: String,
}

impl From<RawTransaction> for Stored {
    fn from(raw: RawTransaction) -> Self {
        Stored {
            network: raw.network,
            hex: raw.to_hex(),
            txid: raw.txid,
        }
    }
}

impl TryFrom<Stored> for RawTransaction {
    type Error = RawTransactionError;

    fn try_from(stored: Stored) -> Result<Self, RawTransactionError> {
        let bytes =
            hex::decode(&stored.hex).map_err(|_| RawTransactionError::Hex(quoted(&stored.hex)))?;
        let computed = match stored.network {
            Network::Bitcoin(_) => bitcoin::decode::txid(&bytes)?,
            Network::Evm(_) => evm_txid(&bytes),
        };
        if computed != stored.txid {
            return Err(RawTransactionError::Txid {
                stated: quoted(&stored.txid),
                computed,
            });
        }
        Ok(RawTransaction {
            network: stored.network,
            txid: stored.txid,
            bytes,
        })
    }
}
