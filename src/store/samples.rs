//! Sums over time, as the console draws them: what wallets held, and what was paid in all. Invariant: a series has one row
//! for each [`SAMPLE_MS`], the last one written, and rows older than [`SAMPLES_KEPT_MS`] count for nothing.

use std::sync::LazyLock;

use super::Store;
use super::bulk::Bulk;
use super::connection::{Conn, Row, Value};
use super::error::StoreError;
use super::fold::{int, text};
use super::record::Record;
use super::rows::{Batch, Projection};

/// One sample a series and ten minutes.
pub const SAMPLE_MS: u64 = 10 * 60 * 1000;
/// Samples are kept for 400 days.
pub const SAMPLES_KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1000;

pub(super) static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO samples (vault, series, at_ms, units) VALUES ",
        4,
        " ON CONFLICT (vault, series, at_ms) DO UPDATE SET units = excluded.units",
    )
});
const PRUNE: &str = "DELETE FROM samples WHERE vault = $1 AND at_ms < $2";
const SERIES: &str = "SELECT series, at_ms, units FROM samples \
     WHERE vault = $1 AND series = $2 AND at_ms >= $3 ORDER BY at_ms LIMIT $4";
const BEFORE: &str = "SELECT series, at_ms, units FROM samples \
     WHERE vault = $1 AND series = $2 AND at_ms < $3 ORDER BY at_ms DESC LIMIT 1";
const AFTER: &str = "SELECT series, at_ms, units FROM samples \
     WHERE vault = $1 AND (series, at_ms) > ($2, $3) ORDER BY series, at_ms LIMIT $4";
/// A year of ten minutes.
const MOST: u32 = 53_000;
const PAGE: u32 = 1000;

/// One sum at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRow {
    /// `wallet/<id>` or `outflow/<asset>`.
    pub series: String,
    /// When its ten minutes began, Unix milliseconds.
    pub at_ms: u64,
    /// Base units of the asset, in decimal.
    pub units: String,
}

/// The oldest sample that counts when the journal's last head is of `now_ms`.
pub fn samples_since(now_ms: u64) -> u64 {
    now_ms.saturating_sub(SAMPLES_KEPT_MS)
}

/// Takes out what is too old, in a commit that brings new ones.
pub(super) async fn prune(conn: &mut Conn, batch: &Batch) -> Result<(), sqlx::Error> {
    let since = i64::try_from(samples_since(batch.head.at_ms)).unwrap_or(i64::MAX);
    let values = [Value::Text(&batch.vault), Value::Int(since)];
    conn.execute(PRUNE, &values).await.map(drop)
}

impl Store {
    /// A series from `since_ms` on, oldest first, with the last value before it in front: what it stood at when the time began.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn samples(
        &self,
        vault: &str,
        series: &str,
        since_ms: u64,
    ) -> Result<Vec<SampleRow>, StoreError> {
        let (vault, series) = (text("vault", vault)?, text("series", series)?);
        let since = Value::Int(int("at_ms", since_ms)?);
        let mut found = self.rows(BEFORE, &[vault, series, since]).await?;
        let values = [vault, series, since, Value::Int(MOST.into())];
        found.extend(self.rows(SERIES, &values).await?);
        found.iter().map(sample).collect()
    }

    /// Every sample of the vault that isn't too old for a journal whose last head is of `now_ms`.
    pub(super) async fn samples_dump(
        &self,
        vault: &str,
        now_ms: u64,
    ) -> Result<Vec<SampleRow>, StoreError> {
        let mut all = Vec::new();
        let (mut series, mut at_ms) = (String::new(), 0);
        loop {
            let values = [
                text("vault", vault)?,
                text("series", &series)?,
                Value::Int(int("at_ms", at_ms)?),
                Value::Int(PAGE.into()),
            ];
            let rows = self.rows(AFTER, &values).await?;
            for row in &rows {
                let row = sample(row)?;
                (series, at_ms) = (row.series.clone(), row.at_ms);
                all.push(row);
            }
            if rows.is_empty() {
                all.retain(|row| row.at_ms >= samples_since(now_ms));
                return Ok(all);
            }
        }
    }
}

fn sample(row: &Row) -> Result<SampleRow, StoreError> {
    let mut record = Record::new("samples", row);
    Ok(SampleRow {
        series: record.key("series")?,
        at_ms: record.number_key("at_ms")?,
        units: record.text("units")?,
    })
}

impl From<SampleRow> for Projection {
    fn from(row: SampleRow) -> Self {
        Self::Sample {
            series: row.series,
            at_ms: row.at_ms,
            units: row.units,
        }
    }
}
