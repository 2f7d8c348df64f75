//! A bundle is whole and by the vault that it names, or it is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fixture;

use custodyd_airgap::{
    Bundle, BundleError, ExportError, JournalKeyError, RecomputeError, export_bundle,
};
use fixture::*;

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
