//! The bounded queue in front of the workers, and the watch over deadlines.
//!
//! A PKCS#11 call can't be interrupted. So a call's answer is separate from its execution: whoever comes first, the
//! worker with a result or the watch at the deadline, answers; the other finds the answer gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Tally;
use crate::error::HsmError;
use crate::worker::Worker;

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

    pub(crate) const fn late(self) -> HsmError {
        HsmError::Deadline {
            operation: self.operation,
            limit: self.limit,
        }
    }
}

/// A call that waits for a worker.
pub(crate) struct Job {
    pub(crate) errand: Errand,
    pub(crate) call: Arc<dyn Answerable>,
    pub(crate) serve: Box<dyn FnOnce(&mut Worker) + Send>,
}

struct Running {
    errand: Errand,
    call: Arc<dyn Answerable>,
    /// The deadline passed and the worker is still inside.
    stuck: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: BTreeMap<u64, Running>,
    /// Stuck workers that were replaced: they end when they come back.
    retired: BTreeSet<u64>,
    idle_workers: usize,
    /// Until when the watch sleeps; none while it has nothing to wait for.
    watch_until: Option<Instant>,
    closed: bool,
}

/// The queue of one token.
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    watch: Condvar,
    capacity: usize,
    /// Workers that may be retired and replaced at a time, by the sessions that are left for it.
    spare: usize,
}

/// A call whose deadline has passed.
pub(crate) struct Due {
    errand: Errand,
    call: Arc<dyn Answerable>,
    pub(crate) inside_module: bool,
    /// The worker was retired, and another must take its place.
    pub(crate) replace: bool,
}

impl Due {
    pub(crate) fn fail(&self) {
        self.call.fail(self.errand.late());
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize, spare: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            watch: Condvar::new(),
            capacity,
            spare,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, job: Job) -> Result<(), HsmError> {
        let mut state = self.state();
        if state.closed {
            return Err(HsmError::Closed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(HsmError::QueueFull {
                capacity: self.capacity,
            });
        }
        let wake_watch = state
            .watch_until
            .is_none_or(|until| job.errand.deadline < until);
        state.waiting.push_back(job);
        // A wake-up is a system call: none while all workers are busy.
        if state.idle_workers > 0 {
            self.work.notify_one();
        }
        if wake_watch {
            self.watch.notify_one();
        }
        Ok(())
    }

    /// The next job for this worker, waiting for one; none when the token is closed.
    pub(crate) fn next(&self, worker: u64) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                let running = Running {
                    errand: job.errand,
                    call: Arc::clone(&job.call),
                    stuck: false,
                };
                state.running.insert(worker, running);
                return Some(job);
            }
            state.idle_workers += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle_workers -= 1;
        }
    }

    /// The worker is done with its job. False if it was replaced meanwhile and must end.
    pub(crate) fn finish(&self, worker: u64) -> bool {
        let mut state = self.state();
        state.running.remove(&worker);
        !state.retired.remove(&worker)
    }

    /// Waits until deadlines have passed and takes those calls; none when the token is closed.
    pub(crate) fn due(&self) -> Option<Vec<Due>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            let due = self.take_due(&mut state, now);
            if !due.is_empty() {
                return Some(due);
            }
            let waiting = state.waiting.iter().map(|job| job.errand.deadline);
            let running = state
                .running
                .values()
                .filter(|running| !running.stuck)
                .map(|running| running.errand.deadline);
            state.watch_until = waiting.chain(running).min();
            state = match state.watch_until {
                None => self
                    .watch
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let pause = until.saturating_duration_since(now);
                    self.watch
                        .wait_timeout(state, pause)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    fn take_due(&self, state: &mut State, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        let (late, waiting): (VecDeque<Job>, VecDeque<Job>) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition(|job| job.errand.deadline <= now);
        state.waiting = waiting;
        due.extend(late.into_iter().map(|job| Due {
            errand: job.errand,
            call: job.call,
            inside_module: false,
            replace: false,
        }));
        for (worker, running) in &mut state.running {
            if running.stuck || running.errand.deadline > now {
                continue;
            }
            running.stuck = true;
            let replace = state.retired.len() < self.spare && state.retired.insert(*worker);
            due.push(Due {
                errand: running.errand,
                call: Arc::clone(&running.call),
                inside_module: true,
                replace,
            });
        }
        due
    }

    /// Calls that wait, and workers that are stuck.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state();
        (
            state.waiting.len(),
            state
                .running
                .values()
                .filter(|running| running.stuck)
                .count(),
        )
    }

    /// Ends the workers after their present job and fails what waits.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        self.work.notify_all();
        self.watch.notify_all();
        for job in waiting {
            job.call.fail(HsmError::Closed);
        }
    }
}
