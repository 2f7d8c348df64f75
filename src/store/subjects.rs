//! Which commits speak of what: the index by which the journal is searched. A commit is named by its head's sequence number,
//! so that a busy one costs a row for each subject and not for each event.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Store;
use super::bulk::Bulk;
use super::connection::{Row, Value};
use super::error::{CommitError, Failure, StoreError};
use super::fold::{BatchFault, int, text};
use super::record::Record;
use super::rows::{Batch, Projection};
use super::{HeadRow, JournalRow, samples};

pub(super) static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO subjects (vault, subject, head_seq) VALUES ",
        3,
        " ON CONFLICT (vault, subject, head_seq) DO NOTHING",
    )
});
const COMMITS: &str = "SELECT head_seq FROM subjects \
     WHERE vault = $1 AND subject = $2 AND head_seq <= $3 ORDER BY head_seq DESC LIMIT $4";
const AFTER: &str = "SELECT subject, head_seq FROM subjects \
     WHERE vault = $1 AND (subject, head_seq) > ($2, $3) ORDER BY subject, head_seq LIMIT $4";
const ROWS_BACK: &str = "SELECT seq, vault, at_ms, kind, event, prev_hash, hash FROM journal \
     WHERE vault = $1 AND seq <= $2 AND seq > $3 ORDER BY seq DESC LIMIT $4";
const HEAD_FROM: &str = "SELECT seq, vault, at_ms, hash, signature FROM heads \
     WHERE vault = $1 AND seq >= $2 ORDER BY seq LIMIT 1";
const HEAD_BEFORE: &str = "SELECT seq, vault, at_ms, hash, signature FROM heads \
     WHERE vault = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1";
const PAGE: u32 = 1000;

impl Store {
    /// The newest commits up to that of head `through` which speak of the subject, newest first, by their heads' numbers.
    ///
    /// # Errors
    /// As for [`Store::last_head`], for all reads of this file.
    pub async fn commits_about(
        &self,
        vault: &str,
        subject: &str,
        through: u64,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        let values = [
            text("vault", vault)?,
            text("subject", subject)?,
            Value::Int(int("head_seq", through)?),
            Value::Int(limit.into()),
        ];
        let rows = self.rows(COMMITS, &values).await?;
        rows.iter()
            .map(|row| Record::keyed("subjects", subject, row).number("head_seq"))
            .collect()
    }

    /// At most `limit` journal rows from `through` down, and none at or below `floor`, newest first.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn journal_back(
        &self,
        vault: &str,
        through: u64,
        floor: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let values = [
            text("vault", vault)?,
            Value::Int(int("seq", through)?),
            Value::Int(int("seq", floor)?),
            Value::Int(limit.into()),
        ];
        let rows = self.rows(ROWS_BACK, &values).await?;
        rows.iter().map(super::history::journal).collect()
    }

    /// The head of the commit that holds row `seq`: the first at or after it.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn head_over(&self, vault: &str, seq: u64) -> Result<Option<HeadRow>, StoreError> {
        self.one_head(HEAD_FROM, vault, seq).await
    }

    /// The last head before row `seq`.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn head_before(&self, vault: &str, seq: u64) -> Result<Option<HeadRow>, StoreError> {
        self.one_head(HEAD_BEFORE, vault, seq).await
    }

    /// The first row that is not before `at_ms`; one past the last if all are. Times never go back in a journal, so a few
    /// looks suffice.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn seq_at(&self, vault: &str, at_ms: u64) -> Result<u64, StoreError> {
        let last = self.last_head(vault).await?.map_or(0, |head| head.seq);
        let (mut low, mut high) = (1, last.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            let row = self.journal(vault, middle.saturating_sub(1), 1).await?;
            match row.first() {
                Some(row) if row.at_ms < at_ms => low = row.seq.saturating_add(1),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Whether the vault's journal is indexed. One without is one that a version without this index wrote.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn has_subjects(&self, vault: &str) -> Result<bool, StoreError> {
        let (none, one) = (Value::Int(0), Value::Int(1));
        let values = [text("vault", vault)?, Value::Text(""), none, one];
        Ok(!self.rows(AFTER, &values).await?.is_empty())
    }

    /// Writes the samples and subjects of a journal that was written without, in one transaction.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn put_history(&self, vault: &str, rows: &[Projection]) -> Result<(), CommitError> {
        let mut taken = History::default();
        for row in rows {
            taken.take(vault, row)?;
        }
        let unavailable = |error: sqlx::Error| Failure::before_commit(&error);
        let mut transaction = self.begin().await.map_err(unavailable)?;
        let conn = transaction.conn();
        let mut written = samples::INSERT.execute(conn, &taken.samples).await;
        if written.is_ok() {
            written = INSERT.execute(conn, &taken.subjects).await;
        }
        match written {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) => {
                transaction.rollback().await;
                Err(unavailable(error).into())
            }
        }
    }

    /// Every subject and commit, sorted.
    pub(super) async fn subjects_dump(&self, vault: &str) -> Result<Vec<Projection>, StoreError> {
        let mut all = Vec::new();
        let (mut subject, mut head_seq) = (String::new(), 0);
        loop {
            let values = [
                text("vault", vault)?,
                text("subject", &subject)?,
                Value::Int(int("head_seq", head_seq)?),
                Value::Int(PAGE.into()),
            ];
            let rows = self.rows(AFTER, &values).await?;
            if rows.is_empty() {
                return Ok(all);
            }
            for row in &rows {
                let mut record = Record::new("subjects", row);
                subject = record.key("subject")?;
                head_seq = record.number_key("head_seq")?;
                all.push(Projection::Subject {
                    subject: subject.clone(),
                    head_seq,
                });
            }
        }
    }

    async fn one_head(
        &self,
        sql: &'static str,
        vault: &str,
        seq: u64,
    ) -> Result<Option<HeadRow>, StoreError> {
        let values = [text("vault", vault)?, Value::Int(int("seq", seq)?)];
        let rows: Vec<Row> = self.rows(sql, &values).await?;
        rows.first().map(super::history::head).transpose()
    }
}

/// Values of whole rows of both tables.
#[derive(Debug, Default)]
pub(super) struct History<'a> {
    pub(super) samples: Vec<Value<'a>>,
    pub(super) subjects: Vec<Value<'a>>,
}

impl<'a> History<'a> {
    /// Those of a batch. Of one row written twice the last counts.
    pub(super) fn of(batch: &'a Batch) -> Result<Self, BatchFault> {
        let (mut history, mut written) = (Self::default(), HashSet::new());
        for row in batch.projections.iter().rev() {
            let first = match row {
                Projection::Sample { series, at_ms, .. } => {
                    written.insert(("sample", series, *at_ms))
                }
                Projection::Subject { subject, head_seq } => {
                    written.insert(("subject", subject, *head_seq))
                }
                _ => false,
            };
            if first {
                history.take(&batch.vault, row)?;
            }
        }
        Ok(history)
    }

    /// Takes the row in, if it is of one of the two.
    fn take(&mut self, vault: &'a str, row: &'a Projection) -> Result<(), BatchFault> {
        match row {
            Projection::Sample {
                series,
                at_ms,
                units,
            } => self.samples.extend([
                text("vault", vault)?,
                text("series", series)?,
                Value::Int(int("at_ms", *at_ms)?),
                text("units", units)?,
            ]),
            Projection::Subject { subject, head_seq } => self.subjects.extend([
                text("vault", vault)?,
                text("subject", subject)?,
                Value::Int(int("head_seq", *head_seq)?),
            ]),
            _ => {}
        }
        Ok(())
    }
}
