//! The interface: a token that signs, with every call bounded in time.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::call::{Answerable, Call, Errand};
use crate::counters::Counters;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::{Curve, KeyId, KeyReport, PublicPoint};
use crate::keygen::{self, Claim};
use crate::login::Login;
use crate::module::bounded;
use crate::profile::Profile;
use crate::queue::{Job, Queue};
use crate::self_check::self_check;
use crate::session::KeySession;
use crate::slot::TokenInfo;
use crate::worker::{Crew, Worker};

/// Time for workers to close their sessions when the last clone goes.
const FAREWELL: Duration = Duration::from_secs(2);

/// One token of one HSM. Clones share its workers; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Token {
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
        let profile = profile.clone();
        let login = Arc::new(bounded("opening the token", limit, move || {
            Login::open(profile, pin, workers)
        })??);
        let token = Self {
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

    /// Generates a key pair with this id, or returns the public point of the one that exists, after the same checks.
    /// Bounded by the profile's `call_ms`.
    ///
    /// # Errors
    /// [`HsmError::KeyRefused`] naming the attribute, [`HsmError::CurveMismatch`], [`HsmError::KeyDuplicated`],
    /// [`HsmError::GenerationRunning`], or a failure of the token. Safe to repeat.
    pub fn generate(&self, id: &KeyId, label: &str, curve: Curve) -> Result<PublicPoint, HsmError> {
        // Held by the job, not by the caller: a call given up may still be generating.
        let claim = Claim::take(&self.shared.login, *id)?;
        let (id, label) = (*id, label.to_owned());
        self.call("generating a key", move |session| {
            let _held = &claim;
            keygen::generate(session, &id, &label, curve)
        })
    }

    /// The key pair with this id; none if it is not on the token. Its attributes are reported, not judged.
    ///
    /// # Errors
    /// [`HsmError::KeyDuplicated`], [`HsmError::KeyUnreadable`], [`HsmError::KeyChanged`], or a failure of the token.
    pub fn find(&self, id: &KeyId) -> Result<Option<KeyReport>, HsmError> {
        let id = *id;
        self.call("finding a key", move |session| {
            Ok(session.locate(&id)?.map(|located| located.report))
        })
    }

    /// All key pairs whose CKA_ID has 16 bytes, ordered by it.
    ///
    /// # Errors
    /// As [`Token::find`], for the first key that has one.
    pub fn list(&self) -> Result<Vec<KeyReport>, HsmError> {
        self.call("listing keys", |session| session.list())
    }

    /// Refuses a key that is missing, could leave the token, was not made in it, or may do more than sign.
    ///
    /// # Errors
    /// [`HsmError::KeyRefused`] naming key and attribute, [`HsmError::KeyMissing`], or as [`Token::find`].
    pub fn check_attributes(&self, id: &KeyId) -> Result<(), HsmError> {
        let id = *id;
        self.call("checking a key", move |session| {
            session.check(&id).map(drop)
        })
    }

    /// Signs a digest of 32 bytes and waits for it, at most `deadline`. Returns r‖s, low-S on secp256k1, verified
    /// against the key's public point.
    ///
    /// # Errors
    /// [`HsmError::Deadline`] when time is up, though the token may still finish and the signature is then dropped;
    /// [`HsmError::QueueFull`]; or what the token or the key's state calls for.
    pub fn sign(
        &self,
        id: &KeyId,
        curve: Curve,
        digest: [u8; 32],
        deadline: Duration,
    ) -> Result<[u8; 64], HsmError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit_sign(
            id,
            curve,
            digest,
            deadline,
            Box::new(move |result| drop(sender.send(result))),
        )?;
        receiver.recv().unwrap_or(Err(HsmError::Closed))
    }

    /// As [`Token::sign`], without waiting: `reply` is called once, on a worker's thread or, at the deadline, on the
    /// watch's. It must be quick and must not block.
    ///
    /// # Errors
    /// [`HsmError::QueueFull`] or [`HsmError::Closed`]; `reply` is then not called.
    pub fn submit_sign(
        &self,
        id: &KeyId,
        curve: Curve,
        digest: [u8; 32],
        deadline: Duration,
        reply: Box<dyn FnOnce(Result<[u8; 64], HsmError>) + Send>,
    ) -> Result<(), HsmError> {
        let id = *id;
        self.submit(Errand::new("signing", deadline), reply, move |session| {
            session.sign(&id, curve, &digest)
        })
    }

    fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnMut(&mut KeySession) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, HsmError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let errand = Errand::new(operation, self.shared.login.profile.call_timeout);
        self.submit(
            errand,
            Box::new(move |result| drop(sender.send(result))),
            work,
        )?;
        receiver.recv().unwrap_or(Err(HsmError::Closed))
    }

    fn submit<T: Send + 'static>(
        &self,
        errand: Errand,
        reply: Box<dyn FnOnce(Result<T, HsmError>) + Send>,
        work: impl FnMut(&mut KeySession) -> Result<T, Fault> + Send + 'static,
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
