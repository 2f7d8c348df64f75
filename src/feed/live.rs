//! The feed as it is committed: a wake-up, and the newest rows in memory, so that those who follow it closely cost the database
//! nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::watch;

use super::stream::Seats;
use crate::store::{FeedRow, Store, StoreError};

/// Rows kept in memory: the commits of some seconds under full load.
const TAIL: usize = 4_096;

type Tail = Arc<RwLock<VecDeque<Arc<FeedRow>>>>;

/// The engine's end: says what was committed. Whoever follows the feed ends when it goes away.
#[derive(Debug)]
pub struct Announcer {
    latest: watch::Sender<u64>,
    feed: Feed,
}

/// Everybody else's end. Clones share it.
#[derive(Debug, Clone)]
pub struct Feed {
    latest: watch::Receiver<u64>,
    tail: Tail,
    pub(super) seats: Seats,
}

impl Announcer {
    /// Of a feed that ends with this row; 0 for an empty one.
    pub fn new(last: u64) -> Self {
        let (latest, receiver) = watch::channel(last);
        let feed = Feed {
            latest: receiver,
            tail: Tail::default(),
            seats: Seats::default(),
        };
        Self { latest, feed }
    }

    /// These rows are committed. They follow on those before.
    pub fn announce(&self, rows: Vec<FeedRow>) {
        let Some(last) = rows.last().map(|row| row.seq) else {
            return;
        };
        {
            let mut tail = self
                .feed
                .tail
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            tail.extend(rows.into_iter().map(Arc::new));
            let surplus = tail.len().saturating_sub(TAIL);
            tail.drain(..surplus);
        }
        self.latest.send_replace(last);
    }

    /// What is committed was read anew: it ends with this row.
    pub(crate) fn catch_up(&self, last: u64) {
        if *self.latest.borrow() != last {
            // Rows were committed that this process wasn't told of: the tail has a gap.
            let mut tail = self
                .feed
                .tail
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            tail.clear();
            drop(tail);
            self.latest.send_replace(last);
        }
    }

    /// The other end.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }
}

impl Feed {
    /// Changes with each commit that told something: to the last row's number. Closed once there will be no more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.latest.clone()
    }

    /// The number of the last committed row.
    pub fn last(&self) -> u64 {
        *self.latest.borrow()
    }

    /// At most `limit` rows after this one.
    ///
    /// # Errors
    /// When the database doesn't answer; it is only asked for rows that are not among the newest.
    pub async fn after(
        &self,
        store: &Store,
        vault: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Arc<FeedRow>>, StoreError> {
        let last = self.last();
        if after >= last {
            return Ok(Vec::new());
        }
        if let Some(rows) = self.among_newest(after, limit) {
            return Ok(rows);
        }
        let rows = store.feed(vault, after, last, limit).await?;
        Ok(rows.into_iter().map(Arc::new).collect())
    }

    fn among_newest(&self, after: u64, limit: u32) -> Option<Vec<Arc<FeedRow>>> {
        let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        let first = tail.front()?.seq;
        let skip = usize::try_from(after.saturating_add(1).checked_sub(first)?).ok()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Some(tail.iter().skip(skip).take(limit).cloned().collect())
    }
}
