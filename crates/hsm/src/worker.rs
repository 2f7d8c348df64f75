//! A worker thread: one session, one call at a time, bounded attempts; and the watch that replaces stuck workers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::call::Errand;
use crate::counters::Tally;
use crate::error::HsmError;
use crate::fault::{Fault, Verdict};
use crate::login::Login;
use crate::queue::Queue;
use crate::session::KeySession;

/// Starts worker threads, each with a number of its own.
pub(crate) struct Crew {
    pub(crate) login: Arc<Login>,
    pub(crate) queue: Arc<Queue>,
    next: AtomicU64,
}

impl Crew {
    pub(crate) fn new(login: Arc<Login>, queue: Arc<Queue>) -> Self {
        Self {
            login,
            queue,
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn hire(&self) -> Result<(), HsmError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let worker = Worker {
            number,
            login: Arc::clone(&self.login),
            queue: Arc::clone(&self.queue),
            session: None,
        };
        spawn(format!("hsm-worker-{number}"), move || worker.run())
    }

    /// Starts the thread that fails calls at their deadline.
    pub(crate) fn watch(self) -> Result<(), HsmError> {
        spawn("hsm-watch".to_owned(), move || {
            while let Some(due) = self.queue.due() {
                for call in due {
                    if call.inside_module {
                        // Before the caller hears of it, who may look.
                        Tally::count(&self.login.tally.stuck_calls);
                        tracing::error!(
                            token = self.login.info.label,
                            replaced = call.replace,
                            "a call hangs in the HSM"
                        );
                    }
                    // A callback that panics must not end the watch.
                    let _ = catch_unwind(AssertUnwindSafe(|| call.fail()));
                    if call.replace
                        && let Err(error) = self.hire()
                    {
                        tracing::error!(%error, "no worker replaces the one that hangs");
                    }
                }
            }
        })
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<(), HsmError> {
    match thread::Builder::new().name(name).spawn(body) {
        Ok(_detached) => Ok(()),
        Err(error) => Err(HsmError::NoThread(error.to_string())),
    }
}

/// One worker.
pub(crate) struct Worker {
    /// First, so that it is closed before the login is let go.
    session: Option<KeySession>,
    number: u64,
    login: Arc<Login>,
    queue: Arc<Queue>,
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.queue.next(self.number) {
            if job.call.is_open() {
                let serve = job.serve;
                if catch_unwind(AssertUnwindSafe(|| serve(&mut self))).is_err() {
                    self.session = None;
                    job.call.fail(HsmError::Panicked {
                        operation: job.errand.operation.into(),
                    });
                }
            }
            if !self.queue.finish(self.number) {
                return;
            }
        }
    }

    /// Does `work` on this worker's session; on another session when it fails in a way that a new session may cure.
    pub(crate) fn attempt<T>(
        &mut self,
        errand: Errand,
        work: impl FnMut(&mut KeySession) -> Result<T, Fault>,
    ) -> Result<T, HsmError> {
        attempt(&self.login, &mut self.session, errand.deadline, work)
    }
}

/// Does `work` on this session, or on another one, as often as the profile allows and time is left.
pub(crate) fn attempt<T>(
    login: &Arc<Login>,
    session: &mut Option<KeySession>,
    deadline: Instant,
    mut work: impl FnMut(&mut KeySession) -> Result<T, Fault>,
) -> Result<T, HsmError> {
    let mut attempt = 1;
    loop {
        let fault = match usable(login, session).and_then(&mut work) {
            Ok(value) => return Ok(value),
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::Refused(_)) {
            *session = None;
        }
        let attempts = match fault {
            Fault::BadSignature(key) => {
                Tally::count(&login.tally.bad_signatures);
                tracing::error!(%key, token = login.info.label, "a signature does not verify: session replaced");
                2
            }
            _ => login.profile.attempts,
        };
        let error = match fault.judge(&login.profile.quirks.retry_codes) {
            Verdict::GiveUp(error) => return Err(error),
            Verdict::Retry(error) => error,
        };
        let pause = login.profile.back_off.saturating_mul(attempt - 1);
        if attempt >= attempts || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(%error, attempt, "retrying on another session");
        Tally::count(&login.tally.retries);
        // The first retry goes at once: a lost session costs no more than opening another.
        thread::sleep(pause);
        attempt += 1;
    }
}

fn usable<'a>(
    login: &Arc<Login>,
    session: &'a mut Option<KeySession>,
) -> Result<&'a mut KeySession, Fault> {
    let ready = match session.take().and_then(KeySession::touched) {
        Some(ready) => ready,
        None => KeySession::open(login)?,
    };
    Ok(session.insert(ready))
}
