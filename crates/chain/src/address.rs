//! An address: parsed once, bound to one network, spelled one way. Two spellings of one destination
//! (case, EIP-55, Litecoin's two P2SH bytes) are one `Address`, so a list of known or blocked
//! destinations cannot be sidestepped by respelling.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use ::bitcoin::{Script, ScriptBuf};
use thiserror::Error;

use crate::keys::PublicKey;
use crate::network::{Network, NetworkError};
use crate::text::{quoted, serde_as_text};
use crate::{bitcoin, evm};

/// Longest address text that is looked at. BIP-173 allows 90 characters.
const MAX_TEXT: usize = 128;

/// Why an address was refused. Each variant carries the input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A good address of some other network.
    #[error("\"{input}\" is not an address of {expected}: it belongs to {found}")]
    WrongNetwork {
        /// What was given.
        input: String,
        /// The network asked for.
        expected: Network,
        /// Where it belongs.
        found: String,
    },
    /// Base58Check or bech32 checksum.
    #[error("\"{0}\" fails its checksum: one or more characters are wrong")]
    Checksum(String),
    /// BIP-173: all upper or all lower case.
    #[error("\"{0}\" mixes upper and lower case")]
    MixedCase(String),
    /// BIP-350: version 0 is bech32, later versions are bech32m.
    #[error(
        "\"{input}\" has the checksum of {found}, but witness version {version} needs {needed}"
    )]
    WrongBech32Variant {
        /// What was given.
        input: String,
        /// Its witness version.
        version: u8,
        /// The variant its checksum fits.
        found: &'static str,
        /// The variant it must use.
        needed: &'static str,
    },
    /// Versions above 1 are anyone's to spend until they mean something.
    #[error("\"{input}\" has witness version {version}, which has no meaning yet")]
    UnknownWitnessVersion {
        /// What was given.
        input: String,
        /// Its witness version.
        version: u8,
    },
    /// A witness program that is none of P2WPKH, P2WSH, P2TR.
    #[error(
        "\"{input}\" has a witness program of {length} bytes for version {version}: not P2WPKH, P2WSH or P2TR"
    )]
    WitnessProgram {
        /// What was given.
        input: String,
        /// Its witness version.
        version: u8,
        /// Length of its program in bytes.
        length: usize,
    },
    /// BIP-341: an output whose key is not on the curve can never be spent.
    #[error("\"{0}\" is a taproot address whose key is not on the curve: it could never be spent")]
    TaprootKey(String),
    /// Base58 version byte of no network here, or of something that is no address.
    #[error(
        "\"{input}\" has the base58 version byte {version:#04x}, which is neither P2PKH nor P2SH"
    )]
    UnknownVersion {
        /// What was given.
        input: String,
        /// The version byte.
        version: u8,
    },
    /// Litecoin's MWEB addresses cannot be paid by an ordinary transaction.
    #[error("\"{0}\" is an MWEB address, which is not supported")]
    Mweb(String),
    /// Mixed case that is not the checksum.
    #[error("\"{input}\" fails its EIP-55 checksum: one or more characters are wrong")]
    Eip55 {
        /// What was given.
        input: String,
    },
    /// Paying it burns the amount.
    #[error("the zero address cannot be paid")]
    ZeroAddress,
    /// Not the shape of any address.
    #[error("\"{input}\" is not an address of {network}")]
    Malformed {
        /// What was given.
        input: String,
        /// The network asked for.
        network: Network,
    },
    /// Text without a network where one is needed.
    #[error("\"{0}\" does not name its network: expected network:address")]
    NoNetwork(String),
    /// The network in front of it.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A script that has no address, or that custodyd does not pay.
    #[error("the script {0} is none of P2PKH, P2SH, P2WPKH, P2WSH, P2TR")]
    UnsupportedScript(String),
}

/// What the text stands for on its network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Payload {
    Script(ScriptBuf),
    Account([u8; 20]),
}

/// A destination on one network. Text and JSON form: `litecoin-regtest:rltc1q…`, `eip155:1:0x…` (CAIP-10).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    network: Network,
    payload: Payload,
    text: String,
}

impl Address {
    /// Parses the text form for a network. Networks that share their bytes (Bitcoin's testnet and
    /// regtest in base58, Litecoin's test networks with them) cannot be told apart by the text:
    /// it is taken for the network asked for.
    ///
    /// # Errors
    /// [`AddressError`], one variant for each thing that can be wrong.
    pub fn parse(network: Network, text: &str) -> Result<Self, AddressError> {
        if text.is_empty() || text.len() > MAX_TEXT || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AddressError::Malformed {
                input: quoted(text),
                network,
            });
        }
        match network {
            Network::Bitcoin(network) => {
                let script = bitcoin::address::parse(network, text)?;
                Address::from_script(network.into(), &script)
            }
            Network::Evm(_) => Ok(Address::from_account(
                network,
                evm::address::parse(network, text)?,
            )),
        }
    }

    /// The address of a wallet key: P2WPKH, or the EVM account.
    #[must_use]
    pub fn from_public_key(network: Network, key: &PublicKey) -> Self {
        match network {
            Network::Bitcoin(bitcoin_network) => {
                let script = key.p2wpkh_script();
                let text = bitcoin::address::to_text(bitcoin_network, &script)
                    .expect("P2WPKH has an address on every network");
                Address {
                    network,
                    payload: Payload::Script(script),
                    text,
                }
            }
            Network::Evm(_) => Address::from_account(network, key.evm_account()),
        }
    }

    /// The address of an output script.
    ///
    /// # Errors
    /// [`AddressError::UnsupportedScript`] if it is not one of the five payable kinds, or the network is an EVM chain.
    pub fn from_script(network: Network, script: &Script) -> Result<Self, AddressError> {
        let text = match network {
            Network::Bitcoin(network) => bitcoin::address::to_text(network, script),
            Network::Evm(_) => None,
        };
        let text = text.ok_or_else(|| AddressError::UnsupportedScript(script.to_hex_string()))?;
        Ok(Address {
            network,
            payload: Payload::Script(script.to_owned()),
            text,
        })
    }

    /// The EVM account with these bytes. Not checked for zero: see [`Address::parse`].
    pub(crate) fn from_account(network: Network, account: [u8; 20]) -> Self {
        Address {
            network,
            text: evm::address::to_text(account),
            payload: Payload::Account(account),
        }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The canonical text, without the network: lower-case bech32, base58, or EIP-55.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical text after what every address of its kind begins with: without `0x`, without a bech32 prefix, its
    /// separator and witness version (`bc1q`), without a base58 address's first character. In lower case where case
    /// is no part of the address. It is what people compare, and what somebody who makes an address to be
    /// taken for another has to search for.
    #[must_use]
    pub fn distinctive(&self) -> Cow<'_, str> {
        match &self.payload {
            Payload::Account(_) => {
                Cow::Owned(self.text.trim_start_matches("0x").to_ascii_lowercase())
            }
            Payload::Script(script) => {
                // Bech32's characters hold no '1', so the last one is the separator (BIP-173).
                let fixed = match self.text.rfind('1').filter(|_| script.is_witness_program()) {
                    Some(separator) => separator.saturating_add(2),
                    None => 1,
                };
                Cow::Borrowed(self.text.get(fixed..).unwrap_or_default())
            }
        }
    }

    /// The output script, for the Bitcoin family.
    #[must_use]
    pub fn script_pubkey(&self) -> Option<ScriptBuf> {
        match &self.payload {
            Payload::Script(script) => Some(script.clone()),
            Payload::Account(_) => None,
        }
    }

    /// The account, for EVM.
    #[must_use]
    pub fn evm(&self) -> Option<[u8; 20]> {
        match &self.payload {
            Payload::Script(_) => None,
            Payload::Account(account) => Some(*account),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.network, self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// CAIP-10's shape: the network, a colon, the text.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (network, address) = text
            .rsplit_once(':')
            .ok_or_else(|| AddressError::NoNetwork(quoted(text)))?;
        Address::parse(network.parse()?, address)
    }
}

serde_as_text!(Address);
