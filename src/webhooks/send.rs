//! One try to tell an endpoint of one event of the feed.

use super::{Courier, DeliveryFault, Message, Parts, lanes::Due};
use crate::{
    feed::{FeedRow, envelope},
    store::StoreError,
};

/// What came of one delivery.
pub(super) struct Done {
    pub(super) lane: String,
    pub(super) due: Due,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Arrived,
    Failed(DeliveryFault),
    /// The feed doesn't keep the event any more.
    Pruned,
    /// The database did not say what to deliver.
    Unread(StoreError),
}

/// One try.
pub(super) async fn send(parts: Parts, courier: Courier, lane: String, due: Due) -> Done {
    let before = due.seq.saturating_sub(1);
    let read = parts
        .feed
        .after(&parts.store, &parts.vault, before, 1)
        .await;
    let row = read.map(|rows| rows.into_iter().find(|row| row.seq == due.seq));
    let outcome = match row {
        Err(error) => Outcome::Unread(error),
        Ok(None) => Outcome::Pruned,
        Ok(Some(row)) => {
            let message = message(&parts.vault, &row);
            match courier.deliver(&message, parts.clock.now()).await {
                Ok(()) => Outcome::Arrived,
                Err(fault) => Outcome::Failed(fault),
            }
        }
    };
    Done { lane, due, outcome }
}

/// An event as it is sent. The time in its id tells it from another with its number, after an older database was restored.
fn message(vault: &str, row: &FeedRow) -> Message {
    Message {
        id: format!("evt_{vault}_{}_{}", row.seq, row.at_ms),
        body: envelope(vault, row),
    }
}

/// What must not overtake each other: what is about one thing.
pub(super) fn lane(row: &FeedRow) -> &str {
    row.withdrawal.as_deref().unwrap_or(&row.subject)
}
