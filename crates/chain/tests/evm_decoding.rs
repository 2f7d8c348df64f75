//! EVM bytes read back: every change, and every second spelling, has its refusal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Bytes, Signature as AlloySignature, TxKind};
use custodyd_chain::{
    AssembleError, DecodeError, Digest, Network, Plan, U256, decode, unsigned_evm_effects,
};
use proptest::prelude::*;
use serde_json::Value;
use signer::{assemble, chain, evm_example, public, sign};

#[test]
fn refused_transactions_are_refused_for_the_right_reason() {
    let file: Value = serde_json::from_str(include_str!("vectors/evm_refused.json")).unwrap();
    for case in file["refused"].as_array().unwrap() {
        let raw = hex::decode(case["raw"].as_str().unwrap()).unwrap();
        for error in [
            decode(chain(1).into(), &raw, &[]).unwrap_err(),
            unsigned_evm_effects(&raw).unwrap_err(),
        ] {
            let variant = format!("{error:?}");
            let variant = variant.split(['(', ' ']).next().unwrap();
            assert_eq!(variant, case["error"].as_str().unwrap(), "{}", case["why"]);
        }
    }
}

/// The example's transaction as alloy builds it, changed, validly signed by the example's key.
fn signed(change: impl FnOnce(&mut TxEip1559)) -> Vec<u8> {
    let (plan, key) = evm_example();
    let mut tx = TxEip1559 {
        chain_id: plan.chain_id.get(),
        nonce: plan.nonce,
        gas_limit: plan.gas_limit,
        max_fee_per_gas: plan.max_fee_per_gas,
        max_priority_fee_per_gas: plan.max_priority_fee_per_gas,
        to: TxKind::Call(plan.payment.to.evm().unwrap().into()),
        value: plan.payment.amount.units(),
        access_list: AccessList::default(),
        input: Bytes::new(),
    };
    change(&mut tx);
    let digest = Digest::from_bytes(tx.signature_hash().0);
    let signature = sign(&key, &digest);
    let odd = signature.recovery_id(&public(&key), &digest).unwrap() == 1;
    let signed = tx.into_signed(AlloySignature::from_bytes_and_parity(
        &signature.to_bytes(),
        odd,
    ));
    let mut raw = Vec::new();
    signed.eip2718_encode(&mut raw);
    raw
}

#[test]
fn every_change_to_a_transfer_has_its_refusal() {
    let (plan, _) = evm_example();
    let plan = Plan::Evm(plan);
    assert!(plan.accept(&signed(|_| {})).is_ok());
    let refusal = |change: fn(&mut TxEip1559)| plan.accept(&signed(change)).unwrap_err();
    assert_eq!(
        refusal(|tx| tx.chain_id = 0),
        DecodeError::MissingChainId.into()
    );
    let (expected, found) = (plan.network(), Network::Evm(chain(1)));
    assert_eq!(
        refusal(|tx| tx.chain_id = 1),
        DecodeError::WrongChain { expected, found }.into()
    );
    assert!(matches!(
        refusal(|tx| tx.chain_id = u64::MAX),
        AssembleError::Decode(DecodeError::ChainId(_))
    ));
    assert_eq!(
        refusal(|tx| tx.input = vec![1, 2].into()),
        DecodeError::Calldata(2).into()
    );
    assert_eq!(
        refusal(|tx| tx.to = TxKind::Create),
        DecodeError::ContractCreation.into()
    );
    assert_eq!(
        refusal(|tx| tx.to = TxKind::Call([0; 20].into())),
        DecodeError::ZeroAddress.into()
    );
    assert_eq!(
        refusal(|tx| tx.access_list = AccessList(vec![AccessListItem::default()])),
        DecodeError::AccessList.into()
    );
    assert!(matches!(
        refusal(|tx| tx.value = U256::MAX),
        AssembleError::Decode(DecodeError::Amount(_))
    ));
    assert!(matches!(
        refusal(|tx| tx.max_fee_per_gas = u128::MAX),
        AssembleError::Decode(DecodeError::Amount(_))
    ));
    for differs in [
        refusal(|tx| tx.nonce += 1),
        refusal(|tx| tx.value += U256::from(1)),
        refusal(|tx| tx.gas_limit += 1),
        refusal(|tx| tx.max_fee_per_gas += 1),
        refusal(|tx| tx.to = TxKind::Call([1; 20].into())),
    ] {
        assert!(
            matches!(differs, AssembleError::EffectsDiffer { .. }),
            "{differs}"
        );
    }
    // The product of gas and fee stays the same, or the tip alone changes: the digest tells.
    assert!(matches!(
        refusal(|tx| tx.max_priority_fee_per_gas += 1),
        AssembleError::Differs(_)
    ));
    assert!(matches!(
        refusal(|tx| {
            tx.gas_limit *= 5;
            tx.max_fee_per_gas /= 5;
        }),
        AssembleError::Differs(_)
    ));
}

/// Splices the example's signed bytes: the outer list holds more than 55 bytes, so its length is in byte 2.
fn respelled(place: usize, remove: usize, insert: &[u8]) -> Vec<u8> {
    let mut raw = signed(|_| {});
    assert_eq!(raw[1], 0xf8);
    raw.splice(place..place + remove, insert.iter().copied());
    raw[2] = (raw.len() - 3) as u8;
    raw
}

#[test]
fn a_second_spelling_of_the_same_transaction_is_refused() {
    let network: Network = chain(31_337).into();
    let raw = signed(|_| {});
    // After the chain id (0x82 0x7a 0x69) stands the nonce, 7.
    assert_eq!(raw[3..7], [0x82, 0x7a, 0x69, 0x07]);
    for (what, bytes) in [
        (
            "a nonce with a leading zero",
            respelled(6, 1, &[0x82, 0x00, 0x07]),
        ),
        (
            "a nonce as a string of one byte",
            respelled(6, 1, &[0x81, 0x07]),
        ),
        (
            "a chain id with a leading zero",
            respelled(3, 3, &[0x83, 0x00, 0x7a, 0x69]),
        ),
        ("a field after the last", respelled(raw.len(), 0, &[0x80])),
        (
            "a list in place of the nonce",
            respelled(6, 1, &[0xc1, 0x07]),
        ),
    ] {
        assert!(decode(network, &bytes, &[]).is_err(), "{what}");
    }
    let mut longer = raw.clone();
    longer.push(0);
    assert_eq!(
        decode(network, &longer, &[]),
        Err(DecodeError::TrailingBytes(1))
    );
    // The length of the list in two bytes where one would do.
    let mut padded = raw.clone();
    padded.splice(1..2, [0xf9, 0x00]);
    assert!(decode(network, &padded, &[]).is_err());
    for length in 0..raw.len() {
        assert!(decode(network, &raw[..length], &[]).is_err());
    }
    assert!(matches!(
        decode(network, &[2; 2_000], &[]),
        Err(DecodeError::TooLong { .. })
    ));
}

#[test]
fn the_unsigned_form_has_the_same_effects_and_digest() {
    let (plan, _) = evm_example();
    let bytes = plan.unsigned_bytes().unwrap();
    let (mut effects, digest) = unsigned_evm_effects(&bytes).unwrap();
    assert_eq!(effects.account, None);
    effects.account = Some(plan.account());
    let plan = Plan::Evm(plan);
    assert_eq!(effects, plan.effects());
    assert_eq!(digest, plan.signing_requests().unwrap()[0].digest);
    let mut longer = bytes.clone();
    longer.push(0x80);
    assert_eq!(
        unsigned_evm_effects(&longer),
        Err(DecodeError::TrailingBytes(1))
    );
    let signed = signed(|_| {});
    assert_eq!(
        unsigned_evm_effects(&signed),
        Err(DecodeError::Fields {
            found: 12,
            expected: 9
        })
    );
    assert_eq!(
        decode(plan.network(), &bytes, &[]),
        Err(DecodeError::Fields {
            found: 9,
            expected: 12
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_flipped_bit_is_refused_or_is_anothers_transaction(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (plan, key) = evm_example();
        let plan = Plan::Evm(plan);
        let mut bytes = assemble(&plan, &[key]).bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(plan.accept(&bytes).is_err());
        if let Ok(effects) = decode(plan.network(), &bytes, &[]) {
            prop_assert_ne!(effects.account, plan.effects().account);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..300), typed in any::<bool>()) {
        if typed {
            bytes[0] = 2;
        }
        let _ = decode(chain(1).into(), &bytes, &[]);
        let _ = unsigned_evm_effects(&bytes);
    }
}
