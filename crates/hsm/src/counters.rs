//! What a token did since it was opened, counted without locks, for metrics and for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::Class;

/// A snapshot of the counters. All but `queued` and `stuck_workers` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Signatures made and verified. One that came after its deadline is among them, though nobody got it.
    pub signatures: u64,
    /// Signatures that did not verify and were thrown away.
    pub bad_signatures: u64,
    /// Calls that ended with [`Class::Retryable`].
    pub failures_retryable: u64,
    /// Calls that ended with [`Class::Fatal`].
    pub failures_fatal: u64,
    /// Calls that ended with [`Class::Misconfigured`].
    pub failures_misconfigured: u64,
    /// Attempts that failed and were tried again.
    pub retries: u64,
    /// Logins after the first.
    pub relogins: u64,
    /// Sessions opened, the idle one included.
    pub sessions_opened: u64,
    /// Calls given up at their deadline while a worker was inside the module.
    pub stuck_calls: u64,
    /// Workers inside the module beyond their deadline, now.
    pub stuck_workers: u64,
    /// Calls that wait for a worker, now.
    pub queued: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) signatures: AtomicU64,
    pub(crate) bad_signatures: AtomicU64,
    failures_retryable: AtomicU64,
    failures_fatal: AtomicU64,
    failures_misconfigured: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) relogins: AtomicU64,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) stuck_calls: AtomicU64,
}

impl Tally {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self, class: Class) {
        Self::count(match class {
            Class::Retryable => &self.failures_retryable,
            Class::Fatal => &self.failures_fatal,
            Class::Misconfigured => &self.failures_misconfigured,
        });
    }

    pub(crate) fn snapshot(&self, queued: usize, stuck_workers: usize) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            signatures: read(&self.signatures),
            bad_signatures: read(&self.bad_signatures),
            failures_retryable: read(&self.failures_retryable),
            failures_fatal: read(&self.failures_fatal),
            failures_misconfigured: read(&self.failures_misconfigured),
            retries: read(&self.retries),
            relogins: read(&self.relogins),
            sessions_opened: read(&self.sessions_opened),
            stuck_calls: read(&self.stuck_calls),
            stuck_workers: u64::try_from(stuck_workers).unwrap_or(u64::MAX),
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
        }
    }
}
