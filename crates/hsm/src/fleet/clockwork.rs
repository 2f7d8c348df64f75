//! Alarms: what a fleet does when time has passed, on one thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::relay::{Attempt, Shared};

/// Alarms by time; the number tells those of one instant apart.
#[derive(Default)]
struct Alarms {
    waiting: BTreeMap<(Instant, u64), Weak<Attempt>>,
    next: u64,
    closed: bool,
}

/// The alarms of one fleet.
#[derive(Default)]
pub(crate) struct Clockwork {
    alarms: Mutex<Alarms>,
    bell: Condvar,
}

impl Clockwork {
    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at this attempt at that time, if it is still there. Dropping it is all that takes it back.
    pub(crate) fn set(&self, at: Instant, attempt: &Arc<Attempt>) {
        let mut alarms = self.alarms();
        let number = alarms.next;
        alarms.next = number.wrapping_add(1);
        let first = alarms.waiting.first_key_value().map(|(key, _)| key.0);
        alarms.waiting.insert((at, number), Arc::downgrade(attempt));
        // A wake-up is a system call: none while the thread wakes earlier anyway.
        if first.is_none_or(|first| at < first) {
            self.bell.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.alarms().closed = true;
        self.bell.notify_one();
    }

    /// Runs alarms and probes until the fleet is closed. `tick` is the longest sleep.
    pub(crate) fn run(&self, shared: &Weak<Shared>, tick: Duration) {
        while let Some(due) = self.due(tick) {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            for attempt in due.iter().filter_map(Weak::upgrade) {
                attempt.overdue(&shared);
            }
            shared.probe();
        }
    }

    /// What is due after a sleep of at most `tick`; none when closed.
    fn due(&self, tick: Duration) -> Option<Vec<Weak<Attempt>>> {
        let mut alarms = self.alarms();
        let rest = |alarms: &Alarms| {
            let first = alarms.waiting.first_key_value();
            first.map_or(tick, |((at, _), _)| {
                at.saturating_duration_since(Instant::now()).min(tick)
            })
        };
        let pause = rest(&alarms);
        if !alarms.closed && !pause.is_zero() {
            alarms = self
                .bell
                .wait_timeout(alarms, pause)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if alarms.closed {
            return None;
        }
        let later = alarms.waiting.split_off(&(Instant::now(), u64::MAX));
        let due = std::mem::replace(&mut alarms.waiting, later);
        Some(due.into_values().collect())
    }
}
