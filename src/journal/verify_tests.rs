//! Every edit of every column of a small chain, and the row that the verifier names for it.

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::journal::{Entry, head_digest};

fn signer() -> SigningKey {
    SigningKey::from_slice(&[3; 32]).unwrap()
}

fn key() -> JournalKey {
    let point = signer().verifying_key().to_encoded_point(true);
    JournalKey::from_sec1(point.as_bytes()).unwrap()
}

fn head(vault: &str, seq: u64, hash: [u8; 32]) -> HeadRow {
    let digest = head_digest(vault, seq, 10 * seq, &hash).unwrap();
    let signature: Signature = signer().sign_prehash(&digest).unwrap();
    HeadRow::from_hsm(vault, seq, 10 * seq, hash, &signature.to_bytes().into()).unwrap()
}

/// Commits of the given sizes.
fn chain(sizes: &[u64]) -> (Vec<JournalRow>, Vec<HeadRow>) {
    let (mut rows, mut heads) = (Vec::<JournalRow>::new(), Vec::new());
    for size in sizes {
        for _ in 0..*size {
            let seq = rows.len() as u64 + 1;
            let row = Entry {
                vault: "main",
                seq,
                at_ms: 1_000 + seq,
                kind: "tested",
                prev_hash: rows.last().map_or(GENESIS, |row| row.hash),
            };
            rows.push(row.seal(&json!({"n": seq, "text": "é"})).unwrap());
        }
        let last = rows.last().unwrap();
        heads.push(head("main", last.seq, last.hash));
    }
    (rows, heads)
}

fn fault(rows: &[JournalRow], heads: &[HeadRow]) -> ChainFault {
    verify_chain("main", rows, heads, &key()).unwrap_err()
}

type Edit<T> = (Column, fn(&mut T));

#[test]
fn an_edit_of_any_column_of_any_journal_row_names_that_row_and_column() {
    let edits: [Edit<JournalRow>; 8] = [
        (Column::Vault, |row| row.vault = "other".into()),
        (Column::Contents, |row| row.at_ms += 1),
        (Column::Contents, |row| row.kind = "testeD".into()),
        (Column::Contents, |row| {
            row.event = row.event.replace("\"n\":", "\"n\":1");
        }),
        (Column::Event, |row| row.event.push(' ')),
        (Column::Event, |row| {
            row.event = row.event.replace('é', "\\u00e9")
        }),
        (Column::PrevHash, |row| row.prev_hash[31] ^= 1),
        (Column::Hash, |row| row.hash[0] ^= 0x80),
    ];
    let (rows, heads) = chain(&[2, 1, 3]);
    for index in 0..rows.len() {
        for (column, edit) in &edits {
            let mut edited = rows.clone();
            edit(&mut edited[index]);
            assert_ne!(edited, rows);
            let fault = fault(&edited, &heads);
            let named = (fault.table, fault.seq, fault.column);
            assert_eq!(named, (Table::Journal, rows[index].seq, *column), "{fault}");
        }
    }
}

#[test]
fn an_edit_of_any_column_of_any_head_names_that_head() {
    let edits: [Edit<HeadRow>; 5] = [
        (Column::Vault, |head| head.vault = "other".into()),
        (Column::Signature, |head| head.at_ms += 1),
        (Column::Hash, |head| head.hash[5] ^= 1),
        (Column::Signature, |head| head.signature[40] ^= 1),
        (Column::Signature, |head| {
            head.signature.pop();
        }),
    ];
    let (rows, heads) = chain(&[2, 1, 3]);
    for index in 0..heads.len() {
        for (column, edit) in &edits {
            let mut edited = heads.clone();
            edit(&mut edited[index]);
            let fault = fault(&rows, &edited);
            let named = (fault.table, fault.seq, fault.column);
            assert_eq!(named, (Table::Heads, heads[index].seq, *column), "{fault}");
        }
    }
}

#[test]
fn a_moved_sequence_number_names_the_hole_that_it_leaves() {
    let (rows, heads) = chain(&[2, 1, 3]);
    for index in 0..rows.len() {
        for moved in [0, 900] {
            let mut edited = rows.clone();
            edited[index].seq = moved;
            edited.sort_by_key(|row| row.seq);
            let fault = fault(&edited, &heads);
            assert!(
                fault.seq == rows[index].seq || fault.seq == moved,
                "{fault}"
            );
        }
    }
    for index in 0..heads.len() {
        let mut edited = heads.clone();
        edited[index].seq = 900;
        edited.sort_by_key(|head| head.seq);
        let fault = fault(&rows, &edited);
        assert_eq!((fault.table, fault.seq), (Table::Heads, 900), "{fault}");
    }
}

#[test]
fn a_row_rewritten_with_a_fitting_hash_breaks_the_link_after_it_or_the_head() {
    let (rows, heads) = chain(&[2, 1, 3]);
    for index in 0..rows.len() {
        let mut edited = rows.clone();
        edited[index].at_ms += 1;
        edited[index].hash = edited[index].computed_hash().unwrap();
        let fault = fault(&edited, &heads);
        if heads.iter().any(|head| head.seq == rows[index].seq) {
            assert_eq!((fault.table, fault.seq), (Table::Heads, rows[index].seq));
        } else {
            let named = (fault.table, fault.seq, fault.column);
            let after = rows[index].seq + 1;
            assert_eq!(named, (Table::Journal, after, Column::PrevHash), "{fault}");
        }
    }
}

#[test]
fn a_lost_row_or_a_lost_tail_is_named_and_unsigned_rows_are_not_trusted() {
    let (rows, heads) = chain(&[2, 1, 3]);
    for index in 0..rows.len() {
        let mut edited = rows.clone();
        edited.remove(index);
        let fault = fault(&edited, &heads);
        assert!(matches!(fault.reason, Reason::Missing), "{fault}");
        assert_eq!(fault.seq, rows[index].seq);
    }
    let unsigned = fault(&rows, &heads[..2]);
    assert!(matches!(unsigned.reason, Reason::Unsigned));
    assert_eq!(unsigned.seq, 4);
}

#[test]
fn a_head_by_another_key_is_refused() {
    let (rows, heads) = chain(&[2]);
    let other = SigningKey::from_slice(&[4; 32]).unwrap();
    let point = other.verifying_key().to_encoded_point(true);
    let other = JournalKey::from_sec1(point.as_bytes()).unwrap();
    let fault = verify_chain("main", &rows, &heads, &other).unwrap_err();
    assert_eq!((fault.table, fault.seq), (Table::Heads, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pages of any size give the same verdict as the whole.
    #[test]
    fn a_chain_verifies_in_pages_of_any_size(
        sizes in prop::collection::vec(1_u64..5, 1..6),
        page in 1_usize..7,
    ) {
        let (rows, heads) = chain(&sizes);
        let mut verifier = ChainVerifier::new("main", key());
        for rows in rows.chunks(page) {
            let (first, last) = (rows[0].seq, rows[rows.len() - 1].seq);
            let heads: Vec<_> = heads
                .iter()
                .filter(|head| (first..=last).contains(&head.seq))
                .cloned()
                .collect();
            verifier.page(rows, &heads).unwrap();
        }
        let tip = verifier.finish().unwrap();
        prop_assert_eq!(tip, verify_chain("main", &rows, &heads, &key()).unwrap());
        prop_assert_eq!(tip.seq, rows.len() as u64);
    }
}
