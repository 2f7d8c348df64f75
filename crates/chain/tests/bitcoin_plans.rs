//! Bitcoin-family plans: from coins to verified bytes, and everything that must not get through.
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
    Address, Amount, AssembleError, BitcoinNetwork, BitcoinPlan, Coin, DecodeError, FeeCaps,
    Network, Payment, Plan, PlanFault, RawTransaction, ScriptBuf, SignatureError, decode,
    unsigned_bitcoin_effects,
};
use k256::ecdsa::SigningKey;
use proptest::prelude::*;
use signer::{assemble, coin, key, no_caps, payment, sign_plan, wallet};

const LTC: BitcoinNetwork = BitcoinNetwork::LitecoinRegtest;

fn select(
    network: BitcoinNetwork,
    coins: &[Coin],
    payments: &[Payment],
    change: &Address,
) -> BitcoinPlan {
    let caps = no_caps(network.params().asset);
    BitcoinPlan::select(network, coins, payments, change, 10_000, &caps).unwrap()
}

/// Three coins of two keys; pays one foreign address and gets change.
fn example() -> (BitcoinPlan, [SigningKey; 2]) {
    let keys = [key(1), key(2)];
    let coins = [
        coin(LTC, 1, 400_000, &keys[0]),
        coin(LTC, 2, 300_000, &keys[1]),
        coin(LTC, 3, 200_000, &keys[0]),
    ];
    let plan = select(
        LTC,
        &coins,
        &[payment(&wallet(LTC, 9), 650_000)],
        &wallet(LTC, 1),
    );
    assert!(plan.inputs.len() > 1 && plan.change.is_some());
    (plan, keys)
}

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
    let (plan, _) = example();
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
fn the_unsigned_form_has_the_same_effects_and_digests() {
    let (plan, _) = example();
    let bytes = serialize(&plan.unsigned_tx().unwrap());
    let (effects, digests) = unsigned_bitcoin_effects(LTC, &bytes, &plan.inputs).unwrap();
    assert_eq!(effects, plan.effects());
    let requests = Plan::Bitcoin(plan).signing_requests().unwrap();
    assert_eq!(
        digests,
        requests.iter().map(|r| r.digest).collect::<Vec<_>>()
    );
}

#[test]
fn a_signature_by_another_key_or_for_another_input_is_refused_and_named() {
    let (plan, keys) = example();
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

/// A signed example, changed by `change`, put before the plan again.
fn accept_changed(change: impl FnOnce(&mut Transaction)) -> AssembleError {
    let (plan, keys) = example();
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
fn a_valid_signature_of_another_plan_is_no_signature_of_this_one() {
    let (plan, keys) = example();
    let mut other = plan.clone();
    let change = other.change.as_mut().unwrap();
    let amount = |units| Amount::from_u64(LTC.params().asset, units).unwrap();
    change.amount = change.amount.checked_sub(&amount(1_000)).unwrap();
    other.fee = other.fee.checked_add(&amount(1_000)).unwrap();
    let raw = assemble(&Plan::Bitcoin(other), &keys);
    let refused = Plan::Bitcoin(plan).accept(raw.bytes());
    assert!(matches!(refused, Err(AssembleError::EffectsDiffer { .. })));

    let (plan, keys) = example();
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
fn bytes_cut_short_or_run_on_are_refused() {
    let (plan, keys) = example();
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

#[test]
fn a_plan_passes_only_against_what_was_approved() {
    let (plan, _) = example();
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
    let (plan, keys) = example();
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

    #[test]
    fn any_flipped_bit_is_refused(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (plan, keys) = example();
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
