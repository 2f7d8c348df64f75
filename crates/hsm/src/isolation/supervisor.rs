//! The thread behind an isolated token: starts worker processes one after the other, and watches the one that serves.
//!
//! It is also the thread that forks them, for the kernel ends a worker with the thread that started it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::child::{Child, Launch};
use super::host::Shared;
use super::link::Link;
use super::signs::{Finding, Vigil};
use crate::error::HsmError;
use crate::request::Request;

/// Pause before the first restart; it doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A worker that served this long starts the pauses anew.
const STEADY: Duration = Duration::from_secs(10);

/// Time for a worker to close its sessions and end, when the token is closed.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What the supervisor is told.
#[derive(Debug)]
pub(super) enum Event {
    /// A call came whose deadline is before the watch wakes.
    Sooner,
    /// The line to this worker ended, and why.
    Ended { worker: u64, why: String },
    /// End the worker, and yourself.
    Close,
}

/// Why a worker no longer serves.
enum End {
    Closed,
    Lost(HsmError),
}

/// The supervisor of one token.
pub(super) struct Supervisor {
    launch: Launch,
    shared: Arc<Shared>,
    events: Receiver<Event>,
    /// Told how the first opening went.
    opening: Option<SyncSender<Result<(), HsmError>>>,
    started: u64,
}

impl Supervisor {
    pub(super) fn new(
        launch: Launch,
        shared: Arc<Shared>,
        events: Receiver<Event>,
        opening: SyncSender<Result<(), HsmError>>,
    ) -> Self {
        Self {
            launch,
            shared,
            events,
            opening: Some(opening),
            started: 0,
        }
    }

    /// Until the token is closed.
    pub(super) fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let error = match self.serve() {
                End::Closed => return,
                End::Lost(error) => error,
            };
            let pin_refused = is_about_the_pin(&error);
            tracing::error!(
                token = self.shared.name, %error, restart = !pin_refused, advice = error.advice(),
                "the HSM's worker process does not serve"
            );
            self.shared.seat().away = match pin_refused {
                // Each offer of a wrong PIN brings the token closer to its lock: a person must look first.
                true => error.clone(),
                false => self.shared.away(error.to_string()),
            };
            self.tell(Err(error));
            if begun.elapsed() > STEADY {
                pause = FIRST_PAUSE;
            }
            let until = (!pin_refused).then(|| Instant::now() + pause);
            if self.closed_before(until) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.shared.seat().restarts += 1;
        }
    }

    fn tell(&mut self, opened: Result<(), HsmError>) {
        if let Some(opening) = self.opening.take() {
            // Nobody listens where the token was begun and not waited for.
            let _ = opening.send(opened);
        }
    }

    /// Waits; true when the token was closed meanwhile.
    fn closed_before(&self, until: Option<Instant>) -> bool {
        loop {
            match self.next_event(until) {
                Some(Event::Close) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// The next event; none when the time is up.
    fn next_event(&self, until: Option<Instant>) -> Option<Event> {
        let Some(until) = until else {
            return Some(self.events.recv().unwrap_or(Event::Close));
        };
        let pause = until.saturating_duration_since(Instant::now());
        match self.events.recv_timeout(pause) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Close),
        }
    }

    /// One worker process from its start to its end.
    fn serve(&mut self) -> End {
        self.started += 1;
        let (child, link) = match self.open() {
            Ok(opened) => opened,
            Err(error) => return End::Lost(error),
        };
        self.tell(Ok(()));
        let end = self.attend(&link);
        {
            let mut seat = self.shared.seat();
            seat.link = None;
            seat.pid = None;
            seat.away = self.shared.away("its worker process ended".to_owned());
            let mut done = link.counters();
            (done.queued, done.stuck_workers) = (0, 0);
            seat.past = seat.past.plus(done);
        }
        match end {
            End::Closed => {
                link.close(&HsmError::Closed);
                child.end(PATIENCE);
                End::Closed
            }
            End::Lost(error) => {
                // Dead before callers hear of it: whatever it still did, it does no more.
                let how = child.end(Duration::ZERO);
                let error = match error {
                    HsmError::WorkerLost { token, how: why } => HsmError::WorkerLost {
                        token,
                        how: format!("{why}; {how}"),
                    },
                    other => other,
                };
                link.close(&error);
                End::Lost(error)
            }
        }
    }

    fn open(&self) -> Result<(Child, Arc<Link>), HsmError> {
        let child = Child::start(&self.launch)?;
        let info = child.open(&self.launch)?;
        let clone = || child.stream.try_clone();
        let no_line = |error: std::io::Error| HsmError::NoWorker {
            program: self.launch.program.clone(),
            reason: error.to_string(),
        };
        let (writing, reading) = (clone().map_err(no_line)?, clone().map_err(no_line)?);
        let link = Arc::new(Link::new(
            self.started,
            writing,
            self.shared.capacity(),
            Arc::clone(&self.shared.tally),
        ));
        let (listening, shared) = (Arc::clone(&link), Arc::clone(&self.shared));
        std::thread::Builder::new()
            .name("hsm-answers".to_owned())
            .spawn(move || {
                let why = match listening.listen(reading) {
                    Ok(()) => "it closed the line".to_owned(),
                    Err(error) => error.to_string(),
                };
                let worker = listening.worker;
                shared.notify(Event::Ended { worker, why });
            })
            .map_err(|error| HsmError::NoThread(error.to_string()))?;
        tracing::info!(
            token = self.shared.name,
            pid = child.pid(),
            serial = info.serial,
            "the HSM's worker process serves"
        );
        let mut seat = self.shared.seat();
        seat.info = Some(info);
        seat.pid = Some(child.pid());
        seat.link = Some(Arc::clone(&link));
        drop(seat);
        Ok((child, link))
    }

    /// Watches deadlines and health while a worker serves.
    fn attend(&self, link: &Arc<Link>) -> End {
        let lost = |how: String| {
            End::Lost(HsmError::WorkerLost {
                token: self.shared.name.clone(),
                how,
            })
        };
        let mut vigil = Vigil::new(Instant::now(), self.launch.profile.call_timeout);
        loop {
            let now = Instant::now();
            if now >= vigil.next {
                match vigil.look(now, &link.signs) {
                    Finding::Ping => link.ping(),
                    Finding::PingAndProbe => {
                        link.ping();
                        self.probe(link);
                    }
                    Finding::Replace(why) => return lost(why.to_owned()),
                    Finding::PinRefused(error) => return End::Lost(error),
                }
            }
            let until = link.watch(Instant::now(), vigil.next);
            match self.next_event(Some(until)) {
                Some(Event::Close) => return End::Closed,
                Some(Event::Ended { worker, why }) if worker == link.worker => return lost(why),
                // A line that ended earlier, or a deadline to be looked at.
                Some(_) | None => {}
            }
        }
    }

    fn probe(&self, link: &Arc<Link>) {
        let limit = self.launch.profile.call_timeout;
        let probed = Arc::clone(link);
        let reply = Box::new(move |answer| probed.signs.probed(&answer));
        if link.ask(Request::Probe, limit, reply).is_err() {
            // As many calls wait as may: they show how the token is.
            link.signs.not_probed();
        }
    }
}

const fn is_about_the_pin(error: &HsmError) -> bool {
    matches!(
        error,
        HsmError::PinRefused { .. } | HsmError::PinLocked { .. } | HsmError::PinForm { .. }
    )
}
