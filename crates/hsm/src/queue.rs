//! The bounded queue in front of the workers, and the watch over deadlines.
//!
//! A worker that is inside the module beyond its deadline can't be stopped. It is retired: another takes its place as
//! long as the token's sessions allow, and it ends when it comes back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::call::{Answerable, Errand};
use crate::error::HsmError;
use crate::worker::Worker;

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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    use super::*;
    use crate::call::Call;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    /// A job that nobody serves: these tests stand where the workers stand.
    fn job(limit: Duration) -> (Job, Receiver<Result<(), HsmError>>) {
        let (sender, receiver) = mpsc::channel();
        let call = Call::new(
            Box::new(move |result| sender.send(result).unwrap()),
            &Arc::default(),
        );
        (
            Job {
                errand: Errand::new("testing", limit),
                call,
                serve: Box::new(|_| ()),
            },
            receiver,
        )
    }

    #[test]
    fn a_call_is_answered_once_whoever_comes_first() {
        let (job, answers) = job(LONG);
        job.call.fail(HsmError::Closed);
        assert!(!job.call.is_open());
        job.call.fail(HsmError::SelfCheck("late".into()));
        drop(job);
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Err(HsmError::Closed)]);
    }

    #[test]
    fn stuck_workers_are_replaced_as_far_as_sessions_allow_and_end_when_they_come_back() {
        let queue = Queue::new(8, 1);
        for worker in 0..2 {
            queue.push(job(SOON).0).unwrap();
            queue.next(worker).unwrap();
        }
        let mut due = Vec::new();
        while due.len() < 2 {
            due.extend(queue.due().unwrap());
        }
        assert!(due.iter().all(|due| due.inside_module));
        assert_eq!(
            due.iter().filter(|due| due.replace).count(),
            1,
            "one session is left for a replacement"
        );
        assert_eq!(queue.depth(), (0, 2));
        // The first was retired; the second goes on.
        assert_eq!((queue.finish(0), queue.finish(1)), (false, true));
        assert_eq!(queue.depth(), (0, 0));
    }

    #[test]
    fn a_call_that_no_worker_takes_is_due_too() {
        let queue = Queue::new(8, 0);
        let (patient, _patient) = job(LONG);
        let (hasty, answers) = job(SOON);
        queue.push(patient).unwrap();
        queue.push(hasty).unwrap();
        let due = queue.due().unwrap();
        assert!(due.len() == 1 && !due[0].inside_module && !due[0].replace);
        due[0].fail();
        assert_eq!(
            answers.recv().unwrap(),
            Err(HsmError::Deadline {
                operation: "testing".into(),
                limit: SOON
            })
        );
        assert_eq!(queue.depth(), (1, 0));
    }

    #[test]
    fn closing_fails_what_waits_and_refuses_what_comes() {
        let queue = Queue::new(1, 0);
        let (waiting, answers) = job(LONG);
        queue.push(waiting).unwrap();
        assert_eq!(
            queue.push(job(LONG).0),
            Err(HsmError::QueueFull { capacity: 1 })
        );
        queue.close();
        assert_eq!(answers.recv().unwrap(), Err(HsmError::Closed));
        assert_eq!(queue.push(job(LONG).0), Err(HsmError::Closed));
        assert!(queue.next(0).is_none() && queue.due().is_none());
    }
}
