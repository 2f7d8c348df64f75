//! EVM plans: against another implementation's vectors, and what they refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use custodyd_chain::{
    Address, Amount, AssembleError, Asset, DecodeError, Digest, EvmChainId, EvmPlan, FeeAboveCap,
    FeeCaps, Payment, Plan, PlanFault, RawTransaction, Signature, SignatureError, decode,
};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;
use serde_json::Value;
use signer::{assemble, chain, evm_example, key, no_caps, pay, public, sign, sign_plan, wei};

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
fn a_high_s_is_refused_in_bytes_and_lowered_from_an_hsm() {
    let (plan, key) = evm_example();
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

    let (plan, key) = evm_example();
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
    let (plan, _) = evm_example();
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
    let (plan, key) = evm_example();
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
    let raw = assemble(&Plan::Evm(evm_example().0), &[key]);
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
}
