//! The requests that a worker process has not answered, each with its deadline.
//!
//! Invariant: whoever takes a call out of here answers it, so each is answered once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::call::Errand;
use crate::error::HsmError;
use crate::request::{Reply, Request};

/// The worker watches the same deadline, and knows better what keeps a call; it goes first.
const COURTESY: Duration = Duration::from_millis(100);

/// A call that waits for its answer.
pub(super) struct Waiting {
    errand: Errand,
    pub(super) reply: Reply,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.errand.fmt(f)
    }
}

impl Waiting {
    fn due(&self) -> Instant {
        self.errand.deadline + COURTESY
    }

    /// Whether it is a probe, whoever asked for it.
    pub(super) fn is_probe(&self) -> bool {
        self.errand.operation == Request::Probe.operation()
    }

    /// What it is told when its time is up.
    pub(super) fn late(&self) -> HsmError {
        self.errand.late()
    }
}

/// The calls of one worker process.
#[derive(Debug)]
pub(super) struct Calls {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<u64, Waiting>,
    last: u64,
    /// Until when the watch sleeps.
    watch_until: Option<Instant>,
    closed: bool,
}

/// A call was taken in.
pub(super) struct Added {
    pub(super) number: u64,
    /// It is due before the watch wakes.
    pub(super) wake_watch: bool,
}

/// A call was not taken in.
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// The worker is gone.
    Gone,
}

impl Calls {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, errand: Errand, reply: Reply) -> Result<Added, Refused> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Gone);
        }
        if state.waiting.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.last += 1;
        let number = state.last;
        let waiting = Waiting { errand, reply };
        let wake_watch = state.watch_until.is_none_or(|until| waiting.due() < until);
        if wake_watch {
            state.watch_until = Some(waiting.due());
        }
        state.waiting.insert(number, waiting);
        Ok(Added { number, wake_watch })
    }

    /// For whoever answers it; none when it was answered before.
    pub(super) fn take(&self, number: u64) -> Option<Waiting> {
        self.state().waiting.remove(&number)
    }

    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Takes the calls whose time is up. The watch then sleeps until the next one is due, `at_most`.
    pub(super) fn due(&self, now: Instant, at_most: Instant) -> (Vec<Waiting>, Instant) {
        let mut state = self.state();
        let late = state.waiting.extract_if(|_, call| call.due() <= now);
        let late = late.map(|(_, call)| call).collect();
        let next = state.waiting.values().map(Waiting::due).min();
        let until = next.map_or(at_most, |next| next.min(at_most));
        state.watch_until = Some(until);
        (late, until)
    }

    /// Takes no more, and gives back what waits.
    pub(super) fn close(&self) -> Vec<Waiting> {
        let mut state = self.state();
        state.closed = true;
        state.waiting.drain().map(|(_, call)| call).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn add(calls: &Calls, limit: Duration) -> Result<Added, Refused> {
        calls.add(Errand::new("testing", limit), Box::new(drop))
    }

    #[test]
    fn a_call_is_taken_once_by_its_answer_or_by_the_watch() {
        let calls = Calls::new(8);
        let now = Instant::now();
        let answered = add(&calls, LONG).ok().unwrap();
        let late = add(&calls, Duration::ZERO).ok().unwrap();
        assert!(calls.take(answered.number).is_some());
        assert!(calls.take(answered.number).is_none());
        let (due, until) = calls.due(now + LONG, now + 2 * LONG);
        assert_eq!((due.len(), until), (1, now + 2 * LONG));
        assert!(calls.take(late.number).is_none());
    }

    #[test]
    fn the_watch_is_woken_only_for_a_call_that_is_due_before_it_wakes() {
        let calls = Calls::new(8);
        let now = Instant::now();
        let (_, until) = calls.due(now, now + LONG);
        assert_eq!(until, now + LONG);
        assert!(!add(&calls, 2 * LONG).ok().unwrap().wake_watch);
        assert!(add(&calls, LONG / 2).ok().unwrap().wake_watch);
        assert!(!add(&calls, LONG / 2 + LONG / 8).ok().unwrap().wake_watch);
    }

    #[test]
    fn no_more_wait_than_may_and_none_once_the_worker_is_gone() {
        let calls = Calls::new(1);
        assert!(add(&calls, LONG).is_ok());
        assert!(matches!(add(&calls, LONG), Err(Refused::Full)));
        assert_eq!(calls.close().len(), 1);
        assert!(matches!(add(&calls, LONG), Err(Refused::Gone)));
        assert_eq!(calls.len(), 0);
    }
}
