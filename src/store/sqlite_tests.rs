//! A full database, a transaction that nobody ended, and the plans of the statements in the hot path.

use serde_json::json;

use super::connection::{Conn, Transaction, Value};
use super::{Batch, CommitError, InboxRow, Store, StoreError};
use crate::journal::{Entry, GENESIS, HeadRow};

async fn open() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    (Store::open(&url).await.unwrap(), folder)
}

/// One row of 20 KB. What its head is signed with is not the store's business.
fn batch(previous: Option<(u64, [u8; 32])>) -> Batch {
    let (seq, prev_hash) = previous.unwrap_or((0, GENESIS));
    let entry = Entry {
        vault: "main",
        seq: seq + 1,
        at_ms: 1,
        kind: "tested",
        prev_hash,
    };
    let row = entry
        .seal(&json!({ "filler": "x".repeat(20_000) }))
        .unwrap();
    Batch {
        vault: "main".into(),
        previous,
        head: HeadRow {
            vault: "main".into(),
            seq: row.seq,
            at_ms: 1,
            hash: row.hash,
            signature: vec![1; 64],
        },
        rows: vec![row],
        projections: vec![],
        taken: vec![],
        outcomes: vec![],
        points: vec![],
        feed: Vec::new(),
    }
}

/// SQLite itself returns SQLITE_FULL at max_page_count, as it does when the disk has no room.
async fn set_max_pages(store: &Store, pages: i64) {
    let mut conn = store.pools.writer().await.unwrap();
    let Conn::Sqlite(conn) = &mut conn else {
        panic!("not SQLite")
    };
    let sql = format!("PRAGMA max_page_count = {pages}");
    let set: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&mut **conn)
        .await
        .unwrap();
    assert!(set >= pages);
}

#[tokio::test]
async fn a_full_disk_is_named_writes_nothing_and_passes_with_the_disk() {
    let (store, _folder) = open().await;
    let mut previous = None;
    set_max_pages(&store, 120).await;
    let refused = loop {
        let batch = batch(previous);
        match store.commit(&batch).await {
            Ok(()) => previous = Some((batch.head.seq, batch.head.hash)),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&refused, CommitError::Unavailable(reason) if reason.starts_with("database disk is full: ")),
        "{refused}"
    );
    let (seq, _) = previous.unwrap();
    let head = store.last_head("main").await.unwrap().unwrap();
    assert_eq!(head.seq, seq);
    assert_eq!(
        store.journal("main", 0, 1000).await.unwrap().len() as u64,
        seq
    );

    // SQLite may have rolled back by itself, and then the connection was replaced and its limit lost.
    set_max_pages(&store, 120).await;
    let request = InboxRow {
        id: "in_1".into(),
        vault: "main".into(),
        kind: "withdraw".into(),
        principal: "client/a".into(),
        nonce: "n".into(),
        at_ms: 1,
        request: "x".repeat(200_000).into(),
    };
    let refused = store.inbox_put([request.clone()]).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(reason) if reason.starts_with("database disk is full: ")),
        "{refused}"
    );

    // Room again.
    set_max_pages(&store, 1_000_000).await;
    store.commit(&batch(previous)).await.unwrap();
    store.inbox_put([request]).await.unwrap();
}

#[tokio::test]
async fn a_transaction_dropped_midway_is_rolled_back_and_blocks_nobody() {
    let (store, _folder) = open().await;
    let mut transaction: Transaction = store.begin().await.unwrap();
    let values = [Value::Int(41)];
    let sql = "UPDATE counters SET value = $1 WHERE name = 'inbox'";
    assert_eq!(transaction.conn().execute(sql, &values).await.unwrap(), 1);
    drop(transaction);

    let mut transaction = store.begin().await.unwrap();
    let sql = "SELECT value FROM counters WHERE name = 'inbox'";
    let rows = transaction.conn().fetch(sql, &[]).await.unwrap();
    assert_eq!(rows[0].get::<i64>(0).unwrap(), 0);
    transaction.rollback().await;
}

#[tokio::test]
async fn readers_cannot_write() {
    let (store, _folder) = open().await;
    let mut reader = store.reader().await.unwrap();
    let error = reader.execute("DELETE FROM counters", &[]).await;
    assert!(error.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn no_statement_of_the_hot_path_scans_a_table() {
    let (store, _folder) = open().await;
    let mut conn = store.reader().await.unwrap();
    for sql in [
        "EXPLAIN QUERY PLAN SELECT id FROM inbox WHERE vault = 'a' AND done = 0 ORDER BY position LIMIT 9",
        "EXPLAIN QUERY PLAN UPDATE inbox SET done = 1 WHERE (id, vault) IN (VALUES ('a','b'),('c','d'))",
        "EXPLAIN QUERY PLAN DELETE FROM outpoint_reservations WHERE (network, outpoint, vault) IN (VALUES ('a','b','c'))",
        "EXPLAIN QUERY PLAN DELETE FROM nonce_reservations WHERE (network, account, nonce, vault) IN (VALUES ('a','b',1,'c'))",
        "EXPLAIN QUERY PLAN SELECT id FROM withdrawals WHERE vault = 'a' AND (created_seq, id) < (9, 'b') \
         AND state = 'c' ORDER BY created_seq DESC, id DESC LIMIT 5",
        "EXPLAIN QUERY PLAN SELECT id FROM withdrawals WHERE vault = 'a' AND (created_seq, id) < (9, 'b') \
         ORDER BY created_seq DESC, id DESC LIMIT 5",
    ] {
        let plan = conn.fetch(sql, &[]).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get(3).unwrap()).collect();
        let whole = steps.join("; ");
        assert!(
            whole.contains("USING") && whole.contains("INDEX"),
            "{sql}: {whole}"
        );
        for step in steps {
            let list = step.contains("CONSTANT ROW") || step.contains("VALUES CLAUSE");
            assert!(list || !step.starts_with("SCAN"), "{sql}: {whole}");
            assert!(!step.contains("TEMP B-TREE FOR ORDER"), "{sql}: {whole}");
        }
    }
}
