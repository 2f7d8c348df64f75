//! Whoever can write to the database, past the store: every edit is found, and the row is named.

use custodyd::journal::{Anchor, AnchorError, ChainFault, Reason, Tip};
use custodyd::store::{AuditError, Store, StoreError};

use crate::bed::Bed;
use crate::writer::{Writer, key, withdrawal};

/// Verifies every vault that the database knows of; the first fault.
async fn audit(store: &Store) -> Result<(), AuditError> {
    for vault in store.vaults().await? {
        store
            .verify_journal(&vault, &key(), Tip::START, |_| {})
            .await?;
    }
    Ok(())
}

/// Commits of 2, 1 and 3 rows.
async fn journal(store: &Store) -> Writer {
    let mut writer = Writer::new("main");
    for size in [2, 1, 3] {
        let batch = writer.with(size, vec![withdrawal(size, "received")]);
        writer.commit(store, &batch).await;
    }
    writer
}

pub(crate) async fn an_edit_of_any_column_of_any_row_is_found_and_named(bed: Bed) {
    let store = bed.open().await;
    journal(&store).await;
    audit(&store).await.unwrap();

    let flipped = bed.blob(&[0x5a; 32]);
    let short = bed.blob(&[0x5a; 31]);
    let signature = bed.blob(&[0x5a; 64]);
    let journal_edits = vec![
        "vault = 'other'".to_owned(),
        "vault = 'mainx'".to_owned(),
        "seq = seq + 900".to_owned(),
        "seq = -seq".to_owned(),
        "seq = seq - seq".to_owned(),
        "at_ms = at_ms + 1".to_owned(),
        "at_ms = -1".to_owned(),
        "kind = kind || 'x'".to_owned(),
        "event = event || ' '".to_owned(),
        "event = replace(event, '1.5', '1.6')".to_owned(),
        "event = ''".to_owned(),
        format!("prev_hash = {flipped}"),
        format!("prev_hash = {short}"),
        format!("hash = {flipped}"),
        format!("hash = {short}"),
    ];
    let heads_edits = vec![
        "vault = 'other'".to_owned(),
        "seq = seq + 900".to_owned(),
        "seq = -seq".to_owned(),
        "at_ms = at_ms + 1".to_owned(),
        format!("hash = {flipped}"),
        format!("hash = {short}"),
        format!("signature = {signature}"),
        format!("signature = {short}"),
    ];
    let vaults_edits = vec![
        "vault = 'other'".to_owned(),
        "head_seq = head_seq + 1".to_owned(),
        "head_seq = head_seq - 1".to_owned(),
        format!("head_hash = {flipped}"),
    ];
    let tables = [
        ("journal", "seq", vec![1_u64, 2, 3, 4, 5, 6], journal_edits),
        ("heads", "seq", vec![2, 3, 6], heads_edits),
        ("vaults", "head_seq", vec![6], vaults_edits),
    ];
    for (table, column, seqs, edits) in tables {
        bed.sql(&format!("CREATE TABLE kept AS SELECT * FROM {table}"))
            .await;
        for seq in seqs {
            for edit in &edits {
                let edited = bed
                    .sql(&format!("UPDATE {table} SET {edit} WHERE {column} = {seq}"))
                    .await;
                assert_eq!(edited, 1, "{table} {seq} {edit}");
                match audit(&store).await {
                    Ok(()) => panic!("{table} seq {seq}: nobody noticed {edit}"),
                    Err(error) => {
                        assert!(names(&error, table, seq), "{table} {seq} {edit}: {error}")
                    }
                }
                bed.sql(&format!(
                    "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept"
                ))
                .await;
            }
        }
        bed.sql("DROP TABLE kept").await;
        audit(&store).await.unwrap();
    }
}

/// Whether the fault is laid to this row, under its own number or the one that it was moved to.
fn names(error: &AuditError, table: &str, seq: u64) -> bool {
    match error {
        // Without the last head its rows are unsigned, and the first of them is named.
        AuditError::Chain(ChainFault {
            seq: found,
            reason: Reason::Unsigned,
            ..
        }) => table == "heads" && seq == 6 && *found == 4,
        AuditError::Chain(fault) => [seq, seq + 900, 0].contains(&fault.seq),
        AuditError::Store(StoreError::Row {
            table: found, key, ..
        }) => *found == table && key.contains(&seq.to_string()),
        AuditError::Store(_) | AuditError::Anchor(_) => false,
    }
}

pub(crate) async fn rows_that_vanish_are_missed_and_a_whole_rollback_is_behind_the_anchor(
    bed: Bed,
) {
    let store = bed.open().await;
    let mut writer = journal(&store).await;
    let folder = tempfile::tempdir().unwrap();
    let mut anchor = Anchor::at(folder.path().join("main.anchor"));
    let anchored = store.last_head("main").await.unwrap().unwrap();
    anchor.write(&anchored).unwrap();
    // A commit that the crash kept from the anchor.
    let batch = writer.batch(1);
    writer.commit(&store, &batch).await;
    store.check_anchor("main", &anchor, &key()).await.unwrap();

    bed.sql("DELETE FROM journal WHERE seq > 6").await;
    let fault = audit(&store).await.unwrap_err();
    assert!(
        matches!(
            &fault,
            AuditError::Chain(ChainFault {
                seq: 7,
                reason: Reason::Missing,
                ..
            })
        ),
        "{fault}"
    );
    bed.sql("DELETE FROM heads WHERE seq > 6").await;
    let fault = audit(&store).await.unwrap_err();
    assert!(matches!(fault, AuditError::Chain(_)), "{fault}");
    let hash = bed.blob(&anchored.hash);
    bed.sql(&format!(
        "UPDATE vaults SET head_seq = 6, head_hash = {hash}"
    ))
    .await;
    audit(&store).await.unwrap();
    store.check_anchor("main", &anchor, &key()).await.unwrap();

    // Rows, heads and the compared row all taken back behind the anchor: consistent in itself.
    let earlier = store.heads("main", 0, 2).await.unwrap()[1].clone();
    let hash = bed.blob(&earlier.hash);
    bed.sql(&format!(
        "DELETE FROM journal WHERE seq > 3; DELETE FROM heads WHERE seq > 3; \
         UPDATE vaults SET head_seq = 3, head_hash = {hash}"
    ))
    .await;
    audit(&store).await.unwrap();
    let behind = store
        .check_anchor("main", &anchor, &key())
        .await
        .unwrap_err();
    assert!(
        matches!(
            behind,
            AuditError::Anchor(AnchorError::Behind {
                database_seq: 3,
                anchor_seq: 6,
                ..
            })
        ),
        "{behind}"
    );
}
