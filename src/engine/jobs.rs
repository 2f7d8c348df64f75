//! Which effects are under way and when the rest may be tried again. Only a schedule: what is outstanding is always
//! derived from the vault, so losing this loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::Network;
use custodyd_policy::{Timestamp, WalletId};
use custodyd_vault::Effect;

/// Something to do outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Job {
    /// What the vault asks for.
    Effect(Effect),
    /// Look at a wallet on the chain.
    Observe(WalletId),
    /// Ask a node for its best block's height.
    Tip(Network),
}

/// First wait after a failure; it doubles up to [`LONGEST_WAIT_MS`].
const FIRST_WAIT_MS: u64 = 250;
const LONGEST_WAIT_MS: u64 = 15_000;
/// Longer than any effect takes: deadlines of HSM and nodes are seconds.
const LOST_AFTER_MS: u64 = 600_000;

#[derive(Debug, Default)]
pub(super) struct Jobs {
    running: BTreeMap<Job, Timestamp>,
    waiting: BTreeMap<Job, Wait>,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    until: Timestamp,
    failures: u32,
}

impl Jobs {
    /// Marks a job as running, if it may start now. One that never came back is taken for lost after a while; doing an
    /// effect twice is harmless.
    pub(super) fn start(&mut self, job: &Job, now: Timestamp) -> bool {
        let early = self.waiting.get(job).is_some_and(|wait| wait.until > now);
        let since = self.running.get(job).copied();
        if early || since.is_some_and(|since| now.saturating_ms_since(since) < LOST_AFTER_MS) {
            return false;
        }
        self.running.insert(job.clone(), now);
        true
    }

    /// A job ended well; it may come again after `pause_ms`.
    pub(super) fn succeeded(&mut self, job: &Job, now: Timestamp, pause_ms: u64) {
        self.running.remove(job);
        if pause_ms == 0 {
            self.waiting.remove(job);
        } else {
            let until = now.checked_add_ms(pause_ms).unwrap_or(now);
            self.waiting
                .insert(job.clone(), Wait { until, failures: 0 });
        }
    }

    /// A job failed; it may come again later each time.
    pub(super) fn failed(&mut self, job: &Job, now: Timestamp) {
        self.running.remove(job);
        let failures = self
            .waiting
            .get(job)
            .map_or(0, |wait| wait.failures)
            .saturating_add(1);
        let wait = FIRST_WAIT_MS
            .saturating_mul(1_u64 << failures.min(10).saturating_sub(1))
            .min(LONGEST_WAIT_MS);
        let until = now.checked_add_ms(wait).unwrap_or(now);
        self.waiting.insert(job.clone(), Wait { until, failures });
    }

    /// Lets a job start at once: something changed.
    pub(super) fn hurry(&mut self, job: &Job) {
        self.waiting.remove(job);
    }

    /// Lets every transaction be looked at: a block came or went.
    pub(super) fn hurry_watches(&mut self) {
        self.waiting
            .retain(|job, _| !matches!(job, Job::Effect(Effect::Watch(_))));
    }

    /// Puts a job off that has not run yet.
    pub(super) fn defer(&mut self, job: &Job, until: Timestamp) {
        self.waiting
            .entry(job.clone())
            .or_insert(Wait { until, failures: 0 });
    }

    /// Forgets waits of jobs that are no longer asked for.
    pub(super) fn retain(&mut self, wanted: &BTreeSet<Job>) {
        self.waiting.retain(|job, _| wanted.contains(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_runs_once_at_a_time_and_waits_longer_after_each_failure() {
        let job = Job::Observe("hot".parse().unwrap());
        let at = Timestamp::from_ms;
        let mut jobs = Jobs::default();
        assert!(jobs.start(&job, at(0)));
        assert!(!jobs.start(&job, at(0)));
        jobs.failed(&job, at(0));
        assert!(!jobs.start(&job, at(249)));
        assert!(jobs.start(&job, at(250)));
        jobs.failed(&job, at(250));
        assert!(!jobs.start(&job, at(749)));
        assert!(jobs.start(&job, at(750)));
        jobs.succeeded(&job, at(750), 0);
        assert!(jobs.start(&job, at(750)));
        assert!(!jobs.start(&job, at(600_000)), "it may still be under way");
        assert!(jobs.start(&job, at(600_750)), "it never came back");
    }
}
