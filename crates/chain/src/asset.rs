//! The native assets custodyd keeps, their decimals, and the most of each that can exist.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::U256;

use crate::amount::AmountError;
use crate::text::{quoted, serde_as_text};

/// A native asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// Bitcoin, in satoshis.
    Btc,
    /// Litecoin, in litoshis.
    Ltc,
    /// Ether, in wei.
    Eth,
}

/// A family of chains that share transaction format and signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Outpoints and scripts: Bitcoin and Litecoin.
    Bitcoin,
    /// Accounts and nonces: Ethereum and its kin.
    Evm,
}

impl Asset {
    /// All assets, in their order.
    pub const ALL: [Asset; 3] = [Asset::Btc, Asset::Ltc, Asset::Eth];

    /// Digits after the decimal point.
    #[must_use]
    pub const fn decimals(self) -> u8 {
        match self {
            Asset::Btc | Asset::Ltc => 8,
            Asset::Eth => 18,
        }
    }

    /// The most base units an amount may hold: 21 and 84 million coins (`MAX_MONEY`); for ether, 2^127 − 1 wei,
    /// so that sums of amounts and products with a gas limit stay far from 2^256.
    #[must_use]
    pub fn cap(self) -> U256 {
        match self {
            Asset::Btc => U256::from(2_100_000_000_000_000_u64),
            Asset::Ltc => U256::from(8_400_000_000_000_000_u64),
            Asset::Eth => U256::from(u128::MAX >> 1),
        }
    }

    /// The ticker, as it is written in JSON and in policies.
    #[must_use]
    pub const fn ticker(self) -> &'static str {
        match self {
            Asset::Btc => "BTC",
            Asset::Ltc => "LTC",
            Asset::Eth => "ETH",
        }
    }

    /// The family whose chains carry this asset.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Asset::Btc | Asset::Ltc => Family::Bitcoin,
            Asset::Eth => Family::Evm,
        }
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.ticker())
    }
}

impl FromStr for Asset {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Asset::ALL
            .into_iter()
            .find(|asset| asset.ticker() == text)
            .ok_or_else(|| AmountError::UnknownAsset(quoted(text)))
    }
}

serde_as_text!(Asset);
