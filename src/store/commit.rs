//! The group commit. Invariant: one database transaction, all or nothing, begun from exactly the head
//! that the writer knew; once begun it runs to its end even if nobody waits for it any more.

use std::sync::{Arc, LazyLock};

use super::bulk::Bulk;
use super::connection::{Conn, Transaction, Value};
use super::error::{CommitError, Failure, Rule};
use super::feed;
use super::fold::{BatchFault, Folded, fold, int, text};
use super::points;
use super::rows::Batch;
use super::{Store, samples, subjects, violation};

macro_rules! bulk {
    ($name:ident, $columns:literal, $before:literal, $after:literal) => {
        static $name: LazyLock<Bulk> = LazyLock::new(|| Bulk::new($before, $columns, $after));
    };
}

bulk!(
    JOURNAL,
    7,
    "INSERT INTO journal (vault, seq, at_ms, kind, event, prev_hash, hash) VALUES ",
    ""
);
bulk!(
    HEADS,
    5,
    "INSERT INTO heads (vault, seq, at_ms, hash, signature) VALUES ",
    ""
);
bulk!(
    TAKEN,
    9,
    "INSERT INTO inbox (id, position, vault, kind, principal, nonce, at_ms, request, done) VALUES ",
    ""
);
bulk!(
    OUTCOMES,
    3,
    "INSERT INTO outcomes (inbox_id, status, body) VALUES ",
    ""
);
bulk!(
    ANSWERED,
    2,
    "UPDATE inbox SET done = 1 WHERE (id, vault) IN (VALUES ",
    ")"
);
bulk!(
    WITHDRAWALS_NEW,
    10,
    "INSERT INTO withdrawals \
     (vault, id, client, idempotency_key, state, created_seq, document, wallet, asked, queue_rank) VALUES ",
    ""
);
bulk!(
    WITHDRAWALS,
    10,
    "INSERT INTO withdrawals \
     (vault, id, client, idempotency_key, state, created_seq, document, wallet, asked, queue_rank) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET state = excluded.state, document = excluded.document, \
     wallet = excluded.wallet, asked = excluded.asked, queue_rank = excluded.queue_rank"
);
bulk!(
    TRANSACTIONS,
    7,
    "INSERT INTO transactions (vault, id, txid, wallet, network, state, document) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET txid = excluded.txid, state = excluded.state, document = excluded.document"
);
bulk!(
    WALLETS,
    6,
    "INSERT INTO wallets (vault, id, tier, asset, state, document) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET state = excluded.state, document = excluded.document"
);
bulk!(
    KEYS,
    5,
    "INSERT INTO keys (vault, id, wallet, state, document) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET state = excluded.state, document = excluded.document"
);
bulk!(
    EXPORTS,
    4,
    "INSERT INTO exports (vault, id, state, document) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET state = excluded.state, document = excluded.document"
);
bulk!(
    PROPOSALS,
    5,
    "INSERT INTO proposals (vault, id, state, created_seq, document) VALUES ",
    " ON CONFLICT (vault, id) DO UPDATE SET state = excluded.state, document = excluded.document"
);
bulk!(
    OUTPOINTS_FREED,
    3,
    "DELETE FROM outpoint_reservations WHERE (network, outpoint, vault) IN (VALUES ",
    ")"
);
bulk!(
    OUTPOINTS_TAKEN,
    4,
    "INSERT INTO outpoint_reservations (network, outpoint, vault, transaction_id) VALUES ",
    ""
);
bulk!(
    NONCES_FREED,
    4,
    "DELETE FROM nonce_reservations WHERE (network, account, nonce, vault) IN (VALUES ",
    ")"
);
bulk!(
    NONCES_TAKEN,
    5,
    "INSERT INTO nonce_reservations (network, account, nonce, vault, transaction_id) VALUES ",
    ""
);

const SET_HEAD: &str = "UPDATE vaults SET head_seq = $1, head_hash = $2 \
     WHERE vault = $3 AND head_seq = $4 AND head_hash = $5";
const FIRST_HEAD: &str = "INSERT INTO vaults (vault, head_seq, head_hash) VALUES ($1, $2, $3) \
     ON CONFLICT (vault) DO NOTHING";

impl Store {
    /// Writes the batch in one database transaction.
    ///
    /// Dropping the future doesn't stop a commit that has begun.
    ///
    /// # Errors
    /// See [`CommitError`]; on all but `Unknown` nothing was written.
    pub async fn commit(&self, batch: impl Into<Arc<Batch>>) -> Result<(), CommitError> {
        let batch = batch.into();
        let store = self.clone();
        // A task of its own: a future dropped between two statements would leave the transaction
        // open on its connection (https://github.com/launchbadge/sqlx/issues/4394).
        let committed = tokio::spawn(async move { store.commit_whole(&batch).await })
            .await
            .unwrap_or_else(|error| Err(CommitError::Unknown(error.to_string())));
        match &committed {
            Ok(()) => self.writing.note(None),
            Err(error @ (CommitError::Unavailable(_) | CommitError::Unknown(_))) => {
                self.writing.note(Some(error.to_string()));
            }
            // The database works; it is the batch that it refused.
            Err(_) => {}
        }
        committed
    }

    async fn commit_whole(&self, batch: &Batch) -> Result<(), CommitError> {
        let folded = fold(batch)?;
        let mut transaction = self
            .begin()
            .await
            .map_err(|error| Failure::before_commit(&error))?;
        let written = write(&mut transaction, batch, &folded).await;
        if written.is_ok() {
            return Ok(transaction.commit().await?);
        }
        transaction.rollback().await;
        match written {
            Err(CommitError::Constraint { rule, what }) => Err(CommitError::Constraint {
                rule,
                what: violation::name(self, rule, batch).await.unwrap_or(what),
            }),
            other => other,
        }
    }
}

async fn write(
    transaction: &mut Transaction,
    batch: &Batch,
    folded: &Folded<'_>,
) -> Result<(), CommitError> {
    let conn = transaction.conn();
    set_head(conn, batch).await?;
    for (rule, statement, values) in [
        (Rule::Sequence, &JOURNAL, &folded.journal),
        (Rule::Sequence, &HEADS, &folded.heads),
        (Rule::Other, &WALLETS, &folded.wallets),
        (Rule::Other, &KEYS, &folded.keys),
        (
            Rule::IdempotencyKey,
            &WITHDRAWALS_NEW,
            &folded.withdrawals_new,
        ),
        (Rule::IdempotencyKey, &WITHDRAWALS, &folded.withdrawals),
        (Rule::Other, &TRANSACTIONS, &folded.transactions),
        (Rule::Other, &EXPORTS, &folded.exports),
        (Rule::Other, &PROPOSALS, &folded.proposals),
        (Rule::Other, &samples::INSERT, &folded.history.samples),
        (Rule::Other, &subjects::INSERT, &folded.history.subjects),
        (Rule::Outpoint, &OUTPOINTS_FREED, &folded.outpoints_freed),
        (Rule::Outpoint, &OUTPOINTS_TAKEN, &folded.outpoints_taken),
        (Rule::Nonce, &NONCES_FREED, &folded.nonces_freed),
        (Rule::Nonce, &NONCES_TAKEN, &folded.nonces_taken),
        (Rule::KeyNonce, &points::INSERT, &folded.points.transactions),
        (Rule::JournalKeyNonce, &points::INSERT, &folded.points.heads),
        (Rule::Other, &feed::INSERT, &folded.feed),
        (Rule::InboxId, &TAKEN, &folded.taken),
        (Rule::Outcome, &OUTCOMES, &folded.outcomes),
    ] {
        run(conn, rule, statement, values).await?;
    }
    if !folded.history.samples.is_empty() {
        samples::prune(conn, batch)
            .await
            .map_err(|error| Failure::before_commit(&error))?;
    }
    let answered = run(conn, Rule::Outcome, &ANSWERED, &folded.answered).await?;
    if usize::try_from(answered) != Ok(batch.outcomes.len()) {
        return Err(CommitError::Constraint {
            rule: Rule::Outcome,
            what: "an outcome answers a request of another vault".into(),
        });
    }
    Ok(())
}

/// Compares and sets. On PostgreSQL the statement waits for a writer before it and then compares with
/// what that one wrote; on SQLite no other writer can be here.
async fn set_head(conn: &mut Conn, batch: &Batch) -> Result<(), CommitError> {
    let vault = text("vault", &batch.vault)?;
    let seq = Value::Int(int("head_seq", batch.head.seq)?);
    let hash = Value::Bytes(&batch.head.hash);
    let set = match &batch.previous {
        Some((old_seq, old_hash)) => {
            let old_seq = Value::Int(int("head_seq", *old_seq)?);
            let values = [seq, hash, vault, old_seq, Value::Bytes(old_hash)];
            conn.execute(SET_HEAD, &values).await
        }
        None => conn.execute(FIRST_HEAD, &[vault, seq, hash]).await,
    };
    if set.map_err(|error| Failure::before_commit(&error))? == 1 {
        return Ok(());
    }
    Err(CommitError::Conflict {
        vault: batch.vault.clone(),
        expected: batch.previous.map(|(seq, _)| seq),
    })
}

async fn run(
    conn: &mut Conn,
    rule: Rule,
    statement: &'static Bulk,
    values: &[Value<'_>],
) -> Result<u64, CommitError> {
    let changed = statement.execute(conn, values).await;
    changed.map_err(|error| match Failure::before_commit(&error) {
        Failure::Constraint(what) => CommitError::Constraint { rule, what },
        other => other.into(),
    })
}

impl From<BatchFault> for super::StoreError {
    fn from(fault: BatchFault) -> Self {
        match fault {
            BatchFault::Unstorable {
                column,
                value,
                reason,
            } => Self::Unstorable {
                column,
                value,
                reason,
            },
            other => Self::Unstorable {
                column: "batch",
                value: other.to_string(),
                reason: "contradicts itself",
            },
        }
    }
}
