//! How long the feed is kept: pruned from its oldest row on, so that what is left is always the end of what the journal tells.

use std::time::Duration;

use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::FeedConfig,
    store::{Store, StoreError},
};

/// Rows that go at once; the commits between aren't kept waiting for more.
const CHUNK: u64 = 1_000;
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
const DAY_MS: u64 = 86_400_000;

/// Prunes the feed, until `stop` says so.
pub async fn keep_within(
    bounds: FeedConfig,
    store: Store,
    vault: String,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        match prune_chunk(&bounds, &store, &vault, clock.now().as_ms()).await {
            // There may be more.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the feed was not pruned"),
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Deletes the oldest [`CHUNK`] rows if all of them are outside of the bounds. The newest row always stays.
///
/// # Errors
/// When the database doesn't answer.
pub async fn prune_chunk(
    bounds: &FeedConfig,
    store: &Store,
    vault: &str,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let Some((first, _)) = store.feed_first(vault, 0).await? else {
        return Ok(false);
    };
    let through = first.saturating_add(CHUNK - 1);
    let last = store.feed_last(vault).await?;
    if through >= last {
        return Ok(false);
    }
    // Times never go back along the feed: as old as the youngest of the chunk, or older.
    let youngest = store.feed_first(vault, through.saturating_sub(1)).await?;
    let too_old =
        |at_ms: u64| at_ms < now_ms.saturating_sub(bounds.keep_days.saturating_mul(DAY_MS));
    let too_many = through <= last.saturating_sub(bounds.keep_rows);
    if !too_many && !youngest.is_some_and(|(_, at_ms)| too_old(at_ms)) {
        return Ok(false);
    }
    store.feed_prune(vault, through).await?;
    store.forget_deliveries(vault, through).await?;
    Ok(true)
}
