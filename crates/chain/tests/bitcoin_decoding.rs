//! Bitcoin-family bytes read back: every change to a signed transaction has its refusal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::{Transaction, Witness};
use custodyd_chain::{
    AssembleError, DecodeError, Plan, ScriptBuf, SignatureError, decode, unsigned_bitcoin_effects,
};
use proptest::prelude::*;
use signer::{LTC, assemble, bitcoin_example, key};

#[test]
fn the_unsigned_form_has_the_same_effects_and_digests() {
    let (plan, _) = bitcoin_example();
    let bytes = serialize(&plan.unsigned_tx().unwrap());
    let (effects, digests) = unsigned_bitcoin_effects(LTC, &bytes, &plan.inputs).unwrap();
    assert_eq!(effects, plan.effects());
    let requests = Plan::Bitcoin(plan).signing_requests().unwrap();
    assert_eq!(
        digests,
        requests.iter().map(|r| r.digest).collect::<Vec<_>>()
    );
}

/// A signed example, changed by `change`, put before the plan again.
fn accept_changed(change: impl FnOnce(&mut Transaction)) -> AssembleError {
    let (plan, keys) = bitcoin_example();
    let plan = Plan::Bitcoin(plan);
    let raw = assemble(&plan, &keys);
    assert_eq!(plan.accept(raw.bytes()).unwrap(), raw);
    let mut tx: Transaction = deserialize(raw.bytes()).unwrap();
    change(&mut tx);
    plan.accept(&serialize(&tx)).unwrap_err()
}

#[test]
fn every_change_to_a_signed_transaction_has_its_refusal() {
    let refusal = |change: fn(&mut Transaction)| match accept_changed(change) {
        AssembleError::Decode(error) => error,
        other => panic!("{other}"),
    };
    let sighash = |tx: &mut Transaction, byte: u8| {
        let mut items = tx.input[0].witness.to_vec();
        *items[0].last_mut().unwrap() = byte;
        tx.input[0].witness = Witness::from_slice(&items);
    };
    for byte in [0x00, 0x02, 0x03, 0x81, 0x82, 0x83] {
        let error = accept_changed(|tx| sighash(tx, byte));
        assert_eq!(
            error,
            DecodeError::SighashType {
                input: 0,
                sighash: byte
            }
            .into()
        );
    }
    assert!(matches!(
        refusal(|tx| tx.output[0].value += bitcoin::Amount::ONE_SAT),
        DecodeError::InputSignature {
            input: 0,
            source: SignatureError::Invalid { .. }
        }
    ));
    assert!(matches!(
        refusal(|tx| tx.lock_time = bitcoin::absolute::LockTime::from_consensus(1)),
        DecodeError::InputSignature { input: 0, .. }
    ));
    assert!(matches!(
        refusal(|tx| tx.input[1].sequence.0 = 0xffff_ffff),
        DecodeError::Sequence { input: 1, .. }
    ));
    assert_eq!(refusal(|tx| tx.version.0 = 1), DecodeError::Version(1));
    assert_eq!(
        refusal(|tx| tx.input[0].script_sig = ScriptBuf::from_hex("51").unwrap()),
        DecodeError::ScriptSig(0)
    );
    assert!(matches!(
        refusal(|tx| tx.input[0].previous_output.vout += 1),
        DecodeError::UnknownInput { input: 0, .. }
    ));
    assert!(matches!(
        refusal(|tx| tx.input[1] = tx.input[0].clone()),
        DecodeError::DuplicateInput(_)
    ));
    assert_eq!(
        refusal(|tx| tx.output.clear()),
        DecodeError::Empty("outputs")
    );
    assert!(matches!(
        refusal(|tx| tx.output[0].script_pubkey = ScriptBuf::from_hex("6a0568656c6c6f").unwrap()),
        DecodeError::Output { output: 0, .. }
    ));
    assert!(matches!(
        refusal(|tx| tx.output[0].value = bitcoin::Amount::from_sat(5_000_000)),
        DecodeError::OutputsExceedInputs { .. }
    ));
    assert!(matches!(
        refusal(|tx| tx.output[0].value = bitcoin::Amount::from_sat(u64::MAX)),
        DecodeError::Amount(_)
    ));
    assert_eq!(
        refusal(|tx| tx.input[0].witness = Witness::from_slice(&[[0_u8; 1]])),
        DecodeError::Witness { input: 0, items: 1 }
    );
    assert_eq!(
        refusal(|tx| {
            let mut items = tx.input[0].witness.to_vec();
            items[1] = signer::public(&key(7)).to_bytes().to_vec();
            tx.input[0].witness = Witness::from_slice(&items);
        }),
        DecodeError::WitnessKey(0)
    );
    assert_eq!(
        refusal(|tx| {
            let mut items = tx.input[0].witness.to_vec();
            items[0] = high_s(&items[0]);
            tx.input[0].witness = Witness::from_slice(&items);
        }),
        DecodeError::InputSignature {
            input: 0,
            source: SignatureError::HighS
        }
    );
}

/// The same signature with n − s: valid by consensus, not standard.
fn high_s(item: &[u8]) -> Vec<u8> {
    let (sighash, der) = item.split_last().unwrap();
    let signature = k256::ecdsa::Signature::from_der(der).unwrap();
    let (r, s) = signature.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let mut item = high.to_der().as_bytes().to_vec();
    item.push(*sighash);
    item
}

#[test]
fn bytes_cut_short_or_run_on_are_refused() {
    let (plan, keys) = bitcoin_example();
    let prevouts = plan.inputs.clone();
    let raw = assemble(&Plan::Bitcoin(plan), &keys);
    for length in 0..raw.bytes().len() {
        assert!(decode(LTC.into(), &raw.bytes()[..length], &prevouts).is_err());
    }
    let mut longer = raw.bytes().to_vec();
    longer.push(0);
    assert_eq!(
        decode(LTC.into(), &longer, &prevouts),
        Err(DecodeError::TrailingBytes(1))
    );
    let mut mweb = raw.bytes().to_vec();
    mweb[5] = 0x08;
    assert_eq!(
        decode(LTC.into(), &mweb, &prevouts),
        Err(DecodeError::SegwitMarker { marker: 0, flag: 8 })
    );
    // The count of inputs in three bytes where one would do.
    let mut padded = raw.bytes().to_vec();
    padded.splice(6..7, [0xfd, padded[6], 0x00]);
    assert_eq!(
        decode(LTC.into(), &padded, &prevouts),
        Err(DecodeError::NotCanonical("a compact size"))
    );
    assert!(matches!(
        decode(LTC.into(), &vec![0; 500_000], &prevouts),
        Err(DecodeError::TooLong { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_refused(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (plan, keys) = bitcoin_example();
        let prevouts = plan.inputs.clone();
        let raw = assemble(&Plan::Bitcoin(plan), &keys);
        let mut bytes = raw.bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(decode(LTC.into(), &bytes, &prevouts).is_err());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(LTC.into(), &bytes, &[]);
        let _ = unsigned_bitcoin_effects(LTC, &bytes, &[]);
    }
}
