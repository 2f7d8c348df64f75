//! The interface: a token that signs, with every call bounded in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::call::{Answerable, Call, Errand};
use crate::counters::Counters;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::hsm::{Health, Hsm, MemberStatus};
use crate::key::Curve;
use crate::keygen::{self, Claim};
use crate::login::Login;
use crate::module::bounded;
use crate::profile::Profile;
use crate::queue::{Job, Queue};
use crate::request::{Reply, Request, Response};
use crate::self_check::self_check;
use crate::session::KeySession;
use crate::slot::TokenInfo;
use crate::verify::Signed;
use crate::worker::{Crew, Worker};

/// Time for workers to close their sessions when the last clone goes.
const FAREWELL: Duration = Duration::from_secs(2);

/// One token of one HSM. Clones share its workers; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Token {
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    login: Arc<Login>,
    queue: Arc<Queue>,
}

impl Drop for Shared {
    /// Waits for the workers to close their sessions. A process that ends meanwhile runs the module's exit handlers under
    /// them, which crashes SoftHSM (its issues 635 and 780). A worker that hangs in the module is not waited for longer.
    fn drop(&mut self) {
        self.queue.close();
        let until = Instant::now() + FAREWELL;
        // Each worker, and the watch, holds the login until its last call has returned.
        while Arc::strong_count(&self.login) > 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Checks the known answers, loads the module, finds the token, logs in once and starts `workers` threads.
    /// Takes at most the profile's `open_ms`.
    ///
    /// # Errors
    /// Mostly [`crate::Class::Misconfigured`]: a missing module, token or mechanism, a refused PIN. A wrong PIN is
    /// offered to the token once; don't call again with the same one.
    pub fn open(profile: &Profile, pin: SecretString, workers: usize) -> Result<Self, HsmError> {
        self_check()?;
        let limit = profile.open_timeout;
        let spare = profile
            .max_sessions
            .saturating_sub(workers)
            .saturating_sub(profile.idle_sessions());
        let queue = Arc::new(Queue::new(profile.queue, spare));
        let (name, profile) = (profile.name.clone(), profile.clone());
        let login = Arc::new(bounded("opening the token", limit, move || {
            Login::open(profile, pin, workers)
        })??);
        let token = Self {
            name,
            shared: Arc::new(Shared {
                login: Arc::clone(&login),
                queue: Arc::clone(&queue),
            }),
        };
        let crew = Crew::new(login, queue);
        for _ in 0..workers {
            crew.hire()?;
        }
        crew.watch()?;
        Ok(token)
    }

    /// What the token says of itself.
    #[must_use]
    pub fn info(&self) -> &TokenInfo {
        &self.shared.login.info
    }

    /// What happened since it was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let (queued, stuck) = self.shared.queue.depth();
        self.shared.login.tally.snapshot(queued, stuck)
    }

    /// The same token under the name that a configuration gives it.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    fn enqueue(
        &self,
        errand: Errand,
        reply: Reply,
        work: impl FnMut(&mut KeySession) -> Result<Response, Fault> + Send + 'static,
    ) -> Result<(), HsmError> {
        let tally = &self.shared.login.tally;
        let call = Call::new(reply, tally);
        let answered = Arc::clone(&call);
        let serve =
            Box::new(move |worker: &mut Worker| answered.answer(worker.attempt(errand, work)));
        let call: Arc<dyn Answerable> = call;
        self.shared
            .queue
            .push(Job {
                errand,
                call,
                serve,
            })
            .inspect_err(|error| tally.failure(error.class()))
    }
}

impl Hsm for Token {
    fn submit(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError> {
        let tally = &self.shared.login.tally;
        request
            .admissible()
            .inspect_err(|error| tally.failure(error.class()))?;
        let errand = Errand::new(request.operation(), limit);
        // Held by the job, not by the caller: a call given up may still be generating.
        let claim = match &request {
            Request::Generate { id, .. } => Some(Claim::take(&self.shared.login, *id)?),
            _ => None,
        };
        self.enqueue(errand, reply, move |session| {
            let _held = &claim;
            answer(session, &request)
        })
    }

    fn members(&self) -> Vec<MemberStatus> {
        vec![MemberStatus {
            name: self.name.clone(),
            info: Some(self.info().clone()),
            health: Health::Up,
            counters: self.counters(),
            restarts: 0,
            missing_keys: 0,
        }]
    }

    fn call_limit(&self) -> Duration {
        self.shared.login.profile.call_timeout
    }
}

/// The one place where a request meets a session.
fn answer(session: &mut KeySession, request: &Request) -> Result<Response, Fault> {
    Ok(match request {
        Request::Sign { key, curve, digest } => {
            Response::Signature(session.sign(key, *curve, Signed::Digest(digest))?)
        }
        Request::SignMessage { key, message } => {
            Response::Signature(session.sign(key, Curve::Ed25519, Signed::Message(message))?)
        }
        Request::Generate { id, label, curve } => {
            Response::Public(keygen::generate(session, id, label, *curve)?)
        }
        Request::Find(id) => Response::Found(session.locate(id)?.map(|located| located.report)),
        Request::List => Response::Listed(session.list()?),
        Request::Check(id) => {
            session.check(id)?;
            Response::Done
        }
        Request::GenerateWrapped {
            id,
            wrapping_key,
            curve,
        } => Response::Wrapped(Box::new(session.generate_wrapped(
            id,
            wrapping_key,
            *curve,
        )?)),
        Request::CheckWrapped(key) => {
            session.check_wrapped(key)?;
            Response::Done
        }
        Request::CheckWrapping(id) => {
            session.wrapping_key(id)?;
            Response::Done
        }
        Request::Canary { first, samples } => Response::Canary(session.canary(*first, *samples)?),
        Request::Probe => Response::Alive(session.probe()?),
    })
}
