//! A PSBT in exactly the form that leaves: unsigned, both forms of each coin and agreeing, SIGHASH_ALL, one key with
//! its own fingerprint for each input and at most one for each output.

use std::collections::BTreeMap;

use bitcoin::consensus::encode::deserialize;
use bitcoin::{Transaction, TxOut};
use custodyd_chain::{Amount, BitcoinNetwork, Coin, OutPoint, PublicKey};

use super::wire::{Map, Maps};
use super::{Place, PsbtError, SIGHASH_ALL, key_type};
use crate::manifest::fingerprint;

/// What a PSBT says, its own consistency checked.
pub(crate) struct UnsignedPsbt {
    /// The bytes that will be signed for.
    pub(crate) transaction: Vec<u8>,
    /// What each input spends.
    pub(crate) coins: Vec<Coin>,
    /// Outputs, by their place, that claim to be change, with the key that they pay.
    pub(crate) change: BTreeMap<usize, PublicKey>,
}

impl UnsignedPsbt {
    pub(crate) fn read(network: BitcoinNetwork, bytes: &[u8]) -> Result<Self, PsbtError> {
        let maps = Maps::read(bytes)?;
        let [(_, transaction)] = fields(Place::Global, &maps.global, [key_type::UNSIGNED_TX])?;
        let coins = maps
            .transaction
            .input
            .iter()
            .zip(&maps.inputs)
            .enumerate()
            .map(|(index, (input, map))| coin(network, index, input.previous_output, map))
            .collect::<Result<_, _>>()?;
        let mut change = BTreeMap::new();
        for (index, (output, map)) in maps
            .transaction
            .output
            .iter()
            .zip(&maps.outputs)
            .enumerate()
        {
            if let Some(key) = change_key(index, output, map)? {
                change.insert(index, key);
            }
        }
        Ok(UnsignedPsbt {
            transaction: transaction.to_vec(),
            coins,
            change,
        })
    }
}

fn coin(
    network: BitcoinNetwork,
    index: usize,
    outpoint: OutPoint,
    map: &Map,
) -> Result<Coin, PsbtError> {
    let place = Place::Input(index);
    let [
        (_, previous),
        (_, witness_utxo),
        (_, sighash),
        (key, origin),
    ] = fields(
        place,
        map,
        [
            key_type::NON_WITNESS_UTXO,
            key_type::WITNESS_UTXO,
            key_type::SIGHASH_TYPE,
            key_type::IN_BIP32_DERIVATION,
        ],
    )?;
    let malformed = |field, reason: String| PsbtError::Malformed {
        place,
        field,
        reason,
    };
    let previous: Transaction =
        deserialize(previous).map_err(|e| malformed("non_witness_utxo", e.to_string()))?;
    let witness_utxo: TxOut =
        deserialize(witness_utxo).map_err(|e| malformed("witness_utxo", e.to_string()))?;
    let found = previous.compute_txid();
    if found != outpoint.txid {
        return Err(PsbtError::PreviousTransaction {
            input: index,
            outpoint,
            found,
        });
    }
    let vout = usize::try_from(outpoint.vout).map_err(|_| PsbtError::UtxosDisagree(index))?;
    if previous.output.get(vout) != Some(&witness_utxo) {
        return Err(PsbtError::UtxosDisagree(index));
    }
    let sighash = sighash.try_into().map(u32::from_le_bytes);
    let sighash = sighash.map_err(|_| malformed("sighash type", "not four bytes".to_owned()))?;
    if sighash != u32::from(SIGHASH_ALL) {
        return Err(PsbtError::SighashType {
            input: index,
            found: sighash,
        });
    }
    let public_key = own_key(place, key, origin)?;
    if witness_utxo.script_pubkey != public_key.p2wpkh_script() {
        return Err(PsbtError::NotOfKey {
            place,
            key: public_key,
        });
    }
    let amount = Amount::from_u64(network.params().asset, witness_utxo.value.to_sat())
        .map_err(|e| malformed("witness_utxo", e.to_string()))?;
    Ok(Coin {
        outpoint,
        amount,
        public_key,
    })
}

fn change_key(index: usize, output: &TxOut, map: &Map) -> Result<Option<PublicKey>, PsbtError> {
    let place = Place::Output(index);
    if map.is_empty() {
        return Ok(None);
    }
    let [(key, origin)] = fields(place, map, [key_type::OUT_BIP32_DERIVATION])?;
    let key = own_key(place, key, origin)?;
    if output.script_pubkey != key.p2wpkh_script() {
        return Err(PsbtError::NotOfKey { place, key });
    }
    Ok(Some(key))
}

/// A key that was derived from nothing: its value is its own fingerprint and no path.
fn own_key(place: Place, key: &[u8], origin: &[u8]) -> Result<PublicKey, PsbtError> {
    let field = "key";
    let malformed = |reason: String| PsbtError::Malformed {
        place,
        field,
        reason,
    };
    if key.len() != 33 {
        return Err(malformed("not a compressed public key".to_owned()));
    }
    let key = PublicKey::from_sec1(key).map_err(|error| malformed(error.to_string()))?;
    if origin != fingerprint(&key) {
        return Err(PsbtError::Origin { place, key });
    }
    Ok(key)
}

/// What follows a key's type byte, and the value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The entries of a map that has exactly one of each of these types: key data and value.
fn fields<const N: usize>(
    place: Place,
    map: &Map,
    types: [u8; N],
) -> Result<[Field<'_>; N], PsbtError> {
    let mut found = [None; N];
    for (key, value) in map {
        let unexpected = || PsbtError::Unexpected {
            place,
            key: hex::encode(key),
        };
        let (kind, key_data) = key.split_first().ok_or_else(unexpected)?;
        let index = types
            .iter()
            .position(|wanted| wanted == kind)
            .ok_or_else(unexpected)?;
        let takes_key = names_key(place, *kind);
        let slot = found
            .get_mut(index)
            .filter(|slot| slot.is_none())
            .ok_or_else(unexpected)?;
        if takes_key == key_data.is_empty() {
            return Err(unexpected());
        }
        *slot = Some((key_data, value.as_slice()));
    }
    let mut entries = [(&[][..], &[][..]); N];
    for ((entry, found), kind) in entries.iter_mut().zip(found).zip(types) {
        *entry = found.ok_or(PsbtError::Missing {
            place,
            field: name(place, kind),
        })?;
    }
    Ok(entries)
}

fn names_key(place: Place, kind: u8) -> bool {
    match place {
        Place::Global => false,
        Place::Input(_) => kind == key_type::IN_BIP32_DERIVATION,
        Place::Output(_) => kind == key_type::OUT_BIP32_DERIVATION,
    }
}

fn name(place: Place, kind: u8) -> &'static str {
    match (place, kind) {
        (Place::Global, _) => "unsigned transaction",
        (Place::Input(_), key_type::NON_WITNESS_UTXO) => "non_witness_utxo",
        (Place::Input(_), key_type::WITNESS_UTXO) => "witness_utxo",
        (Place::Input(_), key_type::SIGHASH_TYPE) => "sighash type",
        _ => "key origin",
    }
}
