//! Reads of the journal and its heads. Invariant: a row is either what was written or an error that
//! names it.

use super::connection::{Row, Value};
use super::error::StoreError;
use super::fold::{int, text};
use super::record::Record;
use super::{HeadRow, JournalRow, Store};

const JOURNAL: &str = "SELECT seq, vault, at_ms, kind, event, prev_hash, hash FROM journal \
     WHERE vault = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const HEADS: &str = "SELECT seq, vault, at_ms, hash, signature FROM heads \
     WHERE vault = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const LAST_HEAD: &str = "SELECT seq, vault, at_ms, hash, signature FROM heads \
     WHERE vault = $1 ORDER BY seq DESC LIMIT 1";
const VAULTS: &str = "SELECT vault FROM vaults UNION SELECT vault FROM journal \
     UNION SELECT vault FROM heads ORDER BY 1";

impl Store {
    /// The vault's last signed head; none before the first commit.
    ///
    /// # Errors
    /// When the database doesn't answer, or the row is not one of ours. So for all reads.
    pub async fn last_head(&self, vault: &str) -> Result<Option<HeadRow>, StoreError> {
        let rows = self.rows(LAST_HEAD, &[text("vault", vault)?]).await?;
        rows.first().map(head).transpose()
    }

    /// At most `limit` heads after `after_seq`, ascending.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn heads(
        &self,
        vault: &str,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<HeadRow>, StoreError> {
        self.after(
            HEADS,
            vault,
            Value::Int(int("seq", after_seq)?),
            limit,
            head,
        )
        .await
    }

    /// At most `limit` journal rows after `after_seq`, ascending.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn journal(
        &self,
        vault: &str,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let after = Value::Int(int("seq", after_seq)?);
        self.after(JOURNAL, vault, after, limit, journal).await
    }

    /// The vault's first journal row and first head, whatever their sequence numbers: a row hidden below
    /// the journal's start would never come up when paging from there.
    pub(super) async fn firsts(
        &self,
        vault: &str,
    ) -> Result<(Option<JournalRow>, Option<HeadRow>), StoreError> {
        let below_all = Value::Int(i64::MIN);
        let rows = self.after(JOURNAL, vault, below_all, 1, journal).await?;
        let heads = self.after(HEADS, vault, below_all, 1, head).await?;
        Ok((rows.into_iter().next(), heads.into_iter().next()))
    }

    /// Every vault that any journal row, head or commit names, by name. Walks the journal's index.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn vaults(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(VAULTS, &[]).await?;
        rows.iter()
            .map(|row| Record::new("vaults", row).key("vault"))
            .collect()
    }

    pub(super) async fn rows(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.reader().await?.fetch(sql, values).await?)
    }

    pub(super) async fn one<T>(
        &self,
        sql: &'static str,
        vault: &str,
        id: &str,
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let values = [text("vault", vault)?, text("id", id)?];
        self.rows(sql, &values).await?.first().map(read).transpose()
    }

    pub(super) async fn after<T>(
        &self,
        sql: &'static str,
        vault: &str,
        after: Value<'_>,
        limit: u32,
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let values = [text("vault", vault)?, after, Value::Int(limit.into())];
        self.rows(sql, &values).await?.iter().map(read).collect()
    }
}

pub(super) fn journal(row: &Row) -> Result<JournalRow, StoreError> {
    let mut record = Record::new("journal", row);
    Ok(JournalRow {
        seq: record.number_key("seq")?,
        vault: record.key("vault")?,
        at_ms: record.number("at_ms")?,
        kind: record.text("kind")?,
        event: record.text("event")?,
        prev_hash: record.hash("prev_hash")?,
        hash: record.hash("hash")?,
    })
}

pub(super) fn head(row: &Row) -> Result<HeadRow, StoreError> {
    let mut record = Record::new("heads", row);
    Ok(HeadRow {
        seq: record.number_key("seq")?,
        vault: record.key("vault")?,
        at_ms: record.number("at_ms")?,
        hash: record.hash("hash")?,
        signature: record.bytes("signature")?,
    })
}
