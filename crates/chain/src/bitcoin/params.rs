//! The parameters table: everything in which the networks of the Bitcoin family differ.
//! Sources: `chainparams.cpp` and `policy.h` of Bitcoin Core and Litecoin Core 0.21, SLIP-44, SLIP-173.

use std::fmt;
use std::str::FromStr;

use ::bitcoin::Script;

use crate::asset::Asset;
use crate::network::NetworkError;
use crate::text::{quoted, serde_as_text};

/// A network of the Bitcoin family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BitcoinNetwork {
    /// Bitcoin.
    Bitcoin,
    /// Bitcoin testnet (3 and 4 share their addresses).
    BitcoinTestnet,
    /// Bitcoin regtest.
    BitcoinRegtest,
    /// Litecoin.
    Litecoin,
    /// Litecoin testnet (4).
    LitecoinTestnet,
    /// Litecoin regtest.
    LitecoinRegtest,
}

/// What distinguishes a network of the Bitcoin family.
#[derive(Debug, PartialEq, Eq)]
pub struct BitcoinParams {
    /// Name in configuration and JSON.
    pub name: &'static str,
    /// Native asset.
    pub asset: Asset,
    /// Human-readable part of segwit addresses (BIP-173).
    pub hrp: &'static str,
    /// Base58 version byte of P2PKH.
    pub p2pkh: u8,
    /// Base58 version bytes of P2SH. The first is written; all are read. Litecoin gave P2SH a byte
    /// of its own after launch and still reads Bitcoin's.
    pub p2sh: &'static [u8],
    /// SLIP-44 coin type.
    pub coin_type: u32,
    /// Fee rate that defines dust, in base units per 1,000 virtual bytes (`DUST_RELAY_TX_FEE`).
    pub dust_relay_fee: u64,
    /// Lowest fee rate that nodes relay, in base units per 1,000 virtual bytes
    /// (`DEFAULT_MIN_RELAY_TX_FEE`).
    pub min_relay_fee: u64,
    /// Upper bound of supply, in base units (`MAX_MONEY`).
    pub max_money: u64,
}

const BITCOIN: BitcoinParams = BitcoinParams {
    name: "bitcoin",
    asset: Asset::Btc,
    hrp: "bc",
    p2pkh: 0x00,
    p2sh: &[0x05],
    coin_type: 0,
    dust_relay_fee: 3_000,
    min_relay_fee: 1_000,
    max_money: 2_100_000_000_000_000,
};

const LITECOIN: BitcoinParams = BitcoinParams {
    name: "litecoin",
    asset: Asset::Ltc,
    hrp: "ltc",
    p2pkh: 0x30,
    p2sh: &[0x32, 0x05],
    coin_type: 2,
    dust_relay_fee: 30_000,
    min_relay_fee: 1_000,
    max_money: 8_400_000_000_000_000,
};

static PARAMS: [BitcoinParams; 6] = [
    BITCOIN,
    BitcoinParams {
        name: "bitcoin-testnet",
        hrp: "tb",
        p2pkh: 0x6f,
        p2sh: &[0xc4],
        coin_type: 1,
        ..BITCOIN
    },
    BitcoinParams {
        name: "bitcoin-regtest",
        hrp: "bcrt",
        p2pkh: 0x6f,
        p2sh: &[0xc4],
        coin_type: 1,
        ..BITCOIN
    },
    LITECOIN,
    BitcoinParams {
        name: "litecoin-testnet",
        hrp: "tltc",
        p2pkh: 0x6f,
        p2sh: &[0x3a, 0xc4],
        coin_type: 1,
        ..LITECOIN
    },
    BitcoinParams {
        name: "litecoin-regtest",
        hrp: "rltc",
        p2pkh: 0x6f,
        p2sh: &[0x3a, 0xc4],
        coin_type: 1,
        ..LITECOIN
    },
];

impl BitcoinNetwork {
    /// All networks, in their order.
    pub const ALL: [BitcoinNetwork; 6] = [
        BitcoinNetwork::Bitcoin,
        BitcoinNetwork::BitcoinTestnet,
        BitcoinNetwork::BitcoinRegtest,
        BitcoinNetwork::Litecoin,
        BitcoinNetwork::LitecoinTestnet,
        BitcoinNetwork::LitecoinRegtest,
    ];

    /// This network's row of the table.
    #[must_use]
    pub fn params(self) -> &'static BitcoinParams {
        let [
            bitcoin,
            bitcoin_testnet,
            bitcoin_regtest,
            litecoin,
            litecoin_testnet,
            litecoin_regtest,
        ] = &PARAMS;
        match self {
            BitcoinNetwork::Bitcoin => bitcoin,
            BitcoinNetwork::BitcoinTestnet => bitcoin_testnet,
            BitcoinNetwork::BitcoinRegtest => bitcoin_regtest,
            BitcoinNetwork::Litecoin => litecoin,
            BitcoinNetwork::LitecoinTestnet => litecoin_testnet,
            BitcoinNetwork::LitecoinRegtest => litecoin_regtest,
        }
    }

    /// The least value, in base units, that nodes relay in an output with this script: what it
    /// would cost to spend at [`BitcoinParams::dust_relay_fee`] (`GetDustThreshold` in Core).
    #[must_use]
    pub fn dust_limit(self, script: &Script) -> u64 {
        script
            .minimal_non_dust_custom(::bitcoin::FeeRate::from_sat_per_kwu(
                self.params().dust_relay_fee / 4,
            ))
            .to_sat()
    }
}

impl fmt::Display for BitcoinNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.params().name)
    }
}

impl FromStr for BitcoinNetwork {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        BitcoinNetwork::ALL
            .into_iter()
            .find(|network| network.params().name == text)
            .ok_or_else(|| NetworkError::Unknown(quoted(text)))
    }
}

serde_as_text!(BitcoinNetwork);
