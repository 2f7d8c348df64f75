//! What waits: requests without an answer, and withdrawals that something may still become of. Read by indexes, so it costs
//! what waits and not what ever was.

use std::sync::LazyLock;

use custodyd_chain::OutPoint;

use super::Store;
use super::bulk::Bulk;
use super::connection::Value;
use super::error::StoreError;
use super::fold::text;
use super::record::Record;

/// States from which a withdrawal may still go on.
const OPEN: [&str; 10] = [
    "screening",
    "awaiting_approval",
    "holding",
    "approved",
    "planned",
    "awaiting_cold_signature",
    "signed",
    "broadcast",
    "confirmed",
    "conflicted",
];

const INBOX: &str =
    "SELECT COUNT(*), COALESCE(MIN(at_ms), 0) FROM inbox WHERE vault = $1 AND done = 0";
const STATE: &str = "SELECT COUNT(*), COALESCE(MIN(created_seq), 0) FROM withdrawals \
     WHERE vault = $1 AND state = $2";
const WRITTEN: &str = "SELECT at_ms FROM journal WHERE vault = $1 AND seq = $2";

static RESERVED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "SELECT outpoint FROM outpoint_reservations WHERE (network, outpoint) IN (VALUES ",
        2,
        ")",
    )
});

/// What waits in a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Requests without an answer.
    pub inbox: u64,
    /// When the oldest of them came, Unix milliseconds.
    pub inbox_oldest_ms: Option<u64>,
    /// For each open state, in order.
    pub withdrawals: Vec<OpenWithdrawals>,
}

/// Withdrawals in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWithdrawals {
    /// The state.
    pub state: &'static str,
    /// How many.
    pub many: u64,
    /// When the oldest of them was asked for, Unix milliseconds.
    pub oldest_ms: Option<u64>,
}

impl Store {
    /// What waits in a vault.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn backlog(&self, vault: &str) -> Result<Backlog, StoreError> {
        let (inbox, oldest) = self
            .many_and_least("inbox", INBOX, &[text("vault", vault)?])
            .await?;
        let mut withdrawals = Vec::with_capacity(OPEN.len());
        for state in OPEN {
            let values = [text("vault", vault)?, text("state", state)?];
            let (many, first) = self.many_and_least("withdrawals", STATE, &values).await?;
            let oldest_ms = match many {
                0 => None,
                _ => self.written_at(vault, first).await?,
            };
            withdrawals.push(OpenWithdrawals {
                state,
                many,
                oldest_ms,
            });
        }
        Ok(Backlog {
            inbox,
            inbox_oldest_ms: Some(oldest).filter(|_| inbox > 0),
            withdrawals,
        })
    }

    /// Those of a network's outputs that no transaction of any vault ever took.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn unreserved(
        &self,
        network: &str,
        outpoints: &[OutPoint],
    ) -> Result<Vec<OutPoint>, StoreError> {
        if outpoints.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<String> = outpoints.iter().map(ToString::to_string).collect();
        let mut values = Vec::with_capacity(named.len().saturating_mul(2));
        for outpoint in &named {
            values.extend([text("network", network)?, text("outpoint", outpoint)?]);
        }
        let mut conn = self.reader().await?;
        let rows = RESERVED.fetch(&mut conn, &values).await?;
        let mut reserved = std::collections::BTreeSet::new();
        for row in &rows {
            reserved.insert(Record::new("outpoint_reservations", row).key("outpoint")?);
        }
        let free = outpoints.iter().zip(&named);
        Ok(free
            .filter(|(_, name)| !reserved.contains(*name))
            .map(|(outpoint, _)| *outpoint)
            .collect())
    }

    async fn many_and_least(
        &self,
        table: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(u64, u64), StoreError> {
        let rows = self.rows(sql, values).await?;
        let Some(row) = rows.first() else {
            return Ok((0, 0));
        };
        let mut record = Record::new(table, row);
        Ok((record.number("count")?, record.number("min")?))
    }

    async fn written_at(&self, vault: &str, seq: u64) -> Result<Option<u64>, StoreError> {
        let seq = Value::Int(super::fold::int("seq", seq)?);
        let rows = self.rows(WRITTEN, &[text("vault", vault)?, seq]).await?;
        rows.first()
            .map(|row| Record::new("journal", row).number("at_ms"))
            .transpose()
    }
}
