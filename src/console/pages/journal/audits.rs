//! The audit behind the Verify button: one at a time, beside everything else, with its progress and what came of the last one.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use custodyd_policy::Timestamp;

use crate::{
    audit::{AuditFault, Audited, audit_watched},
    clock::Clock,
    console::words::Moment,
    journal::{Anchor, JournalKey},
    store::Store,
};

/// Audits of one process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Audits {
    state: Arc<Mutex<State>>,
    /// Entries that the audit under way has verified.
    seen: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct State {
    began: Option<Timestamp>,
    last: Option<(Timestamp, Result<Found, String>)>,
}

/// What an audit found that holds.
#[derive(Debug, Clone, Default)]
pub(in crate::console::pages) struct Found {
    pub(in crate::console::pages) audited: Audited,
    /// The entry that the anchor beside the database named when the audit began: the journal goes at least as far, and says the same
    /// there. None if no anchor lies there.
    pub(in crate::console::pages) anchored: Option<u64>,
}

/// How far the audit is, and what the last one found.
#[derive(Debug, Clone)]
pub(in crate::console::pages) struct Verification {
    /// Since when one is under way, and how many entries it has verified.
    pub(in crate::console::pages) under_way: Option<(Moment, u64)>,
    /// When the last one ended, and what it found.
    pub(in crate::console::pages) last: Option<(Moment, Result<Found, String>)>,
}

impl Audits {
    /// Begins an audit, unless one is under way.
    pub(super) fn begin(
        &self,
        store: Store,
        vault: String,
        key: JournalKey,
        anchor: Option<PathBuf>,
        clock: Clock,
    ) {
        let mut state = self.locked();
        if state.began.is_some() {
            return;
        }
        state.began = Some(clock.now());
        drop(state);
        self.seen.store(0, Ordering::Relaxed);
        let (own, runtime) = (self.clone(), tokio::runtime::Handle::current());
        // A thread of its own: verifying signatures would hold up whoever else is served.
        drop(tokio::task::spawn_blocking(move || {
            let guard = Ended { audits: own, clock };
            let anchor = anchor.map(Anchor::at);
            let anchored = anchor.as_ref().and_then(|anchor| anchor.read().ok()?);
            let seen = &guard.audits.seen;
            let audit = audit_watched(&store, &vault, &key, anchor.as_ref(), seen);
            let anchored = anchored.map(|head| head.seq);
            let found = runtime.block_on(audit);
            guard.end(found.map(|audited| Found { audited, anchored }));
        }));
    }

    pub(super) fn now(&self, now: Timestamp) -> Verification {
        let state = self.locked().clone();
        let seen = self.seen.load(Ordering::Relaxed);
        let last = state.last.map(|(at, found)| (Moment::of(at, now), found));
        Verification {
            under_way: state.began.map(|at| (Moment::of(at, now), seen)),
            last,
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next audit begin, even if this one panicked.
struct Ended {
    audits: Audits,
    clock: Clock,
}

impl Ended {
    fn end(&self, found: Result<Found, AuditFault>) {
        if let Err(fault) = &found {
            tracing::error!(%fault, "an audit asked for in the console found a fault");
        }
        let found = found.map_err(|fault| fault.to_string());
        self.audits.locked().last = Some((self.clock.now(), found));
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.audits.locked().began = None;
    }
}
