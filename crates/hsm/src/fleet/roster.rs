//! Which token gets the next request, and which are out. Pure; time is passed in.

use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::Health;
use crate::key::{KeyId, PublicPoint};

use super::breaker::{Breaker, Circuit};
use super::census::{Census, Shown};
use super::settings::FleetSettings;
use super::verdict::Verdict;

/// A token is given this many times what it usually takes before another is asked too.
const PATIENCE: u32 = 4;

/// One token's place.
#[derive(Debug)]
struct Seat {
    breaker: Breaker,
    in_flight: usize,
    /// What an answer takes, smoothed.
    usual: Duration,
    last_answer: Instant,
    probing: bool,
    shown: Shown,
    /// Why it gets no more work, whatever it answers.
    barred: Option<String>,
}

/// Which tokens may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Even one that is out, when no other is left.
    Any,
    /// Only those that are not out: somebody is at work on it already.
    Up,
}

/// What to do about a request that a token has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It answered others meanwhile and is merely loaded: look again then.
    Until(Instant),
    /// Ask another one too.
    Hedge,
}

/// The tokens of a fleet.
#[derive(Debug)]
pub(crate) struct Roster {
    names: Vec<String>,
    seats: Vec<Seat>,
    census: Census,
    settings: FleetSettings,
    /// Where the last request went, so that equals take turns.
    turn: usize,
}

impl Roster {
    pub(crate) fn new(names: Vec<String>, settings: FleetSettings, now: Instant) -> Self {
        let seat = |_| Seat {
            breaker: Breaker::new(now),
            in_flight: 0,
            usual: Duration::ZERO,
            last_answer: now,
            probing: false,
            shown: Shown::default(),
            barred: None,
        };
        Self {
            seats: names.iter().map(seat).collect(),
            names,
            census: Census::default(),
            settings,
            turn: 0,
        }
    }

    /// A token for a request that the `tried` ones did not answer; counts the request as in flight there. Tokens that are
    /// out, and those that lack the key, come last: they are asked only when no other is left. One that is barred never is.
    pub(crate) fn choose(
        &mut self,
        key: Option<&KeyId>,
        tried: &[usize],
        other: Other,
        now: Instant,
    ) -> Option<usize> {
        let count = self.seats.len();
        let rank = |(at, seat): (usize, &Seat)| {
            let half_open = matches!(seat.breaker.circuit(), Circuit::HalfOpen { .. });
            let turn = (at + count).saturating_sub(self.turn + 1) % count.max(1);
            (
                (
                    seat.breaker.is_open(),
                    key.is_some_and(|key| seat.shown.lacks(key, now)),
                    half_open && seat.in_flight > 0,
                    // It failed a moment ago and is being probed.
                    !half_open && !seat.breaker.is_clean(),
                    seat.in_flight,
                    turn,
                ),
                at,
            )
        };
        let (_, chosen) = self
            .seats
            .iter()
            .enumerate()
            .filter(|(at, seat)| !tried.contains(at) && seat.barred.is_none())
            .filter(|(_, seat)| other == Other::Any || !seat.breaker.is_open())
            .map(rank)
            .min()?;
        self.turn = chosen;
        let seat = self.seats.get_mut(chosen)?;
        seat.in_flight = seat.in_flight.saturating_add(1);
        Some(chosen)
    }

    /// A request that was in flight on this token came to its end.
    pub(crate) fn finish(
        &mut self,
        at: usize,
        verdict: Verdict,
        reason: &str,
        took: Duration,
        now: Instant,
    ) {
        let patience = self.patience(at);
        if let Some(seat) = self.seats.get_mut(at) {
            seat.in_flight = seat.in_flight.saturating_sub(1);
            // What hung and came back late says nothing about what is usual.
            if verdict == Verdict::Answered && took <= patience.saturating_mul(PATIENCE) {
                seat.usual = (seat.usual.saturating_mul(7) + took) / 8;
            }
        }
        self.judge(at, verdict, reason, now);
    }

    fn judge(&mut self, at: usize, verdict: Verdict, reason: &str, now: Instant) {
        let Some(seat) = self.seats.get_mut(at) else {
            return;
        };
        let out = match verdict {
            Verdict::Answered | Verdict::Absent => {
                // A token whose keys are wrong works well, which is no reason to take it back.
                if seat.shown.disputed().is_none() {
                    seat.breaker.succeeded(&self.settings);
                }
                seat.last_answer = now;
                false
            }
            Verdict::Busy | Verdict::Unable => false,
            Verdict::Failed => {
                // Behind the next answer may stand another process, or another device.
                seat.shown.doubt();
                seat.breaker.failed(reason, &self.settings, now)
            }
            Verdict::Untrusted => seat.breaker.trip(reason, &self.settings, now),
        };
        if out {
            seat.shown.forget();
            let token = self.names.get(at).map_or("", String::as_str);
            tracing::error!(token, reason, "a token is out");
        }
    }

    /// How long to wait for this token's answer before another is asked.
    pub(crate) fn patience(&self, at: usize) -> Duration {
        let usual = self.seats.get(at).map_or(Duration::ZERO, |seat| seat.usual);
        self.settings.hedge.max(usual.saturating_mul(PATIENCE))
    }

    /// A request in flight since `began`, with `limit` in all, has outlasted [`Roster::patience`]. A token that answered others
    /// since is loaded, not silent; but no request waits for it beyond half of its limit.
    pub(crate) fn overdue(
        &mut self,
        at: usize,
        began: Instant,
        limit: Duration,
        now: Instant,
    ) -> Overdue {
        let patience = self.patience(at);
        let Some(seat) = self.seats.get_mut(at) else {
            return Overdue::Hedge;
        };
        let until = (seat.last_answer.max(began) + patience).min(began + limit / 2);
        if now < until {
            return Overdue::Until(until);
        }
        if seat.last_answer.max(began) + patience <= now {
            let reason = format!("no answer within {} ms", patience.as_millis());
            self.judge(at, Verdict::Failed, &reason, now);
        }
        Overdue::Hedge
    }

    /// The tokens to probe now. Each is probed by one request at a time: [`Roster::probed`] is owed for each.
    pub(crate) fn probes(&mut self, now: Instant) -> Vec<usize> {
        let settings = &self.settings;
        let due = |seat: &mut Seat| {
            let asked_for = !seat.breaker.is_clean()
                || now.saturating_duration_since(seat.last_answer) >= settings.idle;
            let idle = !seat.probing && seat.barred.is_none();
            let due = idle && asked_for && seat.breaker.probe_due(settings, now);
            seat.probing |= due;
            due
        };
        (0..)
            .zip(&mut self.seats)
            .filter_map(|(at, seat)| due(seat).then_some(at))
            .collect()
    }

    /// A probe came to its end.
    pub(crate) fn probed(&mut self, at: usize, verdict: Verdict, reason: &str, now: Instant) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.probing = false;
        }
        self.judge(at, verdict, reason, now);
    }

    /// Whether this token must show a key before it signs with it.
    pub(crate) fn is_unknown(&self, at: usize, key: &KeyId) -> bool {
        let seat = self.seats.get(at);
        seat.is_none_or(|seat| !seat.shown.has_agreed(key))
    }

    /// A token shows a key.
    ///
    /// # Errors
    /// [`HsmError::KeyDiffers`].
    pub(crate) fn observe(
        &mut self,
        at: usize,
        key: KeyId,
        point: PublicPoint,
    ) -> Result<(), HsmError> {
        match self.seats.get_mut(at) {
            Some(seat) => self
                .census
                .observe(&mut seat.shown, at, &self.names, key, point),
            None => Ok(()),
        }
    }

    /// A token lacks a key. Another one may have it.
    pub(crate) fn missed(&mut self, at: usize, key: KeyId, now: Instant) {
        if let Some(seat) = self.seats.get_mut(at) {
            seat.shown.missed(key, now, self.settings.absent_for);
        }
    }

    /// The key by which a probe of this token must find out if it is still a wrong one.
    pub(crate) fn disputed(&self, at: usize) -> Option<KeyId> {
        self.seats.get(at)?.shown.disputed()
    }

    /// Whether the token takes work, as the fleet sees it; none if nothing is held against it.
    pub(crate) fn health(&self, at: usize) -> Option<Health> {
        let Seat {
            breaker, barred, ..
        } = self.seats.get(at)?;
        if let Some(reason) = barred.clone() {
            return Some(Health::Out { reason });
        }
        match breaker.circuit() {
            Circuit::Closed { .. } => None,
            Circuit::HalfOpen { .. } => Some(Health::Recovering),
            Circuit::Open => Some(Health::Out {
                reason: breaker.reason().to_owned(),
            }),
        }
    }

    /// Keys that the token was asked for lately and lacks.
    pub(crate) fn lacking(&self, at: usize, now: Instant) -> usize {
        let seat = self.seats.get(at);
        seat.map_or(0, |seat| seat.shown.lacking(now))
    }

    /// Gives a token no more work, for good; unless no other would be left, of which nobody knows anything this bad. True if it
    /// gets none from now on.
    pub(crate) fn bar(&mut self, name: &str, reason: &str) -> bool {
        let named = |(_, (known, _)): &(usize, (&String, &Seat))| known.as_str() == name;
        let mut seats = (0..).zip(self.names.iter().zip(&self.seats));
        let Some(at) = seats.find(named).map(|(at, _)| at) else {
            return false;
        };
        let open = |(other, seat): (usize, &Seat)| other != at && seat.barred.is_none();
        let another = self.seats.iter().enumerate().any(open);
        match self.seats.get_mut(at) {
            Some(seat) if another || seat.barred.is_some() => {
                seat.barred = Some(reason.to_owned());
                seat.shown.forget();
                tracing::error!(token = name, reason, "a token is out for good");
                true
            }
            _ => false,
        }
    }

    /// Takes a token out.
    pub(crate) fn distrust(&mut self, at: usize, reason: &str, now: Instant) {
        self.judge(at, Verdict::Untrusted, reason, now);
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
