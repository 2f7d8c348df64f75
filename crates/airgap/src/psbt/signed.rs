//! A PSBT that came back: what was exported, byte for byte, and one signature more for each input. Both forms are
//! taken that wallets give: the signature as such, or the input finalized (BIP-174, input finalizer).

use custodyd_chain::{Coin, Signature};

use super::wire::{Map, Maps};
use super::{Place, PsbtError, SIGHASH_ALL, key_type};

/// Compressed public keys in a partial signature's key, behind the type byte.
const KEY_BYTES: usize = 33;

/// The exported PSBT with a signature for each input.
pub(crate) fn insert(exported: &[u8], signatures: &[Signature]) -> Result<Vec<u8>, PsbtError> {
    let mut maps = Maps::read(exported)?;
    if maps.inputs.len() != signatures.len() {
        return Err(PsbtError::SignatureCount {
            input: 0,
            found: signatures.len(),
        });
    }
    for (index, (map, signature)) in maps.inputs.iter_mut().zip(signatures).enumerate() {
        let (place, field) = (Place::Input(index), "key origin");
        let origin = map
            .keys()
            .find(|key| key.first() == Some(&key_type::IN_BIP32_DERIVATION));
        let (_, public_key) = origin
            .and_then(|key| key.split_first())
            .ok_or(PsbtError::Missing { place, field })?;
        let key = [&[key_type::PARTIAL_SIG], public_key].concat();
        let mut value = signature.to_der();
        value.push(SIGHASH_ALL);
        map.insert(key, value);
    }
    Ok(maps.write())
}

/// The signatures in `returned`, one for each of the exported inputs. They are well formed and by the right key in
/// name; whether they sign is the caller's to verify.
pub(crate) fn signatures(
    exported: &[u8],
    returned: &[u8],
    coins: &[Coin],
) -> Result<Vec<Signature>, PsbtError> {
    let (exported, returned) = (Maps::read(exported)?, Maps::read(returned)?);
    unchanged(Place::Global, &exported.global, &returned.global)?;
    let mut signatures = Vec::with_capacity(coins.len());
    for ((index, coin), (before, after)) in coins
        .iter()
        .enumerate()
        .zip(exported.inputs.iter().zip(&returned.inputs))
    {
        signatures.push(input(index, coin, before, after)?);
    }
    let outputs = exported.outputs.iter().zip(&returned.outputs);
    for (index, (before, after)) in outputs.enumerate() {
        unchanged(Place::Output(index), before, after)?;
    }
    Ok(signatures)
}

fn input(index: usize, coin: &Coin, before: &Map, after: &Map) -> Result<Signature, PsbtError> {
    let is = |key: &[u8], kind: u8| key.first() == Some(&kind);
    let mut rest = after.clone();
    let partial: Vec<_> = rest
        .extract_if(.., |key, _| is(key, key_type::PARTIAL_SIG))
        .collect();
    let finalized = rest.remove([key_type::FINAL_SCRIPTWITNESS].as_slice());
    let found = partial.len().saturating_add(finalized.iter().len());
    let place = Place::Input(index);
    let (key, signature) = match (partial.as_slice(), &finalized) {
        ([(key, signature)], None) => {
            unchanged(place, before, &rest)?;
            let (_, key) = key.split_first().ok_or(PsbtError::SignedByOther(index))?;
            (key, signature.as_slice())
        }
        ([], Some(witness)) => {
            // A finalizer drops what is no longer needed: sighash type and key origin.
            let dropped = |key: &[u8]| {
                is(key, key_type::SIGHASH_TYPE) || is(key, key_type::IN_BIP32_DERIVATION)
            };
            let kept: Map = before
                .iter()
                .filter(|(key, _)| rest.contains_key(*key) || !dropped(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            unchanged(place, &kept, &rest)?;
            p2wpkh_witness(index, witness)?
        }
        _ => {
            return Err(PsbtError::SignatureCount {
                input: index,
                found,
            });
        }
    };
    if key.len() != KEY_BYTES || key != coin.public_key.to_bytes() {
        return Err(PsbtError::SignedByOther(index));
    }
    strict_signature(index, signature)
}

/// Equal, key by key and byte by byte.
fn unchanged(place: Place, before: &Map, after: &Map) -> Result<(), PsbtError> {
    let differs = |key: &&Vec<u8>| before.get(*key) != after.get(*key);
    match before.keys().chain(after.keys()).find(differs) {
        Some(key) => Err(PsbtError::Changed {
            place,
            key: hex::encode(key),
        }),
        None => Ok(()),
    }
}

/// The two items of a P2WPKH witness stack (BIP-141), serialized: key and signature.
fn p2wpkh_witness(index: usize, witness: &[u8]) -> Result<(&[u8], &[u8]), PsbtError> {
    let refused = || PsbtError::Signature {
        input: index,
        reason: "the final witness is not a signature and a key".to_owned(),
    };
    let rest = witness.strip_prefix(&[2]).ok_or_else(refused)?;
    let (signature, rest) = item(rest).ok_or_else(refused)?;
    let (key, rest) = item(rest).ok_or_else(refused)?;
    if rest.is_empty() {
        Ok((key, signature))
    } else {
        Err(refused())
    }
}

/// An item shorter than 253 bytes, and what follows it.
fn item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first().filter(|(length, _)| **length < 0xfd)?;
    rest.split_at_checked(usize::from(*length))
}

/// Strict DER (BIP-66) with a low s (BIP-146) and SIGHASH_ALL behind it.
fn strict_signature(index: usize, bytes: &[u8]) -> Result<Signature, PsbtError> {
    let refused = |reason: &str| PsbtError::Signature {
        input: index,
        reason: reason.to_owned(),
    };
    let (sighash, der) = bytes.split_last().ok_or_else(|| refused("it is empty"))?;
    if *sighash != SIGHASH_ALL {
        return Err(PsbtError::SighashType {
            input: index,
            found: u32::from(*sighash),
        });
    }
    let parsed = bitcoin::secp256k1::ecdsa::Signature::from_der(der)
        .ok()
        .filter(|parsed| parsed.serialize_der().as_ref() == der)
        .ok_or_else(|| refused("it is not strict DER"))?;
    // The text form is the one that refuses a high s instead of lowering it.
    hex::encode(parsed.serialize_compact())
        .parse()
        .map_err(|error: custodyd_chain::SignatureError| refused(&error.to_string()))
}
