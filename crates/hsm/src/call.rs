//! A call and its answer.
//!
//! A PKCS#11 call can't be interrupted. So its answer is separate from its execution: whoever comes first, the worker
//! with a result or the watch at the deadline, answers; the other finds the answer gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Tally;
use crate::error::HsmError;

type Reply<T> = Box<dyn FnOnce(Result<T, HsmError>) + Send>;

/// A call's answer, given once.
pub(crate) struct Call<T> {
    reply: Mutex<Option<Reply<T>>>,
    tally: Arc<Tally>,
}

impl<T> Call<T> {
    pub(crate) fn new(reply: Reply<T>, tally: &Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            reply: Mutex::new(Some(reply)),
            tally: Arc::clone(tally),
        })
    }

    fn reply(&self) -> MutexGuard<'_, Option<Reply<T>>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers, unless it was answered before.
    pub(crate) fn answer(&self, result: Result<T, HsmError>) {
        let Some(reply) = self.reply().take() else {
            return;
        };
        if let Err(error) = &result {
            self.tally.failure(error.class());
        }
        reply(result);
    }
}

/// A call of whatever type, as queue and watch see it.
pub(crate) trait Answerable: Send + Sync {
    fn is_open(&self) -> bool;
    fn fail(&self, error: HsmError);
}

impl<T: Send> Answerable for Call<T> {
    fn is_open(&self) -> bool {
        self.reply().is_some()
    }

    fn fail(&self, error: HsmError) {
        self.answer(Err(error));
    }
}

/// What is asked for, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand {
    pub(crate) operation: &'static str,
    pub(crate) limit: Duration,
    pub(crate) deadline: Instant,
}

impl Errand {
    pub(crate) fn new(operation: &'static str, limit: Duration) -> Self {
        // A deadline beyond a day is none; the bound keeps the sum in range.
        let limit = limit.min(Duration::from_secs(86_400));
        Self {
            operation,
            limit,
            deadline: Instant::now() + limit,
        }
    }

    pub(crate) fn late(self) -> HsmError {
        HsmError::Deadline {
            operation: self.operation.into(),
            limit: self.limit,
        }
    }
}
