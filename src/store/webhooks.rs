//! What webhook endpoints were told: how far each is, and what it is owed. Invariant: an event is forgotten only in the transaction
//! that knows it delivered, or gives it up on record.

use std::sync::LazyLock;

use super::Store;
use super::bulk::Bulk;
use super::connection::{Conn, Row, Value};
use super::error::StoreError;
use super::fold::{BatchFault, int, text};
use super::record::Record;

static KEEP: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO webhook_deliveries \
         (vault, endpoint, seq, lane, state, failures, since_ms, next_ms, fault) VALUES ",
        9,
        " ON CONFLICT (vault, endpoint, seq) DO UPDATE SET state = excluded.state, \
         failures = excluded.failures, since_ms = excluded.since_ms, next_ms = excluded.next_ms, \
         fault = excluded.fault WHERE webhook_deliveries.since_ms <= excluded.since_ms",
    )
});
/// What is asked for again is owed since later than before, whatever the clock says: so it is told from what a daemon still
/// says of the time before.
static AGAIN: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "INSERT INTO webhook_deliveries \
         (vault, endpoint, seq, lane, state, failures, since_ms, next_ms, fault) VALUES ",
        9,
        " ON CONFLICT (vault, endpoint, seq) DO UPDATE SET state = excluded.state, \
         failures = excluded.failures, next_ms = excluded.next_ms, fault = excluded.fault, \
         since_ms = CASE WHEN webhook_deliveries.since_ms < excluded.since_ms \
         THEN excluded.since_ms ELSE webhook_deliveries.since_ms + 1 END",
    )
});
static DELIVERED: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "DELETE FROM webhook_deliveries WHERE (vault, endpoint, seq, since_ms) IN (VALUES ",
        4,
        ")",
    )
});
const BEGIN: &str = "INSERT INTO webhook_endpoints (vault, endpoint, taken, replays, disabled_ms) \
     VALUES ($1, $2, $3, 0, 0) ON CONFLICT (vault, endpoint) DO NOTHING";
const ENDPOINTS: &str = "SELECT endpoint, taken, replays, disabled_ms FROM webhook_endpoints \
     WHERE vault = $1 ORDER BY endpoint";
const TAKEN: &str = "UPDATE webhook_endpoints SET taken = $3 WHERE vault = $1 AND endpoint = $2";
const REPLAYED: &str =
    "UPDATE webhook_endpoints SET replays = replays + 1 WHERE vault = $1 AND endpoint = $2";
const DISABLED: &str =
    "UPDATE webhook_endpoints SET disabled_ms = $3 WHERE vault = $1 AND endpoint = $2";
const OWED: &str = "SELECT seq, lane, failures, since_ms, next_ms, fault FROM webhook_deliveries \
     WHERE vault = $1 AND endpoint = $2 AND state = $3 AND seq > $4 ORDER BY seq LIMIT $5";
const FORGET: &str =
    "DELETE FROM webhook_deliveries WHERE vault = $1 AND seq <= $2 AND state = 'given_up'";

/// How far an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its id in the configuration.
    pub endpoint: String,
    /// Up to this row of the feed everything was delivered, was not for it, or lies among its deliveries.
    pub taken: u64,
    /// How often somebody asked for something to be told again.
    pub replays: u64,
    /// When it said that it wants no more, Unix milliseconds; 0 if it did not.
    pub disabled_ms: u64,
}

/// Whether a delivery is still tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// It is.
    Due,
    /// It took too long. It stays until it is asked for again, or until the feed no longer has the event.
    GivenUp,
}

impl Owed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::GivenUp => "given_up",
        }
    }
}

/// Something that an endpoint was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The event's number in the feed.
    pub seq: u64,
    /// What it must not overtake others of.
    pub lane: String,
    /// Whether it is still tried.
    pub owed: Owed,
    /// Times that it was tried.
    pub failures: u64,
    /// Since when it is owed, Unix milliseconds.
    pub since_ms: u64,
    /// When it is tried next, Unix milliseconds.
    pub next_ms: u64,
    /// Why it failed last.
    pub fault: Option<String>,
}

/// What changed for an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// How far it is now; unchanged where absent.
    pub taken: Option<u64>,
    /// Deliveries that arrived, or that there is nothing left of to deliver: number, and since when it was owed. What somebody
    /// asked for again meanwhile is owed since later, and stays.
    pub delivered: Vec<(u64, u64)>,
    /// Deliveries to keep as they are now, unless they are owed since later.
    pub kept: Vec<DeliveryRow>,
}

impl Store {
    /// Takes note of an endpoint that is new: it is told what comes after `taken`. One that is known stays as it is.
    ///
    /// # Errors
    /// When the database doesn't take it. So for all writes here.
    pub async fn begin_endpoint(
        &self,
        vault: &str,
        endpoint: &str,
        taken: u64,
    ) -> Result<(), StoreError> {
        self.set(BEGIN, vault, endpoint, ("taken", taken)).await
    }

    /// Every endpoint that was ever told something, by name.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours. So for all reads here.
    pub async fn endpoints(&self, vault: &str) -> Result<Vec<EndpointRow>, StoreError> {
        let rows = self.rows(ENDPOINTS, &[text("vault", vault)?]).await?;
        rows.iter().map(endpoint).collect()
    }

    /// Writes what became of deliveries, in one transaction.
    ///
    /// # Errors
    /// Nothing was written, but on [`StoreError::Unknown`].
    pub async fn settle_deliveries(
        &self,
        vault: &str,
        endpoint: &str,
        settled: &Settled,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        match settle(transaction.conn(), vault, endpoint, settled).await {
            Ok(()) => Ok(transaction.commit().await?),
            Err(error) => {
                transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// Has deliveries made once more, from their first try on, and the daemon look for them.
    ///
    /// # Errors
    /// As [`Store::settle_deliveries`].
    pub async fn replay_deliveries(
        &self,
        vault: &str,
        endpoint: &str,
        rows: &[DeliveryRow],
    ) -> Result<(), StoreError> {
        let place = [text("vault", vault)?, text("endpoint", endpoint)?];
        let mut again = Vec::new();
        for row in rows {
            again.extend(place);
            again.extend(values(row)?);
        }
        let mut transaction = self.begin().await?;
        let conn = transaction.conn();
        let written = match AGAIN.execute(conn, &again).await {
            Ok(_) => conn.execute(REPLAYED, &place).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) => {
                transaction.rollback().await;
                Err(error.into())
            }
        }
    }

    /// Tells an endpoint nothing more from this time on, Unix milliseconds; with 0, goes on where it stopped.
    ///
    /// # Errors
    /// As [`Store::begin_endpoint`].
    pub async fn disable_endpoint(
        &self,
        vault: &str,
        endpoint: &str,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        self.set(DISABLED, vault, endpoint, ("disabled_ms", at_ms))
            .await
    }

    /// At most `limit` deliveries of an endpoint after the event `after`, ascending.
    ///
    /// # Errors
    /// As [`Store::endpoints`].
    pub async fn deliveries(
        &self,
        vault: &str,
        endpoint: &str,
        owed: Owed,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let values = [
            text("vault", vault)?,
            text("endpoint", endpoint)?,
            Value::Text(owed.as_str()),
            Value::Int(int("seq", after)?),
            Value::Int(limit.into()),
        ];
        let rows = self.rows(OWED, &values).await?;
        rows.iter()
            .map(|row| delivery(endpoint, owed, row))
            .collect()
    }

    /// Forgets what was given up of events up to this one, which are no longer kept.
    ///
    /// # Errors
    /// As [`Store::begin_endpoint`].
    pub async fn forget_deliveries(&self, vault: &str, through: u64) -> Result<(), StoreError> {
        let values = [text("vault", vault)?, Value::Int(int("seq", through)?)];
        self.pools.writer().await?.execute(FORGET, &values).await?;
        Ok(())
    }

    async fn set(
        &self,
        sql: &'static str,
        vault: &str,
        endpoint: &str,
        (column, number): (&'static str, u64),
    ) -> Result<(), StoreError> {
        let values = [
            text("vault", vault)?,
            text("endpoint", endpoint)?,
            Value::Int(int(column, number)?),
        ];
        self.pools.writer().await?.execute(sql, &values).await?;
        Ok(())
    }
}

async fn settle(
    conn: &mut Conn,
    vault: &str,
    endpoint: &str,
    settled: &Settled,
) -> Result<(), StoreError> {
    let place = [text("vault", vault)?, text("endpoint", endpoint)?];
    let mut delivered = Vec::new();
    for (seq, since_ms) in &settled.delivered {
        delivered.extend(place);
        delivered.push(Value::Int(int("seq", *seq)?));
        delivered.push(Value::Int(int("since_ms", *since_ms)?));
    }
    let mut kept = Vec::new();
    for row in &settled.kept {
        kept.extend(place);
        kept.extend(values(row)?);
    }
    DELIVERED.execute(conn, &delivered).await?;
    KEEP.execute(conn, &kept).await?;
    if let Some(taken) = settled.taken {
        let [vault, endpoint] = place;
        let values = [vault, endpoint, Value::Int(int("taken", taken)?)];
        conn.execute(TAKEN, &values).await?;
    }
    Ok(())
}

fn values(row: &DeliveryRow) -> Result<[Value<'_>; 7], BatchFault> {
    Ok([
        Value::Int(int("seq", row.seq)?),
        text("lane", &row.lane)?,
        Value::Text(row.owed.as_str()),
        Value::Int(int("failures", row.failures)?),
        Value::Int(int("since_ms", row.since_ms)?),
        Value::Int(int("next_ms", row.next_ms)?),
        Value::OptionalText(row.fault.as_deref()),
    ])
}

fn endpoint(row: &Row) -> Result<EndpointRow, StoreError> {
    let mut record = Record::new("webhook_endpoints", row);
    Ok(EndpointRow {
        endpoint: record.key("endpoint")?,
        taken: record.number("taken")?,
        replays: record.number("replays")?,
        disabled_ms: record.number("disabled_ms")?,
    })
}

fn delivery(endpoint: &str, owed: Owed, row: &Row) -> Result<DeliveryRow, StoreError> {
    let mut record = Record::keyed("webhook_deliveries", endpoint, row);
    let seq = record.number_key("seq")?;
    let lane = record.text("lane")?;
    Ok(DeliveryRow {
        seq,
        lane,
        owed,
        failures: record.number("failures")?,
        since_ms: record.number("since_ms")?,
        next_ms: record.number("next_ms")?,
        fault: record.optional_text("fault")?,
    })
}
