//! What a Bitcoin-family transaction does, judged from its wire form and the coins it may spend.
//! The BIP-143 digests are computed here a second time, so that a signature is checked against
//! what the bytes say and not against what the builder meant.

use std::collections::BTreeMap;

use ::bitcoin::hashes::Hash;
use ::bitcoin::{OutPoint, Script, Txid};

use super::params::BitcoinNetwork;
use super::plan::SEQUENCE;
use super::wire::{WireInput, WireTransaction, double_sha256};
use crate::address::Address;
use crate::amount::Amount;
use crate::decode::DecodeError;
use crate::effects::{Coin, Effects, Payment};
use crate::keys::{Digest, PublicKey};
use crate::signature::Signature;
use crate::signature_point::SignaturePoint;

/// SIGHASH_ALL, in the signature's last byte and in the preimage's last field.
const SIGHASH_ALL: u8 = 0x01;

/// A signed transaction, read and verified.
pub(crate) struct Decoded {
    pub(crate) effects: Effects,
    pub(crate) lock_time: u32,
    pub(crate) txid: String,
}

/// Reads a signed transaction and verifies the signature of each input.
pub(crate) fn signed(
    network: BitcoinNetwork,
    raw: &[u8],
    prevouts: &[Coin],
) -> Result<Decoded, DecodeError> {
    let tx = WireTransaction::signed(raw)?;
    let coins = coins_of(&tx, prevouts)?;
    let effects = effects(network, &tx, &coins)?;
    let digests = digests(&tx, &coins)?;
    for (index, (input, (coin, digest))) in
        tx.inputs.iter().zip(coins.iter().zip(&digests)).enumerate()
    {
        witness_signature(index, input, coin)?
            .verify(&coin.public_key, digest)
            .map_err(|source| DecodeError::InputSignature {
                input: index,
                source,
            })?;
    }
    Ok(Decoded {
        effects,
        lock_time: tx.lock_time,
        txid: tx.txid,
    })
}

/// The signature of each input, with the key and the digest that it was verified with when the transaction was made.
pub(crate) fn points(raw: &[u8], prevouts: &[Coin]) -> Result<Vec<SignaturePoint>, DecodeError> {
    let tx = WireTransaction::signed(raw)?;
    let coins = coins_of(&tx, prevouts)?;
    let digests = digests(&tx, &coins)?;
    tx.inputs
        .iter()
        .zip(coins.iter().zip(digests))
        .enumerate()
        .map(|(index, (input, (coin, digest)))| {
            Ok(SignaturePoint {
                public_key: coin.public_key,
                nonce: witness_signature(index, input, coin)?.nonce(),
                digest,
            })
        })
        .collect()
}

/// Reads an unsigned transaction; its effects and the digest of each input.
pub(crate) fn unsigned(
    network: BitcoinNetwork,
    bytes: &[u8],
    prevouts: &[Coin],
) -> Result<(Effects, Vec<Digest>), DecodeError> {
    let tx = WireTransaction::unsigned(bytes)?;
    let coins = coins_of(&tx, prevouts)?;
    Ok((effects(network, &tx, &coins)?, digests(&tx, &coins)?))
}

/// The display form of a signed transaction's id, from its bytes.
pub(crate) fn txid(raw: &[u8]) -> Result<String, DecodeError> {
    WireTransaction::signed(raw).map(|tx| tx.txid)
}

/// The coin of each input, in the inputs' order; each input in the form that plans have.
fn coins_of<'a>(tx: &WireTransaction, prevouts: &'a [Coin]) -> Result<Vec<&'a Coin>, DecodeError> {
    if tx.version != 2 {
        return Err(DecodeError::Version(tx.version));
    }
    if tx.inputs.is_empty() {
        return Err(DecodeError::Empty("inputs"));
    }
    let mut unspent: BTreeMap<_, _> = prevouts.iter().map(|coin| (coin.outpoint, coin)).collect();
    tx.inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            if !input.script_sig.is_empty() {
                return Err(DecodeError::ScriptSig(index));
            }
            if input.sequence != SEQUENCE {
                let sequence = input.sequence;
                return Err(DecodeError::Sequence {
                    input: index,
                    sequence,
                });
            }
            let outpoint = outpoint_of(input);
            unspent.remove(&outpoint).ok_or_else(|| {
                if prevouts.iter().any(|coin| coin.outpoint == outpoint) {
                    DecodeError::DuplicateInput(outpoint)
                } else {
                    DecodeError::UnknownInput {
                        input: index,
                        outpoint,
                    }
                }
            })
        })
        .collect()
}

fn outpoint_of(input: &WireInput) -> OutPoint {
    OutPoint {
        txid: Txid::from_byte_array(input.txid),
        vout: input.vout,
    }
}

fn effects(
    network: BitcoinNetwork,
    tx: &WireTransaction,
    coins: &[&Coin],
) -> Result<Effects, DecodeError> {
    let asset = network.params().asset;
    if tx.outputs.is_empty() {
        return Err(DecodeError::Empty("outputs"));
    }
    let payments: Vec<_> = tx
        .outputs
        .iter()
        .enumerate()
        .map(|(index, output)| {
            let to = Address::from_script(network.into(), Script::from_bytes(&output.script))
                .map_err(|source| DecodeError::Output {
                    output: index,
                    source,
                })?;
            Ok(Payment {
                to,
                amount: Amount::from_u64(asset, output.value)?,
            })
        })
        .collect::<Result<_, DecodeError>>()?;
    let inputs = Amount::sum(asset, coins.iter().map(|coin| &coin.amount))?;
    let outputs = Amount::sum(asset, payments.iter().map(|payment| &payment.amount))?;
    let fee = inputs
        .checked_sub(&outputs)
        .map_err(|_| DecodeError::OutputsExceedInputs { inputs, outputs })?;
    Ok(Effects {
        network: network.into(),
        payments,
        inputs: coins.iter().map(|coin| coin.outpoint).collect(),
        fee,
        account: None,
        nonce: None,
    })
}

/// BIP-143 digests of all inputs, as P2WPKH of their coins' keys, under SIGHASH_ALL.
fn digests(tx: &WireTransaction, coins: &[&Coin]) -> Result<Vec<Digest>, DecodeError> {
    let outpoints: Vec<u8> = tx
        .inputs
        .iter()
        .flat_map(|input| input.txid.into_iter().chain(input.vout.to_le_bytes()))
        .collect();
    let sequences: Vec<u8> = tx
        .inputs
        .iter()
        .flat_map(|input| input.sequence.to_le_bytes())
        .collect();
    let mut outputs = Vec::new();
    for output in &tx.outputs {
        outputs.extend(output.value.to_le_bytes());
        // The scripts that `effects` lets through are at most 34 bytes long.
        outputs.push(u8::try_from(output.script.len()).map_err(|_| DecodeError::Range("script"))?);
        outputs.extend(&output.script);
    }
    let hash_outpoints = double_sha256(&[&outpoints]);
    let hash_sequences = double_sha256(&[&sequences]);
    let hash_outputs = double_sha256(&[&outputs]);
    tx.inputs
        .iter()
        .zip(coins)
        .map(|(input, coin)| {
            let value = coin
                .amount
                .units_u64()
                .ok_or(DecodeError::Range("coin's value"))?;
            Ok(Digest::from_bytes(double_sha256(&[
                &tx.version.to_le_bytes(),
                &hash_outpoints,
                &hash_sequences,
                &input.txid,
                &input.vout.to_le_bytes(),
                &script_code(&coin.public_key),
                &value.to_le_bytes(),
                &input.sequence.to_le_bytes(),
                &hash_outputs,
                &tx.lock_time.to_le_bytes(),
                &u32::from(SIGHASH_ALL).to_le_bytes(),
            ])))
        })
        .collect()
}

/// BIP-143: the scriptCode of P2WPKH is P2PKH of the same hash, with its length in front.
fn script_code(key: &PublicKey) -> Vec<u8> {
    let script = key.p2wpkh_script();
    let hash = script.as_bytes().iter().skip(2);
    [0x19, 0x76, 0xa9, 0x14]
        .iter()
        .chain(hash)
        .chain(&[0x88, 0xac])
        .copied()
        .collect()
}

/// The signature in an input's witness, in the one form that plans have; not verified.
fn witness_signature(
    input: usize,
    wire: &WireInput,
    coin: &Coin,
) -> Result<Signature, DecodeError> {
    let [signature, key] = wire.witness.as_slice() else {
        return Err(DecodeError::Witness {
            input,
            items: wire.witness.len(),
        });
    };
    if key.as_slice() != coin.public_key.to_bytes() {
        return Err(DecodeError::WitnessKey(input));
    }
    let (sighash, der) = signature.split_last().ok_or(DecodeError::Truncated)?;
    if *sighash != SIGHASH_ALL {
        return Err(DecodeError::SighashType {
            input,
            sighash: *sighash,
        });
    }
    Signature::from_der(der).map_err(|source| DecodeError::InputSignature { input, source })
}

#[cfg(test)]
mod tests {
    use ::bitcoin::consensus::encode::deserialize;
    use ::bitcoin::sighash::SighashCache;
    use ::bitcoin::{OutPoint, Transaction};
    use serde_json::Value;

    use super::super::plan::p2wpkh_digest;
    use super::*;
    use crate::asset::Asset;

    #[test]
    fn both_digests_are_those_of_bip_143() {
        let file: Value =
            serde_json::from_str(include_str!("../../tests/vectors/bip143.json")).unwrap();
        for example in file["examples"].as_array().unwrap() {
            let bytes = hex::decode(example["unsigned"].as_str().unwrap()).unwrap();
            let expected: Digest = serde_json::from_value(example["digest"].clone()).unwrap();
            let value = example["value"].as_u64().unwrap();
            let coin = Coin {
                outpoint: OutPoint::null(),
                amount: Amount::from_u64(Asset::Btc, value).unwrap(),
                public_key: serde_json::from_value(example["key"].clone()).unwrap(),
            };
            let index = usize::try_from(example["input"].as_u64().unwrap()).unwrap();

            let tx: Transaction = deserialize(&bytes).unwrap();
            assert_eq!(
                p2wpkh_digest(&mut SighashCache::new(&tx), index, &coin, value),
                expected
            );

            let wire = WireTransaction::unsigned(&bytes).unwrap();
            let coins = vec![&coin; wire.inputs.len()];
            assert_eq!(digests(&wire, &coins).unwrap()[index], expected);
            assert_eq!(wire.txid, tx.compute_txid().to_string());

            let der = hex::decode(example["signature"].as_str().unwrap()).unwrap();
            let signature = Signature::from_der(&der).unwrap();
            assert_eq!(signature.verify(&coin.public_key, &expected), Ok(()));
            assert_eq!(signature.to_der(), der);
        }
    }
}
