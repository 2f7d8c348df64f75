//! Import takes a signature for each exported transaction, over exactly what left, and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fixture;

use bitcoin::psbt::Psbt;
use bitcoin::{EcdsaSighashType, Sequence, Witness, ecdsa};
use custodyd_airgap::psbt::Place;
use custodyd_airgap::{
    Bundle, BundleError, ImportError, PsbtError, ReturnBundle, import, recompute,
};
use fixture::*;

/// A way to spoil a PSBT.
type Edit = fn(&mut Psbt);

fn psbt_file() -> String {
    format!("{LTC}.psbt")
}

/// The fault of a return whose PSBT was edited.
fn edited(edit: impl FnOnce(&mut Psbt)) -> Result<(), ImportError> {
    let export = export();
    let mut psbt = Psbt::deserialize(&returned_file(&answer(&export), &psbt_file())).unwrap();
    edit(&mut psbt);
    import(&export, &gathered(&export, &psbt_file(), psbt.serialize())).map(drop)
}

fn psbt_fault(result: Result<(), ImportError>) -> PsbtError {
    match result {
        Err(ImportError::Psbt { source, .. }) => source,
        other => panic!("not refused for its PSBT: {other:?}"),
    }
}

#[test]
fn a_return_gives_signatures_that_assemble() {
    let export = export();
    let returned = ReturnBundle::from_tar(&answer(&export).to_tar()).unwrap();
    assert_eq!(
        returned,
        ReturnBundle::from_files(
            answer(&export)
                .files()
                .into_iter()
                .map(|(n, b)| (n.to_string(), b))
        )
        .unwrap()
    );
    let signed = import(&export, &returned).unwrap();
    for ((transaction, signatures), item) in signed.iter().zip([litecoin_item(), ethereum_item()]) {
        assert_eq!(*transaction, item.transaction);
        let raw = item.plan.assemble(signatures).unwrap();
        assert_eq!(raw.network(), item.plan.network());
    }
}

#[test]
fn a_finalized_psbt_is_taken_too() {
    let finalize = |psbt: &mut Psbt, drop_origin: bool| {
        for input in &mut psbt.inputs {
            let (key, signature) = input.partial_sigs.pop_first().unwrap();
            input.final_script_witness = Some(Witness::p2wpkh(&signature, &key.inner));
            if drop_origin {
                input.sighash_type = None;
                input.bip32_derivation.clear();
            }
        }
    };
    for drop_origin in [false, true] {
        assert_eq!(edited(|psbt| finalize(psbt, drop_origin)), Ok(()));
    }
    let fault = psbt_fault(edited(|psbt| {
        finalize(psbt, true);
        psbt.inputs[0].witness_utxo = None;
    }));
    assert!(
        matches!(
            fault,
            PsbtError::Changed {
                place: Place::Input(0),
                ..
            }
        ),
        "{fault}"
    );
    let fault = psbt_fault(edited(|psbt| {
        finalize(psbt, false);
        psbt.inputs[0].final_script_witness = Some(Witness::from_slice(&[vec![0; 71]]));
    }));
    assert!(
        matches!(fault, PsbtError::Signature { input: 0, .. }),
        "{fault}"
    );
}

#[test]
fn a_psbt_of_which_anything_else_changed_is_refused() {
    let changes: [(&str, Edit); 9] = [
        ("an output", |psbt| {
            psbt.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(7)
        }),
        ("a destination", |psbt| {
            psbt.unsigned_tx.output[1].script_pubkey = public(5).p2wpkh_script()
        }),
        ("a sequence", |psbt| {
            psbt.unsigned_tx.input[0].sequence = Sequence::MAX
        }),
        ("the lock time", |psbt| {
            psbt.unsigned_tx.lock_time = bitcoin::absolute::LockTime::from_consensus(9)
        }),
        ("a coin", |psbt| {
            psbt.inputs[0].witness_utxo.as_mut().unwrap().value = bitcoin::Amount::from_sat(7)
        }),
        ("a sighash type", |psbt| {
            psbt.inputs[0].sighash_type = Some(EcdsaSighashType::None.into())
        }),
        ("an origin", |psbt| psbt.inputs[0].bip32_derivation.clear()),
        ("a script", |psbt| {
            psbt.inputs[0].redeem_script = Some(bitcoin::ScriptBuf::new())
        }),
        ("an output's origin", |psbt| {
            psbt.outputs[0].bip32_derivation.clear()
        }),
    ];
    for (what, change) in changes {
        let fault = psbt_fault(edited(change));
        assert!(
            matches!(fault, PsbtError::Changed { .. }),
            "{what}: {fault}"
        );
    }
}

#[test]
fn anything_but_one_signature_by_the_right_key_for_all_is_refused() {
    assert_eq!(
        psbt_fault(edited(|psbt| psbt.inputs[1].partial_sigs.clear())),
        PsbtError::SignatureCount { input: 1, found: 0 }
    );
    assert_eq!(
        psbt_fault(edited(|psbt| {
            let other = psbt.inputs[1].partial_sigs.clone();
            psbt.inputs[0].partial_sigs.extend(other);
        })),
        PsbtError::SignatureCount { input: 0, found: 2 }
    );
    assert_eq!(
        psbt_fault(edited(|psbt| {
            let other = psbt.inputs[1].partial_sigs.clone();
            psbt.inputs[0].partial_sigs = other;
        })),
        PsbtError::SignedByOther(0)
    );
    for kind in [
        EcdsaSighashType::None,
        EcdsaSighashType::Single,
        EcdsaSighashType::AllPlusAnyoneCanPay,
        EcdsaSighashType::NonePlusAnyoneCanPay,
        EcdsaSighashType::SinglePlusAnyoneCanPay,
    ] {
        let fault = psbt_fault(edited(|psbt| {
            psbt.inputs[0]
                .partial_sigs
                .values_mut()
                .for_each(|signature| signature.sighash_type = kind);
        }));
        assert_eq!(
            fault,
            PsbtError::SighashType {
                input: 0,
                found: kind.to_u32()
            }
        );
    }
}

#[test]
fn a_signature_of_something_else_or_with_a_high_s_is_refused() {
    let other_digest = edited(|psbt| {
        let signature = psbt.inputs[1]
            .partial_sigs
            .values()
            .next()
            .copied()
            .unwrap();
        psbt.inputs[0]
            .partial_sigs
            .values_mut()
            .for_each(|slot| *slot = signature);
    });
    assert!(
        matches!(other_digest, Err(ImportError::Signature { index: 0, .. })),
        "{other_digest:?}"
    );
    let fault = psbt_fault(edited(|psbt| {
        for slot in psbt.inputs[0].partial_sigs.values_mut() {
            let low =
                k256::ecdsa::Signature::from_slice(&slot.signature.serialize_compact()).unwrap();
            let high = k256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap();
            let signature =
                bitcoin::secp256k1::ecdsa::Signature::from_compact(&high.to_bytes()).unwrap();
            *slot = ecdsa::Signature {
                signature,
                sighash_type: EcdsaSighashType::All,
            };
        }
    }));
    assert!(
        matches!(fault, PsbtError::Signature { input: 0, .. }),
        "{fault}"
    );
}

#[test]
fn an_ethereum_signature_of_something_else_or_in_another_form_is_refused() {
    let export = export();
    let name = format!("{ETH}.signature");
    let whole = returned_file(&answer(&export), &name);
    let request = &recompute(&export).unwrap()[1].requests[0];
    let low = k256::ecdsa::Signature::from_slice(&sign(request).to_bytes()).unwrap();
    let high = k256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap();
    for (what, bytes) in [
        ("truncated", whole[..100].to_vec()),
        ("too long", [whole.as_slice(), b"00"].concat()),
        ("upper case", whole.to_ascii_uppercase()),
        ("high s", hex::encode(high.to_bytes()).into_bytes()),
        ("zero", "0".repeat(128).into_bytes()),
    ] {
        let result = import(&export, &gathered(&export, &name, bytes));
        assert!(
            matches!(result, Err(ImportError::SignatureFile { .. })),
            "{what} gave {result:?}"
        );
    }
    let mut wrong = *request;
    wrong.digest = custodyd_chain::Digest::from_bytes([9; 32]);
    let other = import(
        &export,
        &gathered(
            &export,
            &name,
            hex::encode(sign(&wrong).to_bytes()).into_bytes(),
        ),
    );
    assert!(
        matches!(other, Err(ImportError::Signature { index: 0, .. })),
        "{other:?}"
    );
}

#[test]
fn an_answer_to_another_export_is_refused() {
    let asked = export();
    let reissued = with_manifest(&asked, |m| {
        m.export = "ex_000000000000000000000000000000e2".parse().unwrap()
    })
    .unwrap();
    let later = with_manifest(&asked, |m| m.created_at = 1).unwrap();
    let of_other_vault = with_manifest(&asked, |m| m.vault = "other".parse().unwrap()).unwrap();
    let fault = |answered: &Bundle| import(&asked, &answer(answered)).unwrap_err();
    assert!(matches!(
        fault(&reissued),
        ImportError::AnotherExport { .. }
    ));
    assert!(matches!(fault(&later), ImportError::Manifest { .. }));
    assert!(matches!(fault(&of_other_vault), ImportError::Vault { .. }));
}

#[test]
fn a_return_that_is_not_whole_is_refused() {
    let export = export();
    let whole: Vec<(String, Vec<u8>)> = answer(&export)
        .files()
        .into_iter()
        .map(|(name, bytes)| (name.to_string(), bytes))
        .collect();
    for skipped in 0..whole.len() {
        let files = whole
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != skipped)
            .map(|(_, file)| file.clone());
        assert!(matches!(
            ReturnBundle::from_files(files),
            Err(BundleError::Missing(_))
        ));
    }
    let extra = whole.iter().cloned().chain([("extra".to_owned(), vec![])]);
    assert_eq!(
        ReturnBundle::from_files(extra),
        Err(BundleError::Unknown("extra".parse().unwrap()))
    );
    let loose = |skip: &str, add: Option<&str>| {
        let kept = whole
            .iter()
            .filter(|(name, _)| name != "return.json" && name != skip)
            .cloned();
        let added = add.map(|name| (name.to_owned(), vec![]));
        ReturnBundle::gather(&export, kept.chain(added).collect::<Vec<_>>())
    };
    assert!(loose("", None).is_ok());
    assert!(matches!(
        loose(&psbt_file(), None),
        Err(BundleError::Missing(_))
    ));
    assert!(matches!(
        loose("", Some("extra")),
        Err(BundleError::Unknown(_))
    ));
    let one = ReturnBundle::answer(
        &export_of(&[ethereum_item()]),
        &[vec![sign(&recompute(&export).unwrap()[1].requests[0])]],
    );
    assert!(matches!(
        import(&export, &one.unwrap()),
        Err(ImportError::Manifest { .. })
    ));
}
