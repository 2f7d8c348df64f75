//! Bitcoin-family plans: from coins to verified bytes, and signatures that are not theirs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize;
use custodyd_chain::{
    Address, Amount, AssembleError, BitcoinNetwork, BitcoinPlan, FeeCaps, Network, Plan, PlanFault,
    RawTransaction, ScriptBuf, SignatureError, decode,
};
use proptest::prelude::*;
use signer::{
    LTC, assemble, bitcoin_example, coin, key, no_caps, payment, select, sign_plan, wallet,
};

/// Every output type that can be paid, as scripts.
const DESTINATIONS: [&str; 5] = [
    "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac",
    "a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487",
    "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
];

#[test]
fn every_destination_type_is_paid_and_read_back_on_every_network() {
    for network in BitcoinNetwork::ALL {
        let payments: Vec<_> = DESTINATIONS
            .iter()
            .map(|script| {
                let script = ScriptBuf::from_hex(script).unwrap();
                payment(
                    &Address::from_script(network.into(), &script).unwrap(),
                    50_000,
                )
            })
            .collect();
        let plan = select(
            network,
            &[coin(network, 1, 900_000, &key(1))],
            &payments,
            &wallet(network, 1),
        );
        let plan = Plan::Bitcoin(plan);
        let raw = assemble(&plan, &[key(1)]);
        let Plan::Bitcoin(inner) = &plan else {
            panic!()
        };
        let effects = decode(network.into(), raw.bytes(), &inner.inputs).unwrap();
        assert_eq!(effects, plan.effects());
        assert_eq!(effects.payments.len(), 6);
        assert_eq!(raw.network(), Network::Bitcoin(network));
        let tx: Transaction = deserialize(raw.bytes()).unwrap();
        assert_eq!(raw.txid(), tx.compute_txid().to_string());
    }
}

#[test]
fn outputs_and_inputs_are_in_bip_69_order_and_replaceable() {
    let (plan, _) = bitcoin_example();
    let tx = plan.unsigned_tx().unwrap();
    let keys: Vec<_> = tx
        .output
        .iter()
        .map(|o| (o.value, o.script_pubkey.clone()))
        .collect();
    assert!(keys.is_sorted());
    // Display order of ids, as BIP-69 wants it.
    let ids: Vec<_> = tx
        .input
        .iter()
        .map(|i| i.previous_output.to_string())
        .collect();
    assert!(ids.is_sorted());
    assert!(tx.input.iter().all(|input| input.sequence.is_rbf()));
    assert_eq!(tx.version.0, 2);
}

#[test]
fn a_signature_by_another_key_or_for_another_input_is_refused_and_named() {
    let (plan, keys) = bitcoin_example();
    let plan = Plan::Bitcoin(plan);
    let signatures = sign_plan(&plan, &keys);
    let requests = plan.signing_requests().unwrap();

    let mut swapped = signatures.clone();
    swapped.swap(0, 1);
    let refused = plan.assemble(&swapped).unwrap_err();
    let SignatureError::Invalid { key: named, .. } = (match &refused {
        AssembleError::Signature { index: 0, source } => source.clone(),
        other => panic!("{other}"),
    }) else {
        panic!("{refused}")
    };
    assert_eq!(named, requests[0].public_key);

    let mut foreign = signatures.clone();
    foreign[1] = signer::sign(&key(7), &requests[1].digest);
    assert!(matches!(
        plan.assemble(&foreign),
        Err(AssembleError::Signature { index: 1, .. })
    ));
    assert_eq!(
        plan.assemble(&signatures[1..]),
        Err(AssembleError::SignatureCount {
            expected: signatures.len(),
            given: signatures.len() - 1
        })
    );
}

#[test]
fn a_valid_signature_of_another_plan_is_no_signature_of_this_one() {
    let (plan, keys) = bitcoin_example();
    let mut other = plan.clone();
    let change = other.change.as_mut().unwrap();
    let amount = |units| Amount::from_u64(LTC.params().asset, units).unwrap();
    change.amount = change.amount.checked_sub(&amount(1_000)).unwrap();
    other.fee = other.fee.checked_add(&amount(1_000)).unwrap();
    let raw = assemble(&Plan::Bitcoin(other), &keys);
    let refused = Plan::Bitcoin(plan).accept(raw.bytes());
    assert!(matches!(refused, Err(AssembleError::EffectsDiffer { .. })));

    let (plan, keys) = bitcoin_example();
    let later = BitcoinPlan {
        lock_time: 500,
        ..plan.clone()
    };
    let raw = assemble(&Plan::Bitcoin(later), &keys);
    assert_eq!(
        Plan::Bitcoin(plan).accept(raw.bytes()),
        Err(AssembleError::Differs("lock time"))
    );
}

#[test]
fn a_plan_passes_only_against_what_was_approved() {
    let (plan, _) = bitcoin_example();
    let caps = no_caps(LTC.params().asset);
    let (ours, theirs) = (wallet(LTC, 1), wallet(LTC, 9));
    let approved = [payment(&theirs, 650_000)];
    let check = |plan: &BitcoinPlan, caps: &FeeCaps| {
        Plan::Bitcoin(plan.clone()).check(&approved, std::slice::from_ref(&ours), caps)
    };
    assert_eq!(check(&plan, &caps), Ok(()));

    let fault = |change: &dyn Fn(&mut BitcoinPlan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        check(&changed, &caps).unwrap_err()
    };
    let one = Amount::from_u64(LTC.params().asset, 1).unwrap();
    assert!(matches!(
        fault(&|p| p.payments[0].to = wallet(LTC, 8)),
        PlanFault::Payments { .. }
    ));
    assert!(matches!(
        fault(&|p| p.payments[0].amount = one),
        PlanFault::Payments { .. }
    ));
    assert!(matches!(
        fault(&|p| p.payments.push(payment(&theirs, 5_000))),
        PlanFault::Payments { .. }
    ));
    assert!(matches!(
        fault(&|p| p.change.as_mut().unwrap().to = theirs.clone()),
        PlanFault::ForeignChange(_)
    ));
    assert!(matches!(
        fault(&|p| p.change = None),
        PlanFault::NotConserved { .. }
    ));
    assert!(matches!(
        fault(&|p| p.fee = p.fee.checked_add(&one).unwrap()),
        PlanFault::NotConserved { .. }
    ));
    assert!(matches!(
        fault(&|p| p.inputs.push(p.inputs[0].clone())),
        PlanFault::DuplicateInput(_)
    ));
    assert!(matches!(
        fault(&|p| p.inputs.clear()),
        PlanFault::Empty("inputs")
    ));
    assert!(matches!(
        fault(&|p| p.change.as_mut().unwrap().amount = one),
        PlanFault::Dust { .. }
    ));
    assert!(matches!(
        fault(&|p| p.network = BitcoinNetwork::Litecoin),
        PlanFault::Network { .. }
    ));

    let less = plan.fee.checked_sub(&one).unwrap();
    let capped = check(
        &plan,
        &FeeCaps {
            absolute: less,
            ..caps
        },
    );
    assert!(matches!(capped, Err(PlanFault::Fee(_))));
    let capped = check(
        &plan,
        &FeeCaps {
            relative_bp: 1,
            ..caps
        },
    );
    assert!(matches!(capped, Err(PlanFault::Fee(_))));
}

#[test]
fn a_stored_transaction_is_replayed_only_under_its_own_id() {
    let (plan, keys) = bitcoin_example();
    let raw = assemble(&Plan::Bitcoin(plan.clone()), &keys);
    let json = serde_json::to_string(&raw).unwrap();
    assert_eq!(serde_json::from_str::<RawTransaction>(&json).unwrap(), raw);
    let other = json.replace(raw.txid(), &"0".repeat(64));
    assert!(serde_json::from_str::<RawTransaction>(&other).is_err());
    let plan = Plan::Bitcoin(plan);
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_decoded_is_what_was_planned(values in prop::collection::vec(10_000_u64..10_000_000, 1..12), share in 1_u64..100, rate in 1_000_u64..200_000) {
        let keys: Vec<_> = (1..=3).map(key).collect();
        let coins: Vec<_> = values.iter().enumerate()
            .map(|(i, value)| coin(LTC, i as u32, *value, &keys[i % 3])).collect();
        let amount = (values.iter().sum::<u64>() * share / 100).max(6_000);
        let caps = no_caps(LTC.params().asset);
        let payments = [payment(&wallet(LTC, 9), amount)];
        if let Ok(plan) = BitcoinPlan::select(LTC, &coins, &payments, &wallet(LTC, 1), rate, &caps) {
            let plan = Plan::Bitcoin(plan);
            plan.check(&payments, &[wallet(LTC, 1)], &caps).unwrap();
            let raw = assemble(&plan, &keys);
            prop_assert_eq!(decode(LTC.into(), raw.bytes(), &coins).unwrap(), plan.effects());
        }
    }
}
