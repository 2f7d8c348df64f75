//! Telling an endpoint again what it was told, or was not told in the end.

use crate::{
    feed::Audience,
    store::{DeliveryRow, Owed, Store, StoreError},
};

use super::send::lane;

const PAGE: u32 = 512;

/// What is told again. What would come anyway is not told twice for it, unless it comes before the daemon has looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// What was given up.
    GivenUp,
    /// Everything from this event on.
    From(u64),
    /// Everything about a withdrawal.
    Withdrawal(String),
    /// Everything since a time, Unix milliseconds.
    Since(u64),
}

/// Has the daemon tell it again, in order, from the first try on; says how many events that are.
///
/// # Errors
/// When the database doesn't answer.
pub async fn replay(
    store: &Store,
    vault: &str,
    endpoint: &str,
    audience: &Audience,
    which: &Which,
    now_ms: u64,
) -> Result<u64, StoreError> {
    let again = |seq: u64, lane: &str| DeliveryRow {
        seq,
        lane: lane.to_owned(),
        owed: Owed::Due,
        failures: 0,
        since_ms: now_ms,
        next_ms: 0,
        fault: None,
    };
    let mut count = 0_u64;
    let mut after = match which {
        Which::From(seq) => seq.saturating_sub(1),
        _ => 0,
    };
    loop {
        let rows: Vec<DeliveryRow> = if *which == Which::GivenUp {
            let rows = store
                .deliveries(vault, endpoint, Owed::GivenUp, after, PAGE)
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            rows.iter().map(|row| again(row.seq, &row.lane)).collect()
        } else {
            let rows = store.feed(vault, after, u64::MAX, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            let meant = rows.iter().filter(|row| {
                audience.hears(row)
                    && match which {
                        Which::Withdrawal(id) => row.withdrawal.as_ref() == Some(id),
                        Which::Since(at_ms) => row.at_ms >= *at_ms,
                        Which::From(_) | Which::GivenUp => true,
                    }
            });
            meant.map(|row| again(row.seq, lane(row))).collect()
        };
        count = count.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        if !rows.is_empty() {
            store.replay_deliveries(vault, endpoint, &rows).await?;
        }
    }
    Ok(count)
}
