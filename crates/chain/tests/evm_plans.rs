//! EVM plans: against another implementation's vectors, and everything that must not get through.
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
    Address, Amount, AssembleError, Asset, DecodeError, Digest, EvmChainId, EvmPlan, FeeAboveCap,
    FeeCaps, Network, Payment, Plan, PlanFault, RawTransaction, Signature, SignatureError, U256,
    decode, unsigned_evm_effects,
};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;
use serde_json::Value;
use signer::{assemble, key, no_caps, public, sign, sign_plan};

fn chain(id: u64) -> EvmChainId {
    EvmChainId::new(id).unwrap()
}

fn wei(units: u128) -> Amount {
    Amount::from_units(Asset::Eth, U256::from(units)).unwrap()
}

fn pay(id: u64, units: u128) -> Payment {
    let to = Address::parse(
        chain(id).into(),
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    )
    .unwrap();
    Payment {
        to,
        amount: wei(units),
    }
}

fn example() -> (EvmPlan, SigningKey) {
    let key = key(3);
    let caps = no_caps(Asset::Eth);
    let plan = EvmPlan::new(
        chain(31_337),
        public(&key),
        7,
        pay(31_337, 10_u128.pow(18)),
        10_u128.pow(9),
        5,
        &caps,
    );
    (plan.unwrap(), key)
}

#[test]
fn plans_give_the_bytes_of_another_implementation() {
    let file: Value = serde_json::from_str(include_str!("vectors/eip1559.json")).unwrap();
    let key = SigningKey::from_slice(&hex::decode(file["private_key"].as_str().unwrap()).unwrap())
        .unwrap();
    let transfers = file["transfers"].as_array().unwrap();
    assert_eq!(transfers.len(), 4);
    for transfer in transfers {
        let id = chain(transfer["chain_id"].as_u64().unwrap());
        let text = |name: &str| transfer[name].as_str().unwrap();
        let to = Address::parse(id.into(), text("to")).unwrap();
        let plan = EvmPlan {
            chain_id: id,
            from: public(&key),
            nonce: transfer["nonce"].as_u64().unwrap(),
            payment: Payment {
                to,
                amount: wei(text("value").parse().unwrap()),
            },
            gas_limit: transfer["gas_limit"].as_u64().unwrap(),
            max_fee_per_gas: text("max_fee_per_gas").parse().unwrap(),
            max_priority_fee_per_gas: text("max_priority_fee_per_gas").parse().unwrap(),
        };
        assert_eq!(plan.account().as_str(), file["account"].as_str().unwrap());
        let plan = Plan::Evm(plan);
        assert_eq!(
            plan.signing_requests().unwrap()[0].digest.to_string(),
            text("signing_hash")
        );
        let raw = assemble(&plan, std::slice::from_ref(&key));
        assert_eq!(raw.to_hex(), text("raw"));
        assert_eq!(raw.txid(), format!("0x{}", text("hash")));
        assert_eq!(decode(id.into(), raw.bytes(), &[]).unwrap(), plan.effects());
    }
}

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
    let (plan, key) = example();
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
    let (plan, _) = example();
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
fn a_high_s_is_refused_in_bytes_and_lowered_from_an_hsm() {
    let (plan, key) = example();
    let plan = Plan::Evm(plan);
    let low = sign_plan(&plan, std::slice::from_ref(&key))[0];
    let scalars = k256::ecdsa::Signature::from_slice(&low.to_bytes()).unwrap();
    let (r, s) = scalars.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes())
        .unwrap()
        .to_bytes();
    assert_eq!(Signature::from_hsm(&high), Ok(low));
    assert_eq!(
        hex::encode(high).parse::<Signature>(),
        Err(SignatureError::HighS)
    );

    let mut raw = assemble(&plan, &[key]).bytes().to_vec();
    let start = raw
        .windows(32)
        .position(|w| w == &low.to_bytes()[32..])
        .unwrap();
    raw[start..start + 32].copy_from_slice(&high[32..]);
    assert_eq!(
        plan.accept(&raw),
        Err(DecodeError::Signature(SignatureError::HighS).into())
    );
}

#[test]
fn signatures_that_are_none_are_refused() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let one = format!("{:064x}", 1);
    let zero = "0".repeat(64);
    for (r, s) in [
        (&zero, &one),
        (&one, &zero),
        (&order.to_owned(), &one),
        (&one, &order.to_owned()),
    ] {
        let bytes = hex::decode(format!("{r}{s}")).unwrap();
        assert_eq!(Signature::from_hsm(&bytes), Err(SignatureError::Scalar));
    }
    assert_eq!(
        Signature::from_hsm(&[1; 63]),
        Err(SignatureError::Length(63))
    );

    let (plan, key) = example();
    let plan = Plan::Evm(plan);
    let digest = plan.signing_requests().unwrap()[0].digest;
    let foreign = sign(&signer::key(4), &digest);
    assert!(matches!(
        plan.assemble(&[foreign]),
        Err(AssembleError::Signature { index: 0, .. })
    ));
    let other = sign(&key, &Digest::from_bytes([9; 32]));
    assert!(matches!(
        plan.assemble(&[other]),
        Err(AssembleError::Signature { index: 0, .. })
    ));
    assert_eq!(
        plan.assemble(&[]),
        Err(AssembleError::SignatureCount {
            expected: 1,
            given: 0
        })
    );
}

#[test]
fn the_unsigned_form_has_the_same_effects_and_digest() {
    let (plan, _) = example();
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

#[test]
fn new_plans_are_refused_for_what_they_could_cost_or_cannot_be() {
    let from = public(&key(3));
    let new = |payment: Payment, base, tip, caps: &FeeCaps| {
        EvmPlan::new(chain(31_337), from, 0, payment, base, tip, caps)
    };
    let none = no_caps(Asset::Eth);
    let plan = new(pay(31_337, 10_u128.pow(18)), 100, 7, &none).unwrap();
    assert_eq!(
        (plan.max_fee_per_gas, plan.max_priority_fee_per_gas),
        (207, 7)
    );
    assert_eq!(Plan::Evm(plan).fee(), wei(207 * 21_000));

    let exact = FeeCaps {
        absolute: wei(207 * 21_000),
        relative_bp: 10_000,
    };
    assert!(new(pay(31_337, 10_u128.pow(18)), 100, 7, &exact).is_ok());
    let less = FeeCaps {
        absolute: wei(207 * 21_000 - 1),
        ..exact
    };
    assert!(matches!(
        new(pay(31_337, 10_u128.pow(18)), 100, 7, &less),
        Err(PlanFault::Fee(FeeAboveCap::Absolute { .. }))
    ));
    assert!(matches!(
        new(pay(31_337, 207 * 21_000 - 1), 100, 7, &exact),
        Err(PlanFault::Fee(FeeAboveCap::Relative { .. }))
    ));
    assert!(matches!(
        new(pay(31_337, 0), 100, 7, &none),
        Err(PlanFault::Dust { .. })
    ));
    assert!(matches!(
        new(pay(1, 1), 100, 7, &none),
        Err(PlanFault::Network { .. })
    ));
    assert!(matches!(
        new(pay(31_337, 1), u128::MAX, 7, &none),
        Err(PlanFault::FeeQuote { .. })
    ));
    assert!(matches!(
        new(pay(31_337, 1), 1 << 120, 7, &exact),
        Err(PlanFault::Fee(_))
    ));
    let btc = Payment {
        amount: Amount::parse(Asset::Btc, "1").unwrap(),
        ..pay(31_337, 1)
    };
    assert!(matches!(
        new(btc, 100, 7, &none),
        Err(PlanFault::Network { .. })
    ));
}

#[test]
fn a_plan_passes_only_against_what_was_approved() {
    let (plan, _) = example();
    let approved = [plan.payment.clone()];
    let caps = no_caps(Asset::Eth);
    let check = |plan: EvmPlan| Plan::Evm(plan).check(&approved, &[], &caps);
    assert_eq!(check(plan.clone()), Ok(()));
    let more = EvmPlan {
        payment: pay(31_337, 10_u128.pow(18) + 1),
        ..plan.clone()
    };
    assert!(matches!(check(more), Err(PlanFault::Payments { .. })));
    assert_eq!(
        check(EvmPlan {
            gas_limit: 21_001,
            ..plan.clone()
        }),
        Err(PlanFault::GasLimit(21_001))
    );
    assert_eq!(
        check(EvmPlan {
            nonce: u64::MAX,
            ..plan.clone()
        }),
        Err(PlanFault::Nonce(u64::MAX))
    );
    let tip = EvmPlan {
        max_priority_fee_per_gas: plan.max_fee_per_gas + 1,
        ..plan.clone()
    };
    assert!(matches!(check(tip), Err(PlanFault::PriorityFee { .. })));
}

#[test]
fn json_keeps_every_digit() {
    let (plan, key) = example();
    let plan = EvmPlan {
        max_fee_per_gas: u128::MAX,
        ..plan
    };
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        json["max_fee_per_gas"],
        "340282366920938463463374607431768211455"
    );
    assert_eq!(json["chain_id"], "eip155:31337");
    assert_eq!(
        serde_json::from_value::<EvmPlan>(json.clone()).unwrap(),
        plan
    );
    for bad in [
        "01",
        "+1",
        "",
        "-1",
        "1e3",
        "340282366920938463463374607431768211456",
    ] {
        let mut json = json.clone();
        json["max_fee_per_gas"] = bad.into();
        assert!(serde_json::from_value::<EvmPlan>(json).is_err(), "{bad}");
    }
    let raw = assemble(&Plan::Evm(example().0), &[key]);
    let json = serde_json::to_string(&raw).unwrap();
    assert_eq!(serde_json::from_str::<RawTransaction>(&json).unwrap(), raw);
    assert!(serde_json::from_str::<RawTransaction>(&json.replace("0x", "0x0")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_decoded_is_what_was_planned(
        seed in 1_u8..255, id in 1_u64..EvmChainId::MAX, nonce in 0..u64::MAX,
        units in 1_u128..1 << 100, base in 0_u128..1 << 90, tip in 0_u128..1 << 90,
    ) {
        let key = key(seed);
        let plan = EvmPlan::new(chain(id), public(&key), nonce, pay(id, units), base, tip, &no_caps(Asset::Eth));
        // A cap of 2^32 basis points still bounds the fee of the smallest payments.
        if let Ok(plan) = plan {
            let plan = Plan::Evm(plan);
            let raw = assemble(&plan, &[key]);
            prop_assert_eq!(decode(plan.network(), raw.bytes(), &[]).unwrap(), plan.effects());
        }
    }

    #[test]
    fn any_flipped_bit_is_refused_or_is_anothers_transaction(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (plan, key) = example();
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
