//! The index of nonces: each r that a key of the vault signed with, and for what. Invariant: a key has an r once, so that a
//! second signature with it is seen before anybody can see both.

use std::sync::LazyLock;

use super::Store;
use super::bulk::Bulk;
use super::connection::{Row, Transaction, Value};
use super::error::{CommitError, StoreError};
use super::fold::{BatchFault, text};
use super::record::Record;
use super::rows::{Batch, Origin, SignaturePointRow};

pub(super) static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO signature_points (vault, key, r, digest, origin) VALUES ",
        5,
        "",
    )
});
static KNOWN: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "SELECT key, r, digest, origin FROM signature_points WHERE (vault, key, r) IN (VALUES ",
        3,
        ")",
    )
});
const AFTER: &str = "SELECT key, r, digest, origin FROM signature_points \
     WHERE vault = $1 AND (key, r) > ($2, $3) ORDER BY key, r LIMIT $4";
const PAGE: u32 = 1000;

/// Values of whole rows, those of transactions and those of heads apart: what a conflict means is not the same.
#[derive(Debug, Default)]
pub(super) struct Points<'a> {
    pub(super) transactions: Vec<Value<'a>>,
    pub(super) heads: Vec<Value<'a>>,
}

pub(super) fn fold_points(batch: &Batch) -> Result<Points<'_>, BatchFault> {
    let mut points = Points::default();
    for row in &batch.points {
        let rows = if row.origin.is_head() {
            &mut points.heads
        } else {
            &mut points.transactions
        };
        rows.extend(values(&batch.vault, row)?);
    }
    Ok(points)
}

fn values<'a>(vault: &'a str, row: &'a SignaturePointRow) -> Result<[Value<'a>; 5], BatchFault> {
    Ok([
        text("vault", vault)?,
        text("key", &row.key)?,
        Value::Bytes(&row.r),
        Value::Bytes(&row.digest),
        text("origin", row.origin.as_str())?,
    ])
}

impl Store {
    /// Those of the vault's nonces that have the key and the r of one of these, whatever was signed with them.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn known_points(
        &self,
        vault: &str,
        points: &[&SignaturePointRow],
    ) -> Result<Vec<SignaturePointRow>, StoreError> {
        if points.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = Vec::with_capacity(points.len().saturating_mul(3));
        for point in points {
            values.extend([
                text("vault", vault)?,
                text("key", &point.key)?,
                Value::Bytes(&point.r),
            ]);
        }
        let mut conn = self.reader().await?;
        let rows = KNOWN.fetch(&mut conn, &values).await?;
        rows.iter().map(point).collect()
    }

    /// Every nonce of the vault, ordered by key and r.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn all_points(&self, vault: &str) -> Result<Vec<SignaturePointRow>, StoreError> {
        let mut all: Vec<SignaturePointRow> = Vec::new();
        loop {
            let (key, r) = match all.last() {
                Some(last) => (last.key.clone(), last.r.to_vec()),
                None => (String::new(), Vec::new()),
            };
            let values = [
                text("vault", vault)?,
                text("key", &key)?,
                Value::Bytes(&r),
                Value::Int(PAGE.into()),
            ];
            let rows = self.rows(AFTER, &values).await?;
            if rows.is_empty() {
                return Ok(all);
            }
            for row in &rows {
                all.push(point(row)?);
            }
        }
    }

    /// Whether the vault has any nonce on record. A journal without is one that a version without this index wrote.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn has_points(&self, vault: &str) -> Result<bool, StoreError> {
        let (none, one) = (Value::Bytes(&[]), Value::Int(1));
        let values = [text("vault", vault)?, Value::Text(""), none, one];
        Ok(!self.rows(AFTER, &values).await?.is_empty())
    }

    /// Writes the nonces of a journal that has none on record, in one transaction.
    ///
    /// # Errors
    /// See [`CommitError`]; [`CommitError::Constraint`] when a key has an r twice.
    pub async fn put_points(
        &self,
        vault: &str,
        points: &[SignaturePointRow],
    ) -> Result<(), CommitError> {
        let mut inserted = Vec::with_capacity(points.len().saturating_mul(5));
        for row in points {
            inserted.extend(values(vault, row)?);
        }
        let unavailable = |error: sqlx::Error| super::error::Failure::before_commit(&error);
        let mut transaction: Transaction = self.begin().await.map_err(unavailable)?;
        match INSERT.execute(transaction.conn(), &inserted).await {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) => {
                transaction.rollback().await;
                Err(unavailable(error).into())
            }
        }
    }
}

fn point(row: &Row) -> Result<SignaturePointRow, StoreError> {
    let mut record = Record::new("signature_points", row);
    Ok(SignaturePointRow {
        key: record.key("key")?,
        r: record.hash("r")?,
        digest: record.hash("digest")?,
        origin: Origin::stored(record.text("origin")?),
    })
}
