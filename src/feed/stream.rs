//! Following the feed as server-sent events (WHATWG HTML, §9.2): `event:` is a row's type, `id:` its number, `data:` its
//! envelope. Each follower has a task, a short queue and a time limit; whoever doesn't read in time is cut off and comes back
//! with the last id.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::{document::envelope, live::Feed};
use crate::store::{FeedRow, Store, StoreError};

/// Followers at a time, of one name and in all.
const MOST_OF_ONE: usize = 16;
const MOST: usize = 512;
/// Frames that wait for a follower at most.
const QUEUE: usize = 64;
/// How soon a follower should come back, milliseconds.
const RETRY_MS: u64 = 1_000;
const PAGE: u32 = 256;

/// Whose events, and which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Only events of these clients' withdrawals; all where there is none.
    pub clients: Vec<String>,
    /// Only these types, or all that begin so: `withdrawal.*`; all where there is none.
    pub types: Vec<String>,
}

impl Audience {
    /// A client: it hears of its own withdrawals.
    pub fn client(id: &str) -> Self {
        Self {
            clients: vec![id.to_owned()],
            types: Vec::new(),
        }
    }

    /// Whether this is for them.
    pub fn hears(&self, row: &FeedRow) -> bool {
        let theirs = |client: &String| row.client.as_ref() == Some(client);
        let such = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => row.kind.starts_with(beginning),
            None => row.kind == *pattern,
        };
        (self.clients.is_empty() || self.clients.iter().any(theirs))
            && (self.types.is_empty() || self.types.iter().any(such))
    }
}

/// How long a stream waits, and lasts.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// For a follower to take a frame when the queue is full.
    patience: Duration,
    /// Until a follower hears something, so that both sides see that the other is there.
    heartbeat: Duration,
    /// In all: it ends by itself before its connection is ended for its age.
    longest: Duration,
}

const PACE: Pace = Pace {
    patience: Duration::from_secs(20),
    heartbeat: Duration::from_secs(15),
    longest: Duration::from_secs(540),
};

/// Who follows.
pub struct Follower {
    /// Under which name places are counted.
    pub name: String,
    /// What they may hear.
    pub audience: Audience,
    /// Whether they still may: asked before anything is sent.
    pub still: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Too many already.
    #[error("{0} has {MOST_OF_ONE} streams open, or there are {MOST} in all; close one")]
    Full(String),
    /// What comes next is no longer kept.
    #[error(
        "events after {after} are no longer kept; the oldest is {first}. Read the lists, then follow from the newest"
    )]
    Gone {
        /// Where it was to begin.
        after: u64,
        /// The oldest row.
        first: u64,
    },
    /// There is no such event yet: the database was restored from an older copy, or it is another vault's.
    #[error(
        "there is no event {after}: the newest is {last}. Read the lists, then follow from the newest"
    )]
    Ahead {
        /// Where it was to begin.
        after: u64,
        /// The newest row.
        last: u64,
    },
    /// The database's.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Places for followers. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeMap<String, usize>>>);

/// A place, given back when it is dropped.
struct Seat(Seats, String);

impl Seats {
    fn take(&self, name: &str) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = taken.values().sum();
        let own = taken.get(name).copied().unwrap_or_default();
        if total >= MOST || own >= MOST_OF_ONE {
            return None;
        }
        taken.insert(name.to_owned(), own.saturating_add(1));
        gauge(total.saturating_add(1));
        Some(Seat(self.clone(), name.to_owned()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self(Seats(taken), name) = self;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(name) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(taken.remove(name)),
        }
        gauge(taken.values().sum());
    }
}

fn gauge(open: usize) {
    metrics::gauge!("custodyd_event_streams").set(u32::try_from(open).unwrap_or(u32::MAX));
}

/// The text of a stream, piece by piece. It ends when it is time to come back.
#[derive(Debug)]
pub struct Frames(mpsc::Receiver<String>);

impl Stream for Frames {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<String>> {
        self.0.poll_recv(context)
    }
}

/// Follows the feed after a row, or from now on.
///
/// # Errors
/// See [`Refusal`].
pub async fn follow(
    feed: &Feed,
    store: &Store,
    vault: &str,
    follower: Follower,
    after: Option<u64>,
) -> Result<Frames, Refusal> {
    follow_at(PACE, feed, store, vault, follower, after).await
}

async fn follow_at(
    pace: Pace,
    feed: &Feed,
    store: &Store,
    vault: &str,
    follower: Follower,
    after: Option<u64>,
) -> Result<Frames, Refusal> {
    let last = feed.last();
    if let Some(after) = after {
        if after > last {
            return Err(Refusal::Ahead { after, last });
        }
        let first = store.feed_first(vault, 0).await?;
        if let Some((first, _)) = first.filter(|(first, _)| after.saturating_add(1) < *first) {
            return Err(Refusal::Gone { after, first });
        }
    }
    let full = || Refusal::Full(follower.name.clone());
    let seat = feed.seats.take(&follower.name).ok_or_else(full)?;
    let (frames, receiver) = mpsc::channel(QUEUE);
    let task = Task {
        feed: feed.clone(),
        store: store.clone(),
        vault: vault.to_owned(),
        follower,
        frames,
        pace,
        at: after.unwrap_or(last),
        _seat: seat,
    };
    tokio::spawn(async move {
        // Nothing more is told after the first piece that can't be.
        let _ = tokio::time::timeout(pace.longest, task.run()).await;
    });
    Ok(Frames(receiver))
}

struct Task {
    feed: Feed,
    store: Store,
    vault: String,
    follower: Follower,
    frames: mpsc::Sender<String>,
    pace: Pace,
    at: u64,
    _seat: Seat,
}

impl Task {
    async fn run(mut self) -> Option<()> {
        let mut latest = self.feed.watch();
        self.send(format!("retry: {RETRY_MS}\n\n")).await?;
        loop {
            latest.borrow_and_update();
            self.catch_up().await?;
            tokio::select! {
                changed = latest.changed() => changed.ok()?,
                () = self.frames.closed() => return None,
                () = tokio::time::sleep(self.pace.heartbeat) => {
                    if !(self.follower.still)() {
                        return None;
                    }
                    // An id without data is no event, but is where the follower comes back to.
                    self.send(format!(": so far\nid: {}\n\n", self.at)).await?;
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        loop {
            let page = self
                .feed
                .after(&self.store, &self.vault, self.at, PAGE)
                .await;
            let rows = page
                .inspect_err(|error| tracing::warn!(%error, "a stream of events ends"))
                .ok()?;
            // Asked after the rows were read: who was removed by one of them does not hear of it.
            if !(self.follower.still)() {
                return None;
            }
            let Some(last) = rows.last().map(|row| row.seq) else {
                return Some(());
            };
            // A row was pruned under a follower who is slower than that.
            if rows
                .first()
                .is_some_and(|row| row.seq != self.at.saturating_add(1))
            {
                return None;
            }
            for row in rows.iter().filter(|row| self.follower.audience.hears(row)) {
                self.send(frame(&self.vault, row)).await?;
            }
            self.at = last;
        }
    }

    async fn send(&self, text: String) -> Option<()> {
        match self.frames.send_timeout(text, self.pace.patience).await {
            Ok(()) => Some(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                tracing::info!(
                    follower = self.follower.name,
                    "a follower of events is too slow"
                );
                None
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => None,
        }
    }
}

/// JSON has no line breaks outside of strings, and escapes them inside.
fn frame(vault: &str, row: &FeedRow) -> String {
    let data = envelope(vault, row);
    format!("event: {}\nid: {}\ndata: {data}\n\n", row.kind, row.seq)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
