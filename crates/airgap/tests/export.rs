//! An export is whole, says what it does, and is by the vault that it names; or it is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fixture;

use bitcoin::EcdsaSighashType;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use custodyd_airgap::manifest::StatedEffects;
use custodyd_airgap::psbt::Place;
use custodyd_airgap::{
    Bundle, BundleError, ExportError, JournalKeyError, PsbtError, RecomputeError, export_bundle,
    recompute,
};
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
fn an_export_reads_back_from_its_folder_and_from_its_tar() {
    let bundle = export();
    assert_eq!(Bundle::from_files(files(&bundle)).unwrap(), bundle);
    assert_eq!(Bundle::from_tar(&bundle.to_tar()).unwrap(), bundle);
    assert_eq!(
        bundle.to_tar(),
        export().to_tar(),
        "the same export is the same bytes"
    );
    assert_eq!(bundle.verify(&journal_key(7)), Ok(()));
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
fn a_bundle_of_another_vault_is_refused() {
    let verdict = export().verify(&journal_key(8));
    assert!(
        matches!(verdict, Err(JournalKeyError::AnotherKey { .. })),
        "{verdict:?}"
    );
    let claims =
        with_manifest(&export(), |manifest| manifest.journal_key = journal_key(8)).unwrap();
    assert_eq!(
        claims.verify(&journal_key(8)),
        Err(JournalKeyError::Signature(journal_key(8)))
    );
    let unsigned = export_bundle(
        "main".parse().unwrap(),
        export().manifest().export.clone(),
        0,
        journal_key(7),
        &[ethereum_item()],
    );
    assert_eq!(
        unsigned.unwrap().signed([1; 64]),
        Err(JournalKeyError::Signature(journal_key(7)))
    );
}

#[test]
fn a_file_that_is_missing_unknown_or_damaged_is_refused() {
    let whole = files(&export());
    for name in whole.keys() {
        let mut files = whole.clone();
        files.remove(name);
        assert_eq!(
            Bundle::from_files(files),
            Err(BundleError::Missing(name.parse().unwrap()))
        );
    }
    let mut files = whole.clone();
    files.insert("extra".into(), vec![]);
    assert_eq!(
        Bundle::from_files(files),
        Err(BundleError::Unknown("extra".parse().unwrap()))
    );
    let mut files = whole.clone();
    files.get_mut(&format!("{LTC}.psbt")).unwrap()[100] ^= 1;
    assert!(matches!(
        Bundle::from_files(files),
        Err(BundleError::Checksum { .. })
    ));
}

#[test]
fn a_manifest_with_a_path_a_second_spelling_or_an_unknown_field_is_refused() {
    let whole = files(&export());
    let text = String::from_utf8(whole["manifest.json"].clone()).unwrap();
    for (what, edited) in [
        (
            "a path",
            text.replace(&format!("\"{LTC}.psbt\""), "\"../manifest.json\""),
        ),
        ("an unknown field", text.replacen("{", "{\"a\":1,", 1)),
        (
            "a duplicate key",
            text.replacen("{", "{\"created_at\":1790000000000,", 1),
        ),
        ("spaces", text.replacen(":", ": ", 1)),
        ("trailing bytes", format!("{text}\n{{}}")),
        (
            "another domain",
            text.replace("cold-export/v1", "cold-export/v2"),
        ),
        ("truncation", text[..text.len() / 2].to_owned()),
        ("nesting", "[".repeat(100_000)),
        ("nothing", String::new()),
    ] {
        assert_ne!(edited, text, "{what}");
        let mut files = whole.clone();
        files.insert("manifest.json".into(), edited.into_bytes());
        let result = Bundle::from_files(files);
        assert!(
            matches!(
                result,
                Err(BundleError::Malformed { .. } | BundleError::NotCanonical(_))
            ),
            "{what} gave {result:?}"
        );
    }
}

#[test]
fn entries_that_repeat_or_name_each_other_s_files_are_refused() {
    let twice = with_manifest(&export(), |m| {
        m.transactions.push(m.transactions[0].clone())
    });
    assert_eq!(twice, Err(BundleError::Duplicate(LTC.parse().unwrap())));
    let swapped = with_manifest(&export(), |m| {
        m.transactions[0].file = m.transactions[1].file.clone()
    });
    assert!(
        matches!(swapped, Err(BundleError::FileOf { .. })),
        "{swapped:?}"
    );
    let none = with_manifest(&export(), |m| m.transactions.clear());
    assert_eq!(none, Err(BundleError::Count(0)));
    let late = with_manifest(&export(), |m| m.created_at = u64::MAX);
    assert!(
        matches!(
            late,
            Err(BundleError::NotCanonical(_)
                | BundleError::Integer(_)
                | BundleError::Malformed { .. })
        ),
        "{late:?}"
    );
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
fn an_export_without_previous_transactions_or_with_foreign_change_is_refused() {
    let build = |item| {
        export_bundle(
            "main".parse().unwrap(),
            export().manifest().export.clone(),
            0,
            journal_key(7),
            &[item],
        )
    };
    let mut item = litecoin_item();
    item.previous.clear();
    assert!(matches!(build(item), Err(ExportError::PreviousMissing(_))));
    let mut item = litecoin_item();
    let custodyd_chain::Plan::Bitcoin(plan) = &mut item.plan else {
        panic!("not coins")
    };
    plan.change.as_mut().unwrap().to = plan.payments[0].to.clone();
    assert!(matches!(
        build(item.clone()),
        Err(ExportError::ForeignChange(_))
    ));
    item.keys = vec![public(9)];
    assert!(build(item).is_ok());
}

#[test]
fn two_transactions_that_spend_the_same_are_refused() {
    let mut second = litecoin_item();
    second.transaction = "tx_000000000000000000000000000000a3".parse().unwrap();
    let result = export_bundle(
        "main".parse().unwrap(),
        export().manifest().export.clone(),
        0,
        journal_key(7),
        &[litecoin_item(), second],
    );
    assert!(
        matches!(
            result,
            Err(ExportError::Recompute(RecomputeError::SpentTwice { .. }))
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
