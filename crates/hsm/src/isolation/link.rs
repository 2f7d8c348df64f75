//! The host's end of the line to one worker process: requests out, answers in, and what the answers say of its health.

use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::calls::{Added, Calls, Refused};
use super::frame::{self, FrameError};
use super::message::{FromWorker, ToWorker};
use super::outbox::{Outbox, WhenFull};
use super::signs::Signs;
use crate::call::Errand;
use crate::counters::{Counters, Tally};
use crate::error::{HsmError, Name};
use crate::request::{Reply, Request};

/// The line to one worker process.
#[derive(Debug)]
pub(super) struct Link {
    /// Counts the token's worker processes, from 1.
    pub(super) worker: u64,
    calls: Calls,
    outbox: Outbox,
    pub(super) signs: Signs,
    counters: Mutex<Counters>,
    tally: Arc<Tally>,
}

impl Link {
    /// A line that takes `capacity` calls at a time.
    pub(super) fn new(worker: u64, stream: UnixStream, capacity: usize, tally: Arc<Tally>) -> Self {
        Self {
            worker,
            calls: Calls::new(capacity),
            outbox: Outbox::new(stream, WhenFull::Leave),
            signs: Signs::default(),
            counters: Mutex::default(),
            tally,
        }
    }

    /// Sends a request. True when its deadline comes before the watch wakes, which must then be woken.
    pub(super) fn ask(
        &self,
        request: Request,
        limit: Duration,
        reply: Reply,
    ) -> Result<bool, Unsent> {
        let errand = Errand::new(request.operation(), limit);
        let limit = errand.limit;
        let Added { number, wake_watch } = match self.calls.add(errand, reply) {
            Ok(added) => added,
            Err(Refused::Full) => return Err(Unsent::Full),
            Err(Refused::Gone) => return Err(Unsent::Gone),
        };
        let ask = ToWorker::Ask {
            number,
            limit,
            request,
        };
        match frame::frame(&ask, frame::MOST_TO_WORKER) {
            Ok(frame) => self.outbox.push(&frame),
            // The watch was quicker if nothing is there any more, and has answered.
            Err(error) => {
                if self.calls.take(number).is_some() {
                    return Err(Unsent::Unfit(unfit(errand.operation.into(), &error)));
                }
            }
        }
        Ok(wake_watch)
    }

    /// Asks for a sign of life.
    pub(super) fn ping(&self) {
        if let Ok(frame) = frame::frame(&ToWorker::Ping, frame::MOST_TO_WORKER) {
            self.outbox.push(&frame);
        }
    }

    /// Calls that are not answered.
    pub(super) fn waiting(&self) -> usize {
        self.calls.len()
    }

    /// What the worker had done when it was asked last.
    pub(super) fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the calls whose time is up, and says until when the watch may sleep, `at_most`.
    pub(super) fn watch(
        &self,
        now: std::time::Instant,
        at_most: std::time::Instant,
    ) -> std::time::Instant {
        let (late, until) = self.calls.due(now, at_most);
        for call in late {
            let error = call.late();
            self.fail(call.reply, error);
        }
        until
    }

    /// Answers everything that waits with this error, and takes nothing more.
    pub(super) fn close(&self, error: &HsmError) {
        for call in self.calls.close() {
            self.fail(call.reply, error.clone());
        }
    }

    fn fail(&self, reply: Reply, error: HsmError) {
        self.tally.failure(error.class());
        guarded(|| reply(Err(error)));
    }

    /// Hands out answers until the line ends; says why it did.
    pub(super) fn listen(&self, stream: UnixStream) -> Result<(), FrameError> {
        let mut stream = BufReader::with_capacity(64 * 1024, stream);
        let mut bytes = Vec::new();
        while let Some(heard) = frame::next(&mut stream, frame::MOST_FROM_WORKER, &mut bytes)? {
            self.signs.heard();
            match heard {
                FromWorker::Pong(counters) => {
                    *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
                }
                FromWorker::Answer { number, answer } => {
                    // It took something in: there may be room for what was left.
                    self.outbox.flush();
                    if let Some(call) = self.calls.take(number) {
                        self.signs.answered(call.is_probe(), &answer);
                        guarded(|| (call.reply)(answer));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Why a request did not leave. Its reply was not called.
#[derive(Debug)]
pub(super) enum Unsent {
    Full,
    Gone,
    Unfit(HsmError),
}

/// What to tell of a request or an answer that fits no frame.
pub(super) fn unfit(operation: Name, error: &FrameError) -> HsmError {
    match error {
        FrameError::TooLong { bytes, most } => HsmError::TooLong {
            operation,
            bytes: *bytes,
            most: *most,
        },
        FrameError::Io(_) | FrameError::Garbled(_) => HsmError::Panicked { operation },
    }
}

/// A reply that panics must not end the thread that answers others.
fn guarded(reply: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(reply));
}
