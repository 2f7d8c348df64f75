//! Networks, named as they are written in configuration, in JSON and in front of an address.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::asset::{Asset, Family};
use crate::bitcoin::params::BitcoinNetwork;
use crate::text::{quoted, serde_as_text};

/// Why a network name was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// Not a network that custodyd knows.
    #[error(
        "unknown network \"{0}\": one of bitcoin, bitcoin-testnet, bitcoin-regtest, litecoin, litecoin-testnet, litecoin-regtest, eip155:<chain id>"
    )]
    Unknown(String),
    /// Zero, not canonical, or above what replay protection can carry.
    #[error("\"{0}\" is not an EVM chain id: a decimal from 1 to 9223372036854775771 (EIP-2294)")]
    ChainId(String),
}

/// An EVM chain id, within EIP-2294's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvmChainId(u64);

impl EvmChainId {
    /// EIP-2294: floor(MAX_UINT64 / 2) − 36.
    pub const MAX: u64 = 9_223_372_036_854_775_771;

    /// # Errors
    /// [`NetworkError::ChainId`] for zero, which would leave a transaction replayable, and above [`Self::MAX`].
    pub fn new(id: u64) -> Result<Self, NetworkError> {
        if id == 0 || id > Self::MAX {
            return Err(NetworkError::ChainId(id.to_string()));
        }
        Ok(EvmChainId(id))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EvmChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eip155:{}", self.0)
    }
}

impl FromStr for EvmChainId {
    type Err = NetworkError;

    /// CAIP-2: `eip155:31337`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let digits = text
            .strip_prefix("eip155:")
            .ok_or_else(|| NetworkError::Unknown(quoted(text)))?;
        let refused = || NetworkError::ChainId(quoted(digits));
        if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        EvmChainId::new(digits.parse().map_err(|_| refused())?)
    }
}

serde_as_text!(EvmChainId);

/// A chain that custodyd can pay on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// Bitcoin, Litecoin and their test networks.
    Bitcoin(BitcoinNetwork),
    /// An EVM chain whose native asset is ether.
    Evm(EvmChainId),
}

impl Network {
    /// The native asset.
    #[must_use]
    pub fn asset(self) -> Asset {
        match self {
            Network::Bitcoin(network) => network.params().asset,
            Network::Evm(_) => Asset::Eth,
        }
    }

    /// The family.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Network::Bitcoin(_) => Family::Bitcoin,
            Network::Evm(_) => Family::Evm,
        }
    }

    /// The EVM chain id.
    #[must_use]
    pub const fn chain_id(self) -> Option<u64> {
        match self {
            Network::Bitcoin(_) => None,
            Network::Evm(id) => Some(id.get()),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::Bitcoin(network) => network.fmt(f),
            Network::Evm(id) => id.fmt(f),
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text.starts_with("eip155:") {
            return text.parse().map(Network::Evm);
        }
        text.parse().map(Network::Bitcoin)
    }
}

impl From<BitcoinNetwork> for Network {
    fn from(network: BitcoinNetwork) -> Self {
        Network::Bitcoin(network)
    }
}

impl From<EvmChainId> for Network {
    fn from(id: EvmChainId) -> Self {
        Network::Evm(id)
    }
}

serde_as_text!(Network);
