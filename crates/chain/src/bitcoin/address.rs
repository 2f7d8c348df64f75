//! Text of Bitcoin-family addresses to output scripts and back: base58check, bech32 (BIP-173) and
//! bech32m (BIP-350).

use ::bitcoin::XOnlyPublicKey;
use ::bitcoin::base58;
use ::bitcoin::bech32::primitives::decode::UncheckedHrpstring;
use ::bitcoin::bech32::{Bech32, Bech32m, Fe32, Hrp, segwit};
use ::bitcoin::hashes::Hash;
use ::bitcoin::{PubkeyHash, Script, ScriptBuf, ScriptHash, WitnessProgram, WitnessVersion};

use super::params::{BitcoinNetwork, BitcoinParams};
use crate::address::AddressError;
use crate::network::Network;
use crate::text::quoted;

/// Human-readable parts of Litecoin's MWEB addresses (LIP-0004).
const MWEB: [&str; 3] = ["ltcmweb", "tmweb", "rmweb"];

/// Parses an address of `network` to its output script.
pub(crate) fn parse(network: BitcoinNetwork, text: &str) -> Result<ScriptBuf, AddressError> {
    let malformed = || AddressError::Malformed {
        input: quoted(text),
        network: network.into(),
    };
    if text.starts_with("0x") {
        return Err(wrong_network(network, text, "an EVM chain".to_owned()));
    }
    let Some((prefix, _)) = text.rsplit_once('1') else {
        return parse_base58(network, text);
    };
    let prefix = prefix.to_ascii_lowercase();
    if MWEB.contains(&prefix.as_str()) {
        return Err(AddressError::Mweb(quoted(text)));
    }
    let named: Vec<_> = BitcoinNetwork::ALL
        .into_iter()
        .filter(|candidate| candidate.params().hrp == prefix)
        .collect();
    if named.is_empty() {
        return parse_base58(network, text);
    }
    let script = parse_segwit(text, malformed)?;
    if !named.contains(&network) {
        return Err(wrong_network(network, text, names(&named)));
    }
    Ok(script)
}

fn parse_segwit(
    text: &str,
    malformed: impl Fn() -> AddressError,
) -> Result<ScriptBuf, AddressError> {
    let upper = text.bytes().any(|b| b.is_ascii_uppercase());
    if upper && text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(AddressError::MixedCase(quoted(text)));
    }
    let unchecked = UncheckedHrpstring::new(text).map_err(|_| malformed())?;
    let found = if unchecked.has_valid_checksum::<Bech32>() {
        "bech32"
    } else if unchecked.has_valid_checksum::<Bech32m>() {
        "bech32m"
    } else {
        return Err(AddressError::Checksum(quoted(text)));
    };
    // Either checksum is six characters long, and it was just verified.
    let mut data = unchecked.remove_checksum::<Bech32>();
    // Read here: the crate hides versions above 16, which deserve their own error.
    let first = data
        .data_part_ascii_no_checksum()
        .first()
        .ok_or_else(&malformed)?;
    let version = Fe32::from_char(char::from(*first))
        .map_err(|_| malformed())?
        .to_u8();
    let needed = if version == 0 { "bech32" } else { "bech32m" };
    if found != needed {
        return Err(AddressError::WrongBech32Variant {
            input: quoted(text),
            version,
            found,
            needed,
        });
    }
    if version > 1 {
        return Err(AddressError::UnknownWitnessVersion {
            input: quoted(text),
            version,
        });
    }
    data.remove_witness_version().ok_or_else(&malformed)?;
    data.validate_segwit_padding().map_err(|_| malformed())?;
    let program: Vec<u8> = data.byte_iter().collect();
    let length = program.len();
    if !matches!((version, length), (0, 20 | 32) | (1, 32)) {
        return Err(AddressError::WitnessProgram {
            input: quoted(text),
            version,
            length,
        });
    }
    if version == 1 && XOnlyPublicKey::from_slice(&program).is_err() {
        return Err(AddressError::TaprootKey(quoted(text)));
    }
    let version = WitnessVersion::try_from(version).map_err(|_| malformed())?;
    let program = WitnessProgram::new(version, &program).map_err(|_| malformed())?;
    Ok(ScriptBuf::new_witness_program(&program))
}

fn parse_base58(network: BitcoinNetwork, text: &str) -> Result<ScriptBuf, AddressError> {
    let malformed = || AddressError::Malformed {
        input: quoted(text),
        network: network.into(),
    };
    let payload = base58::decode_check(text).map_err(|error| match error {
        base58::Error::IncorrectChecksum(_) => AddressError::Checksum(quoted(text)),
        _ => malformed(),
    })?;
    let (version, hash) = payload.split_first().ok_or_else(malformed)?;
    let hash: [u8; 20] = hash.try_into().map_err(|_| malformed())?;
    let params = network.params();
    if params.p2pkh == *version {
        return Ok(ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array(hash)));
    }
    if params.p2sh.contains(version) {
        return Ok(ScriptBuf::new_p2sh(&ScriptHash::from_byte_array(hash)));
    }
    let owners: Vec<_> = BitcoinNetwork::ALL
        .into_iter()
        .filter(|candidate| {
            let BitcoinParams { p2pkh, p2sh, .. } = candidate.params();
            p2pkh == version || p2sh.contains(version)
        })
        .collect();
    if owners.is_empty() {
        return Err(AddressError::UnknownVersion {
            input: quoted(text),
            version: *version,
        });
    }
    Err(wrong_network(network, text, names(&owners)))
}

fn wrong_network(expected: BitcoinNetwork, text: &str, found: String) -> AddressError {
    AddressError::WrongNetwork {
        input: quoted(text),
        expected: Network::Bitcoin(expected),
        found,
    }
}

fn names(networks: &[BitcoinNetwork]) -> String {
    let names: Vec<_> = networks
        .iter()
        .map(|network| network.params().name)
        .collect();
    names.join(" or ")
}

/// The canonical text of an output script; none if it is not one of the five payable kinds.
///
/// The templates are matched byte by byte, so that reading a transaction back does not lean on the
/// code that wrote its scripts.
pub(crate) fn to_text(network: BitcoinNetwork, script: &Script) -> Option<String> {
    let params = network.params();
    match script.as_bytes() {
        [0x76, 0xa9, 0x14, hash @ .., 0x88, 0xac] if hash.len() == 20 => {
            Some(base58_text(params.p2pkh, hash))
        }
        [0xa9, 0x14, hash @ .., 0x87] if hash.len() == 20 => {
            Some(base58_text(*params.p2sh.first()?, hash))
        }
        [0x00, 0x14, program @ ..] if program.len() == 20 => segwit_text(params, 0, program),
        [0x00, 0x20, program @ ..] if program.len() == 32 => segwit_text(params, 0, program),
        [0x51, 0x20, program @ ..] if program.len() == 32 => {
            XOnlyPublicKey::from_slice(program).ok()?;
            segwit_text(params, 1, program)
        }
        _ => None,
    }
}

fn base58_text(version: u8, hash: &[u8]) -> String {
    let payload: Vec<u8> = std::iter::once(version)
        .chain(hash.iter().copied())
        .collect();
    base58::encode_check(&payload)
}

fn segwit_text(params: &BitcoinParams, version: u8, program: &[u8]) -> Option<String> {
    let hrp = Hrp::parse(params.hrp).ok()?;
    let version = Fe32::try_from(version).ok()?;
    segwit::encode(hrp, version, program).ok()
}
