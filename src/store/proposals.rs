//! Reads of proposals, as `views.rs` does it for everything else.

use super::Store;
use super::connection::{Row, Value};
use super::cursor::Cursor;
use super::error::StoreError;
use super::fold::text;
use super::record::Record;
use super::rows::{Page, ProposalRow};
use super::views::{newest_from, page};

macro_rules! proposals {
    ($($condition:literal),*) => {
        concat!(
            "SELECT id, state, created_seq, document FROM proposals WHERE vault = $1",
            $($condition),*
        )
    };
}
const ONE: &str = proposals!(" AND id = $2");
const ALL: &str =
    proposals!(" AND (created_seq, id) < ($2, $3) ORDER BY created_seq DESC, id DESC LIMIT $4");
const BY_STATE: &str = proposals!(
    " AND (created_seq, id) < ($2, $3) AND state = $5 ORDER BY created_seq DESC, id DESC LIMIT $4"
);

impl Store {
    /// One proposal.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn proposal(&self, vault: &str, id: &str) -> Result<Option<ProposalRow>, StoreError> {
        self.one(ONE, vault, id, proposal).await
    }

    /// Proposals of a vault, newest first, from `cursor` on; only those in `state`, if it is given.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn proposals(
        &self,
        vault: &str,
        state: Option<&str>,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<ProposalRow>, StoreError> {
        let mut values: Vec<Value<'_>> = newest_from(vault, cursor, limit)?;
        let sql = match state {
            Some(state) => {
                values.push(text("state", state)?);
                BY_STATE
            }
            None => ALL,
        };
        let rows = self.rows(sql, &values).await?;
        page(&rows, limit, proposal, |row| (row.created_seq, &row.id))
    }
}

fn proposal(row: &Row) -> Result<ProposalRow, StoreError> {
    let mut record = Record::new("proposals", row);
    Ok(ProposalRow {
        id: record.key("id")?,
        state: record.text("state")?,
        created_seq: record.number("created_seq")?,
        document: record.text("document")?,
    })
}
