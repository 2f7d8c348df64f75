//! The feed's rows: appended by commits, read in pages, pruned from the oldest on. Invariant: rows of a vault are numbered without a
//! gap from the oldest that is kept to the newest.

use std::sync::LazyLock;

use super::Store;
use super::bulk::Bulk;
use super::connection::{Row, Value};
use super::error::{CommitError, Failure, StoreError};
use super::fold::{BatchFault, int, text};
use super::record::Record;

pub(super) static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO feed (vault, seq, journal_seq, at_ms, type, subject, withdrawal, client, document) VALUES ",
        9,
        "",
    )
});
const AFTER: &str = "SELECT seq, journal_seq, at_ms, type, subject, withdrawal, client, document FROM feed \
     WHERE vault = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";
// Of each end a row, found by the primary key.
const FIRST: &str =
    "SELECT seq, at_ms FROM feed WHERE vault = $1 AND seq > $2 ORDER BY seq LIMIT 1";
const LAST: &str = "SELECT seq FROM feed WHERE vault = $1 ORDER BY seq DESC LIMIT 1";
const PRUNE: &str = "DELETE FROM feed WHERE vault = $1 AND seq <= $2";
const CUT: &str = "DELETE FROM feed WHERE vault = $1 AND seq > $2";

/// One thing that outsiders may hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its place in the feed, from 1 without a gap.
    pub seq: u64,
    /// The event of the journal that it tells of.
    pub journal_seq: u64,
    /// When that was decided, Unix milliseconds.
    pub at_ms: u64,
    /// Its type, such as `withdrawal.final`.
    pub kind: String,
    /// What it is about, by id.
    pub subject: String,
    /// The withdrawal that it is about, if it is about one.
    pub withdrawal: Option<String>,
    /// Whose withdrawal that is, if it is a client's.
    pub client: Option<String>,
    /// What there is to know, a JSON object.
    pub document: String,
}

/// Values of whole rows.
pub(super) fn values<'a>(
    vault: &'a str,
    rows: &'a [FeedRow],
) -> Result<Vec<Value<'a>>, BatchFault> {
    let mut values = Vec::with_capacity(rows.len().saturating_mul(9));
    for row in rows {
        values.extend([
            text("vault", vault)?,
            Value::Int(int("seq", row.seq)?),
            Value::Int(int("journal_seq", row.journal_seq)?),
            Value::Int(int("at_ms", row.at_ms)?),
            text("type", &row.kind)?,
            text("subject", &row.subject)?,
            Value::OptionalText(row.withdrawal.as_deref()),
            Value::OptionalText(row.client.as_deref()),
            text("document", &row.document)?,
        ]);
    }
    Ok(values)
}

impl Store {
    /// At most `limit` rows after `after` and up to `through`, ascending.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours. So for all reads.
    pub async fn feed(
        &self,
        vault: &str,
        after: u64,
        through: u64,
        limit: u32,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let values = [
            text("vault", vault)?,
            Value::Int(int("seq", after)?),
            Value::Int(through),
            Value::Int(limit.into()),
        ];
        let rows = self.rows(AFTER, &values).await?;
        rows.iter().map(row).collect()
    }

    /// Number and time of the oldest row after `after`.
    ///
    /// # Errors
    /// As for [`Store::feed`].
    pub async fn feed_first(
        &self,
        vault: &str,
        after: u64,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let values = [text("vault", vault)?, Value::Int(int("seq", after)?)];
        let rows = self.rows(FIRST, &values).await?;
        rows.first()
            .map(|row| {
                let mut record = Record::new("feed", row);
                Ok((record.number_key("seq")?, record.number("at_ms")?))
            })
            .transpose()
    }

    /// The newest row's number; 0 without any.
    ///
    /// # Errors
    /// As for [`Store::feed`].
    pub async fn feed_last(&self, vault: &str) -> Result<u64, StoreError> {
        let rows = self.rows(LAST, &[text("vault", vault)?]).await?;
        rows.first()
            .map_or(Ok(0), |row| Record::new("feed", row).number_key("seq"))
    }

    /// Deletes the rows up to this one, and says how many there were. What is left is still the feed's end.
    ///
    /// # Errors
    /// When the database doesn't take it.
    pub async fn feed_prune(&self, vault: &str, through: u64) -> Result<u64, StoreError> {
        let values = [text("vault", vault)?, Value::Int(int("seq", through)?)];
        let mut conn = self.pools.writer().await?;
        Ok(conn.execute(PRUNE, &values).await?)
    }

    /// Makes the stored feed end as the journal says: `rows` follow on what is kept up to `from`, and what is stored after
    /// that goes. Returns how many went.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing was changed but on `Unknown`.
    pub async fn feed_mend(
        &self,
        vault: &str,
        from: u64,
        rows: &[FeedRow],
    ) -> Result<u64, CommitError> {
        let inserted = values(vault, rows)?;
        let kept = [text("vault", vault)?, Value::Int(int("seq", from)?)];
        let unavailable = |error: sqlx::Error| Failure::before_commit(&error);
        let mut transaction = self.begin().await.map_err(unavailable)?;
        let conn = transaction.conn();
        let changed = match conn.execute(CUT, &kept).await {
            Ok(gone) => INSERT.execute(conn, &inserted).await.map(|_| gone),
            Err(error) => Err(error),
        };
        match changed {
            Ok(gone) => {
                transaction.commit().await?;
                Ok(gone)
            }
            Err(error) => {
                transaction.rollback().await;
                Err(unavailable(error).into())
            }
        }
    }
}

fn row(row: &Row) -> Result<FeedRow, StoreError> {
    let mut record = Record::new("feed", row);
    Ok(FeedRow {
        seq: record.number_key("seq")?,
        journal_seq: record.number("journal_seq")?,
        at_ms: record.number("at_ms")?,
        kind: record.text("type")?,
        subject: record.text("subject")?,
        withdrawal: record.optional_text("withdrawal")?,
        client: record.optional_text("client")?,
        document: record.text("document")?,
    })
}
