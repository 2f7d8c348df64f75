//! One request carried from token to token until one answers it.
//!
//! A request that hangs on one token is sent to a second one too, and the first good answer wins. Both may then sign: two
//! signatures of one plan over the same digest, of which only the first is ever handed out. HSM nonces are random, so the
//! other would make another txid; it is dropped here and never leaves the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::Hsm;
use crate::key::KeyId;
use crate::request::{KeyRef, Reply, Request, Response};

use super::clockwork::Clockwork;
use super::course::{Course, Next};
use super::roster::{Other, Overdue, Roster};
use super::settings::FleetSettings;
use super::verdict::Verdict;

type Answer = Result<Response, HsmError>;

/// What the parts of a fleet share.
pub(crate) struct Shared {
    pub(crate) members: Vec<Arc<dyn Hsm>>,
    pub(crate) names: Vec<String>,
    pub(crate) settings: FleetSettings,
    pub(crate) clockwork: Arc<Clockwork>,
    roster: Mutex<Roster>,
}

impl Shared {
    pub(crate) fn new(
        members: Vec<Arc<dyn Hsm>>,
        names: Vec<String>,
        settings: FleetSettings,
        roster: Roster,
    ) -> Self {
        Self {
            members,
            names,
            settings,
            clockwork: Arc::default(),
            roster: Mutex::new(roster),
        }
    }

    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Probes what is due.
    pub(crate) fn probe(self: &Arc<Self>) {
        let due = self.roster().probes(Instant::now());
        for seat in due {
            let disputed = self.roster().disputed(seat);
            let request = disputed.map_or(Request::Probe, Request::Find);
            let shared = Arc::downgrade(self);
            let probed = Ending::new(move |answer| {
                if let Some(shared) = shared.upgrade() {
                    shared.probed(seat, answer);
                }
            });
            if let Err(error) = self.submit_to(seat, request, self.settings.probe_limit, probed) {
                self.probed(seat, Err(error));
            }
        }
    }

    fn probed(&self, seat: usize, answer: Answer) {
        let answer = self.look(seat, None, answer);
        let (verdict, reason) = (Verdict::of(&answer), reason(&answer));
        self.roster().probed(seat, verdict, &reason, Instant::now());
    }

    /// Hands a request to one token. Refused, `ended` is not called; otherwise it is, once.
    fn submit_to(
        &self,
        seat: usize,
        request: Request,
        limit: Duration,
        ended: Ending,
    ) -> Result<(), HsmError> {
        let member = self.members.get(seat).ok_or(HsmError::Closed)?;
        // Shared, since a token that refuses drops its reply before this hears of it.
        let ended = Arc::new(Mutex::new(Some(ended)));
        let take = |ended: &Mutex<Option<Ending>>| {
            ended.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let theirs = Arc::clone(&ended);
        let reply = Box::new(move |answer| {
            if let Some(ended) = take(&theirs) {
                ended.end(answer);
            }
        });
        member.submit(request, limit, reply).inspect_err(|_| {
            if let Some(ended) = take(&ended) {
                ended.disarm();
            }
        })
    }

    /// Takes note of the key that an answer shows or misses. An answer that shows a wrong key becomes an error.
    fn look(&self, seat: usize, key: Option<&KeyId>, answer: Answer) -> Answer {
        match (&answer, key) {
            (Ok(Response::Found(Some(report))), _) => {
                self.roster().observe(seat, report.id, report.public)?;
            }
            (Ok(Response::Found(None)) | Err(HsmError::KeyMissing { .. }), Some(key)) => {
                self.roster().missed(seat, *key, Instant::now());
            }
            _ => {}
        }
        answer
    }
}

/// What came of asking another token.
enum Asked {
    /// It, or one that was asked before, will answer.
    Waiting,
    /// There was none to ask, and an answer may still come.
    Nobody,
    /// There was none to ask, and this is the answer.
    Ended(Answer),
}

/// A request on its way.
pub(crate) struct Relay {
    shared: Weak<Shared>,
    request: Request,
    limit: Duration,
    deadline: Instant,
    course: Mutex<Course>,
    reply: Mutex<Option<Reply>>,
}

impl Relay {
    /// Carries a request to its answer.
    ///
    /// # Errors
    /// No token took it; `reply` was not called.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        request: Request,
        limit: Duration,
        reply: Reply,
    ) -> Result<(), HsmError> {
        // As the queue has it: a deadline beyond a day is none.
        let limit = limit.min(Duration::from_secs(86_400));
        let relay = Arc::new(Self {
            shared: Arc::downgrade(shared),
            request,
            limit,
            deadline: Instant::now() + limit,
            course: Mutex::default(),
            reply: Mutex::new(Some(reply)),
        });
        match relay.ask(shared, Other::Any) {
            Asked::Ended(Err(error)) => Err(error),
            Asked::Ended(answer) => {
                relay.answer(answer);
                Ok(())
            }
            Asked::Waiting | Asked::Nobody => Ok(()),
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that tokens are chosen by.
    fn key(&self) -> Option<&KeyId> {
        self.request.token_key()
    }

    /// When another token is asked too, given what this one usually takes.
    fn patience(&self, usual: Duration) -> Duration {
        let most = self.limit / 2;
        if self.request.is_slow() {
            most
        } else {
            usual.min(most)
        }
    }

    /// Asks the next token, and the one after it if that refuses.
    fn ask(self: &Arc<Self>, shared: &Arc<Shared>, other: Other) -> Asked {
        loop {
            let now = Instant::now();
            let chosen = {
                let mut course = self.course();
                if course.is_answered() {
                    return Asked::Waiting;
                }
                let mut roster = shared.roster();
                let chosen = roster.choose(self.key(), course.tried(), other, now);
                chosen.map(|seat| {
                    course.asked(seat);
                    (seat, roster.patience(seat))
                })
            };
            let Some((seat, patience)) = chosen else {
                let exhausted = self.course().exhausted();
                return exhausted.map_or(Asked::Nobody, Asked::Ended);
            };
            let attempt = Arc::new(Attempt {
                relay: Arc::clone(self),
                seat,
                began: now,
            });
            if shared.members.len() > 1 {
                shared
                    .clockwork
                    .set(now + self.patience(patience), &attempt);
            }
            let Err(error) = attempt.submit(shared) else {
                return Asked::Waiting;
            };
            match attempt.end(shared, Err(error)) {
                Next::Answer(answer) => return Asked::Ended(answer),
                Next::Another => {}
                Next::Nothing => return Asked::Waiting,
            }
        }
    }

    /// After an answer: hands it over, or asks on.
    fn go_on(self: &Arc<Self>, shared: &Arc<Shared>, next: Next) {
        match next {
            Next::Answer(answer) => self.answer(answer),
            Next::Another => {
                if let Asked::Ended(answer) = self.ask(shared, Other::Any) {
                    self.answer(answer);
                }
            }
            Next::Nothing => {}
        }
    }

    fn answer(&self, answer: Answer) {
        let reply = self
            .reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reply) = reply {
            reply(answer.map_err(|error| match error {
                // A token was given what was left of the caller's limit.
                HsmError::Deadline { operation, .. } => HsmError::Deadline {
                    operation,
                    limit: self.limit,
                },
                error => error,
            }));
        }
    }
}

/// A request on one token.
pub(crate) struct Attempt {
    relay: Arc<Relay>,
    seat: usize,
    began: Instant,
}

impl Attempt {
    /// Hands the request over; before it a token that has not shown the signing key is asked to.
    fn submit(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<(), HsmError> {
        let (Request::Sign {
            key: KeyRef::Resident(key),
            ..
        }
        | Request::SignMessage {
            key: KeyRef::Resident(key),
            ..
        }) = &self.relay.request
        else {
            return self.submit_itself(shared);
        };
        if !shared.roster().is_unknown(self.seat, key) {
            return self.submit_itself(shared);
        }
        let (attempt, key) = (Arc::clone(self), *key);
        let ended = Ending::new(move |answer| attempt.shown(key, answer));
        shared.submit_to(self.seat, Request::Find(key), self.rest(), ended)
    }

    fn submit_itself(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<(), HsmError> {
        let attempt = Arc::clone(self);
        let ended = Ending::new(move |answer| attempt.ended(answer));
        shared.submit_to(self.seat, self.relay.request.clone(), self.rest(), ended)
    }

    /// The token showed the signing key, or could not.
    fn shown(self: &Arc<Self>, key: KeyId, answer: Answer) {
        let Some(shared) = self.relay.shared.upgrade() else {
            return self.relay.answer(Err(HsmError::Closed));
        };
        let signing = match shared.look(self.seat, Some(&key), answer) {
            Ok(Response::Found(Some(_))) => self.submit_itself(&shared),
            Ok(Response::Found(None)) => Err(HsmError::KeyMissing {
                key,
                token: shared.names.get(self.seat).cloned().unwrap_or_default(),
            }),
            Ok(other) => Err(other.out_of_place()),
            Err(error) => Err(error),
        };
        if let Err(error) = signing {
            let next = self.end(&shared, Err(error));
            self.relay.go_on(&shared, next);
        }
    }

    fn ended(self: &Arc<Self>, answer: Answer) {
        let Some(shared) = self.relay.shared.upgrade() else {
            return self.relay.answer(answer);
        };
        let answer = shared.look(self.seat, self.relay.key(), answer);
        let next = self.end(&shared, answer);
        self.relay.go_on(&shared, next);
    }

    fn end(&self, shared: &Shared, answer: Answer) -> Next {
        let verdict = Verdict::of(&answer);
        let took = self.began.elapsed();
        {
            let mut roster = shared.roster();
            let hurried = matches!(answer, Err(HsmError::Deadline { .. }))
                && took < roster.patience(self.seat);
            // The caller's limit ran out before the token could be called late.
            let blame = if hurried { Verdict::Unable } else { verdict };
            roster.finish(self.seat, blame, &reason(&answer), took, Instant::now());
        }
        self.relay.course().heard(verdict, answer)
    }

    /// No answer came in time.
    pub(crate) fn overdue(self: &Arc<Self>, shared: &Arc<Shared>) {
        if self.relay.course().is_answered() {
            return;
        }
        let now = Instant::now();
        let overdue = shared
            .roster()
            .overdue(self.seat, self.began, self.relay.limit, now);
        match overdue {
            Overdue::Until(then) => shared.clockwork.set(then, self),
            Overdue::Hedge => match self.relay.ask(shared, Other::Up) {
                Asked::Ended(answer) => self.relay.answer(answer),
                // Another may come back while this one hangs.
                Asked::Nobody => shared.clockwork.set(now + shared.settings.probe, self),
                Asked::Waiting => {}
            },
        }
    }

    fn rest(&self) -> Duration {
        self.relay
            .deadline
            .saturating_duration_since(Instant::now())
    }
}

/// What happens at the end of a token's work, whatever the end is: a reply that a token drops unanswered counts as closed.
struct Ending(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Ending {
    fn new(then: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    fn disarm(mut self) {
        self.0 = None;
    }

    fn end(mut self, answer: Answer) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(Err(HsmError::Closed));
        }
    }
}

fn reason(answer: &Answer) -> String {
    match answer {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}
