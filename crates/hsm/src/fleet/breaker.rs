//! The circuit breaker of one token: closed, open, half open. Pure; time is passed in.

use std::time::{Duration, Instant};

use super::settings::FleetSettings;

/// Doublings of the pause between probes at most.
const MOST_DOUBLINGS: u32 = 4;

/// Whether a token gets work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circuit {
    /// It does. How many failures came in a row.
    Closed { failures: u32 },
    /// One request at a time. How many good answers came in a row.
    HalfOpen { good: u32 },
    /// None, as long as another token is up.
    Open,
}

/// A token's circuit and what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    circuit: Circuit,
    /// What opened it last.
    reason: String,
    /// Openings since it was last closed: a token that answers probes and fails at work is tried less and less often.
    trips: u32,
    probe_at: Instant,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            circuit: Circuit::Closed { failures: 0 },
            reason: String::new(),
            trips: 0,
            probe_at: now,
        }
    }

    pub(crate) const fn circuit(&self) -> Circuit {
        self.circuit
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn is_open(&self) -> bool {
        self.circuit == Circuit::Open
    }

    /// Nothing is held against it.
    pub(crate) fn is_clean(&self) -> bool {
        self.circuit == Circuit::Closed { failures: 0 }
    }

    pub(crate) fn succeeded(&mut self, settings: &FleetSettings) {
        self.circuit = match self.circuit {
            Circuit::Closed { .. } => Circuit::Closed { failures: 0 },
            Circuit::Open => Circuit::HalfOpen { good: 0 },
            Circuit::HalfOpen { good } => {
                let good = good.saturating_add(1);
                if good < settings.successes {
                    Circuit::HalfOpen { good }
                } else {
                    self.trips = 0;
                    Circuit::Closed { failures: 0 }
                }
            }
        };
    }

    /// True if this opened it.
    pub(crate) fn failed(&mut self, reason: &str, settings: &FleetSettings, now: Instant) -> bool {
        match self.circuit {
            Circuit::Closed { failures } if failures.saturating_add(1) < settings.failures => {
                self.circuit = Circuit::Closed {
                    failures: failures.saturating_add(1),
                };
                false
            }
            _ => self.trip(reason, settings, now),
        }
    }

    /// Opens it at once. True unless it was open.
    pub(crate) fn trip(&mut self, reason: &str, settings: &FleetSettings, now: Instant) -> bool {
        reason.clone_into(&mut self.reason);
        if self.is_open() {
            return false;
        }
        self.circuit = Circuit::Open;
        self.trips = self.trips.saturating_add(1);
        self.probe_at = now + self.pause(settings);
        true
    }

    /// Whether to probe now; if so, the next is a pause away.
    pub(crate) fn probe_due(&mut self, settings: &FleetSettings, now: Instant) -> bool {
        if now < self.probe_at {
            return false;
        }
        self.probe_at = now + self.pause(settings);
        true
    }

    fn pause(&self, settings: &FleetSettings) -> Duration {
        let doublings = self.trips.saturating_sub(1).min(MOST_DOUBLINGS);
        settings.probe.saturating_mul(1 << doublings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_by_way_of_half_open() {
        let (settings, now) = (FleetSettings::default(), Instant::now());
        let mut breaker = Breaker::new(now);
        assert!(!breaker.failed("a", &settings, now) && !breaker.failed("b", &settings, now));
        breaker.succeeded(&settings);
        assert!(breaker.is_clean(), "only failures in a row count");
        for _ in 0..2 {
            assert!(!breaker.failed("c", &settings, now));
        }
        assert!(breaker.failed("d", &settings, now) && breaker.is_open());
        assert_eq!(breaker.reason(), "d");
        breaker.succeeded(&settings);
        assert_eq!(breaker.circuit(), Circuit::HalfOpen { good: 0 });
        assert!(
            breaker.failed("e", &settings, now),
            "one failure opens it again"
        );
        for _ in 0..4 {
            assert!(!breaker.is_clean());
            breaker.succeeded(&settings);
        }
        assert!(breaker.is_clean());
    }

    #[test]
    fn a_token_that_keeps_failing_is_probed_less_often_within_bounds() {
        let (settings, mut now) = (FleetSettings::default(), Instant::now());
        let mut breaker = Breaker::new(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            breaker.trip("gone", &settings, now);
            let from = now;
            while !breaker.probe_due(&settings, now) {
                now += Duration::from_millis(50);
            }
            pauses.push(now.duration_since(from));
            breaker.succeeded(&settings);
        }
        assert_eq!(pauses.first(), Some(&settings.probe));
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&(settings.probe * 16)));
    }
}
