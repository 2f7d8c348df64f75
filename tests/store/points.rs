//! The index of nonces: written with the signatures that used them, and a second use refused.

use custodyd::store::{Batch, CommitError, Origin, Rule, SignaturePointRow};

use crate::bed::Bed;
use crate::writer::Writer;

fn row(key: &str, r: u8, digest: u8, origin: Origin) -> SignaturePointRow {
    SignaturePointRow {
        key: key.into(),
        r: [r; 32],
        digest: [digest; 32],
        origin,
    }
}

fn with(writer: &Writer, points: &[SignaturePointRow]) -> Batch {
    Batch {
        points: points.to_vec(),
        ..writer.batch(1)
    }
}

pub(crate) async fn nonces_are_found_by_key_and_r_in_their_own_vault_alone(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    assert!(!store.has_points("main").await.unwrap());
    // Every width of statement, and more than a page.
    let many: Vec<SignaturePointRow> = (0..1_100_u64)
        .map(|number| {
            let mut row = row("02aa", 0, 1, Origin::transaction("tx_1"));
            row.r[..8].copy_from_slice(&number.to_be_bytes());
            row
        })
        .collect();
    let batch = with(&writer, &many);
    writer.commit(&store, &batch).await;
    let others = [
        row("02bb", 7, 1, Origin::transaction("tx_2")),
        row("03cc", 7, 2, Origin::head(2)),
    ];
    let batch = with(&writer, &others);
    writer.commit(&store, &batch).await;
    let mut other = Writer::new("other");
    let batch = with(
        &other,
        &[row("02bb", 7, 9, Origin::transaction("tx_other"))],
    );
    other.commit(&store, &batch).await;

    assert_eq!(
        store.all_points("main").await.unwrap(),
        [many.as_slice(), &others].concat()
    );
    let asked = [
        &row("02bb", 7, 3, Origin::transaction("tx_new")),
        &row("02bb", 8, 3, Origin::transaction("tx_new")),
        &row("02aa", 7, 3, Origin::transaction("tx_new")),
        &many[1_050],
    ];
    let mut known = store.known_points("main", &asked).await.unwrap();
    known.sort();
    assert_eq!(known, [many[1_050].clone(), others[0].clone()]);
    assert_eq!(store.known_points("main", &[]).await.unwrap(), []);
    assert!(store.has_points("main").await.unwrap());
    assert!(!store.has_points("mai").await.unwrap());
}

pub(crate) async fn a_nonce_is_written_once_and_a_heads_is_told_from_a_transactions(bed: Bed) {
    let store = bed.open().await;
    let mut writer = Writer::new("main");
    let first = [
        row("02aa", 7, 1, Origin::transaction("tx_1")),
        row("03cc", 7, 2, Origin::head(1)),
    ];
    let batch = with(&writer, &first);
    writer.commit(&store, &batch).await;
    for (again, expected, text) in [
        (
            row("02aa", 7, 9, Origin::transaction("tx_2")),
            Rule::KeyNonce,
            "key 02aa used one nonce for tx_1 and tx_2",
        ),
        (
            row("03cc", 7, 9, Origin::head(2)),
            Rule::JournalKeyNonce,
            "key 03cc used one nonce for head 1 and head 2",
        ),
    ] {
        let refused = store.commit(&with(&writer, &[again])).await.unwrap_err();
        assert!(
            matches!(&refused, CommitError::Constraint { rule, what } if *rule == expected && what == text),
            "{refused:?}"
        );
    }
    assert_eq!(store.all_points("main").await.unwrap(), first);
    writer.verify(&store).await;
}

pub(crate) async fn an_index_is_made_whole_or_not_at_all(bed: Bed) {
    let store = bed.open().await;
    let once = row("02aa", 7, 1, Origin::transaction("tx_1"));
    let twice = row("02aa", 7, 2, Origin::transaction("tx_2"));
    let refused = store.put_points("main", &[once.clone(), twice]).await;
    assert!(matches!(refused, Err(CommitError::Constraint { .. })));
    assert!(!store.has_points("main").await.unwrap());
    store
        .put_points("main", std::slice::from_ref(&once))
        .await
        .unwrap();
    assert_eq!(store.all_points("main").await.unwrap(), [once]);
}
