//! The inbox: signed requests, durable before they are judged or in the commit that answers them. Invariant: a principal's
//! nonce is stored once, and requests are handed to the engine in the order in which they were stored.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::Store;
use super::bulk::Bulk;
use super::connection::{Row, Transaction, Value};
use super::error::{Failure, Rule, StoreError};
use super::fold::{int, text};
use super::record::Record;
use super::rows::{Asked, InboxPut, InboxRow, Outcome};

/// Takes as many positions as there are rows. The row stays locked until the commit, so positions
/// become visible in order and a reader never sees a later one first.
const POSITIONS: &str =
    "UPDATE counters SET value = value + $1 WHERE name = 'inbox' RETURNING value";

static PUT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO inbox (id, position, vault, kind, principal, nonce, at_ms, request) VALUES ",
        8,
        " ON CONFLICT (principal, nonce) DO NOTHING RETURNING id",
    )
});

const PENDING: &str = "SELECT id, kind, principal, nonce, at_ms, request FROM inbox \
     WHERE vault = $1 AND done = 0 ORDER BY position LIMIT $2";
const WAITING: &str =
    "SELECT id FROM inbox WHERE vault = $1 AND done = 0 ORDER BY position LIMIT $2";
/// A join, since SQLite would look up every principal with every nonce for `(principal, nonce) IN (VALUES …)`.
static USED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH asked (principal, nonce) AS (VALUES ",
        2,
        ") SELECT inbox.principal, inbox.nonce FROM asked \
         JOIN inbox ON inbox.principal = asked.principal AND inbox.nonce = asked.nonce",
    )
});

const ASKED: &str = "SELECT principal, done FROM inbox WHERE vault = $1 AND id = $2";
const OUTCOME: &str = "SELECT status, body FROM outcomes WHERE inbox_id = $1";

impl Store {
    /// Stores requests durably, in one transaction and in the given order; says for each whether it
    /// was stored or is a replay of its principal's nonce (also within `rows`).
    ///
    /// Dropping the future doesn't stop a transaction that has begun.
    ///
    /// # Errors
    /// Nothing was stored, except on [`StoreError::Unknown`]. An id that is already there is
    /// [`Rule::InboxId`].
    pub async fn inbox_put<R: Into<Arc<InboxRow>>>(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Vec<InboxPut>, StoreError> {
        let rows: Vec<Arc<InboxRow>> = rows.into_iter().map(Into::into).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.clone();
        let put = tokio::spawn(async move { store.inbox_put_whole(&rows).await })
            .await
            .unwrap_or_else(|error| Err(StoreError::Unknown(error.to_string())));
        if !matches!(put, Err(StoreError::Constraint { .. })) {
            self.writing
                .note(put.as_ref().err().map(ToString::to_string));
        }
        put
    }

    async fn inbox_put_whole(&self, rows: &[Arc<InboxRow>]) -> Result<Vec<InboxPut>, StoreError> {
        let mut ids = HashMap::new();
        for row in rows {
            if let Some(other) = ids.insert(row.id.as_str(), &row.nonce) {
                return Err(StoreError::Constraint {
                    rule: Rule::InboxId,
                    what: format!("id {} of nonces {other} and {} at once", row.id, row.nonce),
                });
            }
        }
        let mut transaction = self.begin().await?;
        match put(&mut transaction, rows).await {
            Ok(puts) => {
                transaction.commit().await?;
                Ok(puts)
            }
            Err(error) => {
                transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// The oldest requests of `vault` that have no outcome yet, oldest first.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn inbox_pending(
        &self,
        vault: &str,
        limit: u32,
    ) -> Result<Vec<InboxRow>, StoreError> {
        let values = [text("vault", vault)?, Value::Int(limit.into())];
        let rows = self.rows(PENDING, &values).await?;
        rows.iter().map(|row| inbox_row(vault, row)).collect()
    }

    /// The ids of the oldest requests of `vault` that have no outcome yet, oldest first.
    ///
    /// # Errors
    /// As for [`Store::inbox_pending`].
    pub async fn inbox_waiting(&self, vault: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let values = [text("vault", vault)?, Value::Int(limit.into())];
        let rows = self.rows(WAITING, &values).await?;
        rows.iter()
            .map(|row| Record::new("inbox", row).key("id"))
            .collect()
    }

    /// Which of these nonces their principals used before, on whatever node.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn used_nonces(
        &self,
        rows: impl IntoIterator<Item = &InboxRow>,
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let mut values = Vec::new();
        for row in rows {
            values.extend([
                text("principal", &row.principal)?,
                text("nonce", &row.nonce)?,
            ]);
        }
        if values.is_empty() {
            return Ok(HashSet::new());
        }
        // The writer's connection: it has the pages of its last commit in memory, and whoever asks is about to write.
        let mut conn = self.pools.writer().await?;
        let rows = USED.fetch(&mut conn, &values).await?;
        rows.iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect()
    }

    /// Who signed a request of `vault`'s inbox, and whether it is answered.
    ///
    /// # Errors
    /// When the database doesn't answer, or the row is not one of ours.
    pub async fn inbox_asked(&self, vault: &str, id: &str) -> Result<Option<Asked>, StoreError> {
        let mut conn = self.reader().await?;
        let values = [text("vault", vault)?, text("id", id)?];
        let rows = conn.fetch(ASKED, &values).await?;
        rows.first()
            .map(|row| {
                let mut record = Record::keyed("inbox", id, row);
                Ok(Asked {
                    principal: record.text("principal")?,
                    answered: record.number("done")? != 0,
                })
            })
            .transpose()
    }

    /// The answer to a request, once there is one.
    ///
    /// # Errors
    /// When the database doesn't answer, or the row is not one of ours.
    pub async fn outcome(&self, inbox_id: &str) -> Result<Option<Outcome>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = conn.fetch(OUTCOME, &[text("inbox_id", inbox_id)?]).await?;
        rows.first()
            .map(|row| {
                let mut record = Record::keyed("outcomes", inbox_id, row);
                Ok(Outcome {
                    inbox_id: inbox_id.to_owned(),
                    status: record.small_number("status")?,
                    body: record.text("body")?,
                })
            })
            .transpose()
    }
}

fn inbox_row(vault: &str, row: &Row) -> Result<InboxRow, StoreError> {
    let mut record = Record::new("inbox", row);
    Ok(InboxRow {
        id: record.key("id")?,
        vault: vault.to_owned(),
        kind: record.text("kind")?,
        principal: record.text("principal")?,
        nonce: record.text("nonce")?,
        at_ms: record.number("at_ms")?,
        request: record.text("request")?.into(),
    })
}

async fn put(
    transaction: &mut Transaction,
    rows: &[Arc<InboxRow>],
) -> Result<Vec<InboxPut>, StoreError> {
    let conn = transaction.conn();
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let taken = conn.fetch(POSITIONS, &[Value::Int(count)]).await?;
    let last: i64 = taken
        .first()
        .ok_or_else(|| StoreError::Row {
            table: "counters",
            key: "inbox".into(),
            column: "name",
            reason: "the row is missing".into(),
        })?
        .get(0)?;
    let mut values = Vec::with_capacity(rows.len().saturating_mul(8));
    for (position, row) in (last.saturating_sub(count).saturating_add(1)..).zip(rows) {
        values.extend([
            text("id", &row.id)?,
            Value::Int(position),
            text("vault", &row.vault)?,
            text("kind", &row.kind)?,
            text("principal", &row.principal)?,
            text("nonce", &row.nonce)?,
            Value::Int(int("at_ms", row.at_ms)?),
            text("request", &row.request)?,
        ]);
    }
    let stored =
        PUT.fetch(conn, &values)
            .await
            .map_err(|error| match Failure::before_commit(&error) {
                Failure::Constraint(what) => StoreError::Constraint {
                    rule: Rule::InboxId,
                    what,
                },
                other => other.into(),
            })?;
    let stored: HashSet<String> = stored
        .iter()
        .map(|row| row.get(0))
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(rows
        .iter()
        .map(|row| {
            if stored.contains(&row.id) {
                InboxPut::Stored
            } else {
                InboxPut::Replayed
            }
        })
        .collect())
}
