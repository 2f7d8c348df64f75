//! Reads of the queue of payouts that wait for people: riskiest first, then oldest. Invariant: a page costs what is in the
//! index of waiting payouts, never what is in the table.

use super::Store;
use super::connection::{Row, Value};
use super::error::StoreError;
use super::fold::{int, text};
use super::record::Record;

/// Each name stands between two spaces, and no name holds one. `replace` compares byte for byte on both databases, as LIKE
/// does not.
macro_rules! spots {
    ($asked:literal) => {
        concat!(
            "SELECT id, queue_rank, created_seq FROM withdrawals \
             WHERE vault = $1 AND asked IS NOT NULL AND (queue_rank, created_seq, id) > ($2, $3, $4) \
             AND replace(asked, $5, '') ",
            $asked,
            " asked ORDER BY queue_rank, created_seq, id LIMIT $6"
        )
    };
}
const MINE: &str = spots!("<>");
const OTHERS: &str = spots!("=");
const COUNT: &str = "SELECT COUNT(*), COUNT(CASE WHEN replace(asked, $2, '') <> asked THEN 1 END) \
     FROM withdrawals WHERE vault = $1 AND asked IS NOT NULL";

/// Whose part of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFor {
    /// What waits for this person.
    Them,
    /// What waits for others alone.
    Others,
}

/// A payout's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpot {
    /// The payout.
    pub id: String,
    /// The lowest comes first.
    pub rank: u64,
    /// Of equal ranks the oldest comes first.
    pub created_seq: u64,
}

/// How many payouts wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueCount {
    /// For anybody.
    pub all: u64,
    /// For one person.
    pub theirs: u64,
}

impl Store {
    /// At most `limit` payouts that wait for `operator`, or only for others, from behind `after` on.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn queue(
        &self,
        vault: &str,
        operator: &str,
        part: QueueFor,
        after: Option<&QueueSpot>,
        limit: u32,
    ) -> Result<Vec<QueueSpot>, StoreError> {
        let name = format!(" {operator} ");
        let (rank, seq, id) = match after {
            Some(spot) => (
                int("queue_rank", spot.rank)?,
                int("created_seq", spot.created_seq)?,
                spot.id.as_str(),
            ),
            None => (-1, -1, ""),
        };
        let values = [
            text("vault", vault)?,
            Value::Int(rank),
            Value::Int(seq),
            text("id", id)?,
            text("operator", &name)?,
            Value::Int(i64::from(limit)),
        ];
        let sql = match part {
            QueueFor::Them => MINE,
            QueueFor::Others => OTHERS,
        };
        self.rows(sql, &values).await?.iter().map(spot).collect()
    }

    /// How many payouts wait for anybody, and how many for `operator`.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn queue_count(&self, vault: &str, operator: &str) -> Result<QueueCount, StoreError> {
        let name = format!(" {operator} ");
        let values = [text("vault", vault)?, text("operator", &name)?];
        let rows = self.rows(COUNT, &values).await?;
        let Some(row) = rows.first() else {
            return Ok(QueueCount { all: 0, theirs: 0 });
        };
        let mut record = Record::keyed("withdrawals", vault, row);
        Ok(QueueCount {
            all: record.number("count")?,
            theirs: record.number("count")?,
        })
    }
}

fn spot(row: &Row) -> Result<QueueSpot, StoreError> {
    let mut record = Record::new("withdrawals", row);
    Ok(QueueSpot {
        id: record.key("id")?,
        rank: record.number("queue_rank")?,
        created_seq: record.number("created_seq")?,
    })
}
