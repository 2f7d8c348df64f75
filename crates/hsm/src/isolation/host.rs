//! The interface: a token in a worker process, as an [`Hsm`].

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::child::Launch;
use super::link::{Link, Unsent};
use super::supervisor::{Event, Supervisor};
use crate::counters::{Counters, Tally};
use crate::error::HsmError;
use crate::hsm::{Health, Hsm, MemberStatus};
use crate::request::{Reply, Request};
use crate::self_check::self_check;
use crate::slot::TokenInfo;

/// Time for the worker process to end when its host lets go of it.
const FAREWELL: Duration = Duration::from_secs(3);

/// One token of one HSM, in a process of its own. That process ends when this is dropped.
#[derive(Debug)]
pub struct Isolated {
    shared: Arc<Shared>,
    /// How the first opening went; told once.
    opened: Mutex<Receiver<Result<(), HsmError>>>,
    /// Closed when the supervisor is done.
    done: Mutex<Receiver<()>>,
}

/// What callers and the supervisor share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) tally: Arc<Tally>,
    events: Sender<Event>,
    seat: Mutex<Seat>,
    call_timeout: Duration,
    workers: usize,
    /// Calls that may wait for a worker.
    queue: usize,
}

/// Who serves now.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) link: Option<Arc<Link>>,
    pub(super) pid: Option<u32>,
    /// Why nobody does.
    pub(super) away: HsmError,
    pub(super) info: Option<TokenInfo>,
    /// What the workers before did.
    pub(super) past: Counters,
    pub(super) restarts: u64,
}

impl Isolated {
    /// Starts a worker process, has it open the token, and waits until it has. The known answers are checked here too.
    ///
    /// # Errors
    /// As [`Token::open`](crate::Token::open), or [`HsmError::NoWorker`]. The process is ended then.
    pub fn start(launch: Launch) -> Result<Self, HsmError> {
        let started = Self::begin(launch)?;
        started.opened()?;
        Ok(started)
    }

    /// As [`Isolated::start`], without waiting for the token, so that several open at a time. One that can't be opened is
    /// tried again and again, unless its PIN was refused.
    ///
    /// # Errors
    /// [`HsmError::SelfCheck`] or [`HsmError::NoThread`].
    pub fn begin(launch: Launch) -> Result<Self, HsmError> {
        self_check()?;
        let (events, received) = mpsc::channel();
        let (opening, opened) = mpsc::sync_channel(1);
        let (ended, done) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared {
            name: launch.name.clone(),
            tally: Arc::default(),
            events,
            seat: Mutex::new(Seat {
                link: None,
                pid: None,
                away: HsmError::Away {
                    token: launch.name.clone(),
                    reason: "it is being opened".to_owned(),
                },
                info: None,
                past: Counters::default(),
                restarts: 0,
            }),
            call_timeout: launch.profile.call_timeout,
            workers: launch.workers,
            queue: launch.profile.queue,
        });
        let supervisor = Supervisor::new(launch, Arc::clone(&shared), received, opening);
        std::thread::Builder::new()
            .name("hsm-supervisor".to_owned())
            .spawn(move || {
                supervisor.run();
                drop(ended);
            })
            .map_err(|error| HsmError::NoThread(error.to_string()))?;
        Ok(Self {
            shared,
            opened: Mutex::new(opened),
            done: Mutex::new(done),
        })
    }

    /// Waits until the token was opened for the first time, or could not be. To be asked once.
    ///
    /// # Errors
    /// What kept it from opening.
    pub fn opened(&self) -> Result<(), HsmError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.recv().unwrap_or(Err(HsmError::Closed))
    }

    /// The worker's process id, while there is one that serves.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.shared.seat().pid
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        self.shared.notify(Event::Close);
        // Not a join: this may run on the supervisor's own thread, in a reply that held the last reference.
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = done.recv_timeout(FAREWELL);
    }
}

impl Hsm for Isolated {
    fn submit(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError> {
        let sent = self.shared.ask(request, limit, reply);
        sent.inspect_err(|error| self.shared.tally.failure(error.class()))
    }

    fn members(&self) -> Vec<MemberStatus> {
        let seat = self.shared.seat();
        let tally = self.shared.tally.snapshot(0, 0);
        let mut counters = seat.past.plus(tally);
        let health = match &seat.link {
            None => Health::Out {
                reason: match &seat.away {
                    HsmError::Away { reason, .. } => reason.clone(),
                    other => other.to_string(),
                },
            },
            Some(link) => {
                counters = counters.plus(link.counters());
                let waiting = link.waiting().saturating_sub(self.shared.workers);
                counters.queued = u64::try_from(waiting).unwrap_or(u64::MAX);
                if seat.restarts == 0 || link.signs.any_good() {
                    Health::Up
                } else {
                    Health::Recovering
                }
            }
        };
        vec![MemberStatus {
            name: self.shared.name.clone(),
            info: seat.info.clone(),
            health,
            counters,
            restarts: seat.restarts,
            missing_keys: 0,
        }]
    }

    fn call_limit(&self) -> Duration {
        self.shared.call_timeout
    }
}

impl Shared {
    pub(super) fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that a worker process holds at most: those that wait, and those that run.
    pub(super) fn capacity(&self) -> usize {
        self.queue.saturating_add(self.workers)
    }

    pub(super) fn notify(&self, event: Event) {
        // The supervisor is gone only when this is being closed.
        let _ = self.events.send(event);
    }

    fn ask(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError> {
        request.admissible()?;
        let link = {
            let seat = self.seat();
            seat.link.clone().ok_or_else(|| seat.away.clone())?
        };
        match link.ask(request, limit, reply) {
            Ok(wake_watch) => {
                if wake_watch {
                    self.notify(Event::Sooner);
                }
                Ok(())
            }
            Err(Unsent::Full) => Err(HsmError::QueueFull {
                capacity: self.queue,
            }),
            Err(Unsent::Gone) => Err(self.away("its worker process ended".to_owned())),
            Err(Unsent::Unfit(error)) => Err(error),
        }
    }

    pub(super) fn away(&self, reason: String) -> HsmError {
        HsmError::Away {
            token: self.name.clone(),
            reason,
        }
    }
}
