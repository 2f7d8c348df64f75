//! What an export's files do is what its manifest says, or it is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fixture;

use bitcoin::EcdsaSighashType;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use custodyd_airgap::manifest::StatedEffects;
use custodyd_airgap::psbt::Place;
use custodyd_airgap::{Bundle, ExportError, PsbtError, RecomputeError, export_bundle, recompute};
use custodyd_chain::{Amount, Asset, DecodeError};
use fixture::*;
use proptest::prelude::*;

fn psbt_fault(bundle: &Bundle) -> PsbtError {
    match recompute(bundle) {
        Err(RecomputeError::Psbt { source, .. }) => source,
        other => panic!("not refused for its PSBT: {other:?}"),
    }
}

#[test]
fn the_recomputed_effects_and_digests_are_those_of_the_plans() {
    let recomputed = recompute(&export()).unwrap();
    for (recomputed, item) in recomputed.iter().zip([litecoin_item(), ethereum_item()]) {
        assert_eq!(recomputed.requests, item.plan.signing_requests().unwrap());
        assert_eq!(recomputed.effects.payments(), item.plan.payments());
        assert_eq!(recomputed.effects.fee(), item.plan.fee());
        assert_eq!(recomputed.spends().len(), recomputed.requests.len());
    }
    let StatedEffects::Coins(effects) = &recomputed[0].effects else {
        panic!("not coins")
    };
    assert_eq!(effects.change.len(), 1);
    assert_eq!(effects.change[0].public_key, public(1));
}

#[test]
fn a_psbt_holds_all_that_another_wallet_needs() {
    let psbt = Psbt::deserialize(&file_of(&export(), LTC)).unwrap();
    assert_eq!(psbt.version, 0);
    for input in &psbt.inputs {
        assert!(input.witness_utxo.is_some() && input.non_witness_utxo.is_some());
        assert_eq!(input.sighash_type, Some(EcdsaSighashType::All.into()));
        assert_eq!(input.bip32_derivation.len(), 1);
    }
    let change: usize = psbt
        .outputs
        .iter()
        .map(|output| output.bip32_derivation.len())
        .sum();
    assert_eq!(change, 1);
}

#[test]
fn a_manifest_that_says_something_else_than_its_files_is_refused() {
    let lie = |edit: fn(&mut custodyd_airgap::CoinEffects)| {
        with_manifest(&export(), |manifest| {
            let StatedEffects::Coins(effects) = &mut manifest.transactions[0].effects else {
                panic!("not coins")
            };
            edit(effects);
        })
        .unwrap()
    };
    for (what, bundle) in [
        (
            "payments",
            lie(|effects| effects.payments[0].amount = ltc("0.1")),
        ),
        (
            "payments",
            lie(|effects| effects.payments[0].to = effects.change[0].to.clone()),
        ),
        ("change outputs", lie(|effects| effects.change.clear())),
        ("fees", lie(|effects| effects.fee = ltc("0.00001"))),
        ("inputs or account", lie(|effects| effects.inputs.reverse())),
        (
            "keys",
            with_manifest(&export(), |m| m.transactions[0].keys.reverse()).unwrap(),
        ),
        (
            "keys",
            with_manifest(&export(), |m| m.transactions[0].keys[0].origin = None).unwrap(),
        ),
        (
            "inputs or account",
            with_manifest(&export(), |m| {
                m.transactions[1].keys[0].public_key = public(4)
            })
            .unwrap(),
        ),
    ] {
        let transaction = if bundle.manifest().transactions[1].keys[0].public_key == public(3) {
            LTC
        } else {
            ETH
        };
        let transaction = transaction.parse().unwrap();
        assert_eq!(
            recompute(&bundle),
            Err(RecomputeError::Differs { transaction, what })
        );
    }
}

#[test]
fn a_psbt_that_is_truncated_or_has_trailing_bytes_is_refused() {
    let whole = file_of(&export(), LTC);
    for length in [5, 6, 50, whole.len() - 1] {
        let fault = psbt_fault(&with_file(&export(), LTC, whole[..length].to_vec()));
        assert_eq!(fault, PsbtError::Truncated, "at {length}");
    }
    let fault = psbt_fault(&with_file(
        &export(),
        LTC,
        [whole.as_slice(), &[0]].concat(),
    ));
    assert_eq!(fault, PsbtError::TrailingBytes);
    assert_eq!(
        psbt_fault(&with_file(&export(), LTC, b"psbd\xff".to_vec())),
        PsbtError::Magic
    );
}

#[test]
fn a_psbt_with_a_key_twice_is_refused() {
    let whole = file_of(&export(), LTC);
    // The global map ends at its first zero after the transaction; its one entry is repeated in front of it.
    let length = usize::from(whole[7]);
    let entry = &whole[5..8 + length];
    let doubled = [&whole[..5], entry, entry, &whole[8 + length..]].concat();
    let fault = psbt_fault(&with_file(&export(), LTC, doubled));
    assert_eq!(
        fault,
        PsbtError::DuplicateKey {
            place: Place::Global,
            key: "00".into()
        }
    );
}

#[test]
fn a_previous_transaction_that_is_another_is_refused() {
    let fault = psbt_fault(&with_psbt(&export(), |psbt| {
        psbt.inputs[0].non_witness_utxo = Some(funding(1, 5))
    }));
    assert!(
        matches!(fault, PsbtError::PreviousTransaction { input: 0, .. }),
        "{fault}"
    );
}

#[test]
fn a_witness_utxo_that_disagrees_with_its_transaction_is_refused() {
    let fault = psbt_fault(&with_psbt(&export(), |psbt| {
        psbt.inputs[1].witness_utxo.as_mut().unwrap().value = bitcoin::Amount::from_sat(1);
    }));
    assert_eq!(fault, PsbtError::UtxosDisagree(1));
    for missing in [0, 1] {
        let fault = psbt_fault(&with_psbt(&export(), |psbt| match missing {
            0 => psbt.inputs[0].witness_utxo = None,
            _ => psbt.inputs[0].non_witness_utxo = None,
        }));
        assert!(
            matches!(
                fault,
                PsbtError::Missing {
                    place: Place::Input(0),
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn any_sighash_type_but_all_is_refused() {
    for kind in [0x00, 0x02, 0x03, 0x81, 0x82, 0x83, 0x0101] {
        let fault = psbt_fault(&with_psbt(&export(), |psbt| {
            psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        }));
        assert_eq!(
            fault,
            PsbtError::SighashType {
                input: 0,
                found: kind
            }
        );
    }
}

#[test]
fn outputs_that_were_changed_are_refused() {
    for (what, bundle) in [
        (
            "payments",
            with_psbt(&export(), |psbt| {
                psbt.unsigned_tx.output[1].value = bitcoin::Amount::from_sat(1_000_000)
            }),
        ),
        (
            "payments",
            with_psbt(&export(), |psbt| {
                psbt.unsigned_tx.output[1].script_pubkey = public(5).p2wpkh_script()
            }),
        ),
        (
            "change outputs",
            with_psbt(&export(), |psbt| {
                psbt.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(1_000_000)
            }),
        ),
    ] {
        let transaction = LTC.parse().unwrap();
        assert_eq!(
            recompute(&bundle),
            Err(RecomputeError::Differs { transaction, what })
        );
    }
}

#[test]
fn a_fee_that_was_changed_and_outputs_above_the_inputs_are_refused() {
    let pays_more = with_psbt(&export(), |psbt| {
        psbt.unsigned_tx.output[1].value = bitcoin::Amount::from_sat(900_000_000)
    });
    let fault = match recompute(&pays_more) {
        Err(RecomputeError::Decode { source, .. }) => *source,
        other => panic!("not refused for its outputs: {other:?}"),
    };
    assert!(
        matches!(fault, DecodeError::OutputsExceedInputs { .. }),
        "{fault}"
    );
}

#[test]
fn change_that_is_not_of_the_key_it_names_is_refused() {
    let fault = psbt_fault(&with_psbt(&export(), |psbt| {
        let origin = psbt.outputs[0].bip32_derivation.clone();
        psbt.outputs[1].bip32_derivation = origin;
    }));
    assert!(
        matches!(
            fault,
            PsbtError::NotOfKey {
                place: Place::Output(1),
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn dust_is_refused() {
    let mut item = litecoin_item();
    let custodyd_chain::Plan::Bitcoin(plan) = &mut item.plan else {
        panic!("not coins")
    };
    plan.payments[0].amount = Amount::from_u64(Asset::Ltc, 100).unwrap();
    plan.change.as_mut().unwrap().amount = ltc("2.9998");
    plan.fee = Amount::from_u64(Asset::Ltc, 19_900).unwrap();
    let result = export_bundle(
        "main".parse().unwrap(),
        export().manifest().export.clone(),
        0,
        journal_key(7),
        &[item],
    );
    assert!(
        matches!(
            result,
            Err(ExportError::Recompute(RecomputeError::Dust { .. }))
        ),
        "{result:?}"
    );
}

#[test]
fn an_ethereum_file_in_another_form_is_refused() {
    let whole = evm_plan().unsigned_bytes().unwrap();
    let line = |bytes: &[u8]| format!("{}\n", hex::encode(bytes)).into_bytes();
    let mut other = evm_plan();
    other.chain_id = custodyd_chain::EvmChainId::new(1).unwrap();
    other.payment.to = custodyd_chain::Address::from_public_key(other.chain_id.into(), &public(9));
    let foreign = with_file(&export(), ETH, line(&other.unsigned_bytes().unwrap()));
    assert!(matches!(
        recompute(&foreign),
        Err(RecomputeError::Network { .. })
    ));
    for (what, bytes) in [
        ("trailing RLP", [whole.as_slice(), &[0x80]].concat()),
        ("truncated", whole[..whole.len() - 1].to_vec()),
        ("unknown type", [&[0x03], &whole[1..]].concat()),
        ("empty", vec![]),
    ] {
        let result = recompute(&with_file(&export(), ETH, line(&bytes)));
        assert!(
            matches!(result, Err(RecomputeError::Decode { .. })),
            "{what} gave {result:?}"
        );
    }
    for (what, file) in [
        ("upper case", hex::encode_upper(&whole).into_bytes()),
        ("two lines", [line(&whole), line(&whole)].concat()),
        ("binary", whole.clone()),
    ] {
        let result = recompute(&with_file(&export(), ETH, file));
        assert_eq!(
            result,
            Err(RecomputeError::Hex(ETH.parse().unwrap())),
            "{what}"
        );
    }
    let mut later = evm_plan();
    later.nonce = 8;
    let later = recompute(&with_file(
        &export(),
        ETH,
        line(&later.unsigned_bytes().unwrap()),
    ));
    assert_eq!(
        later,
        Err(RecomputeError::Differs {
            transaction: ETH.parse().unwrap(),
            what: "inputs or account"
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One changed byte anywhere in a PSBT is refused, or is a change that signs nothing else.
    #[test]
    fn no_changed_byte_of_a_psbt_changes_what_is_signed(at: prop::sample::Index, flip in 1_u8..) {
        let original = export();
        let mut bytes = file_of(&original, LTC);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(recomputed) = recompute(&with_file(&original, LTC, bytes)) {
            // Lock time is in the digest and in no effect; an input script of a previous transaction is in neither.
            prop_assert_eq!(&recomputed[0].effects, &recompute(&original).unwrap()[0].effects);
        }
    }

    #[test]
    fn any_bytes_as_a_file_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(recompute(&with_file(&export(), LTC, bytes.clone())).is_err());
        prop_assert!(recompute(&with_file(&export(), ETH, bytes.clone())).is_err());
        let headed = [b"psbt\xff".as_slice(), &bytes].concat();
        prop_assert!(recompute(&with_file(&export(), LTC, headed)).is_err());
    }
}
