//! Whether something happens unusually often.

use std::collections::VecDeque;

use custodyd_policy::{Timestamp, WithdrawalId};

/// The last payouts of one sort. Of each one counts the first time; as many are kept as it takes to tell.
#[derive(Debug)]
pub(super) struct Burst {
    threshold: usize,
    window_ms: u64,
    seen: VecDeque<(Timestamp, WithdrawalId)>,
    holds: bool,
}

impl Burst {
    /// `threshold` within `window_ms` are many.
    pub(super) fn new(threshold: usize, window_ms: u64) -> Self {
        Self {
            threshold,
            window_ms,
            seen: VecDeque::new(),
            holds: false,
        }
    }

    pub(super) fn add(&mut self, id: WithdrawalId, now: Timestamp) {
        if self.seen.iter().any(|(_, seen)| *seen == id) {
            return;
        }
        if self.seen.len() >= self.threshold {
            self.seen.pop_front();
        }
        self.seen.push_back((now, id));
    }

    /// How many, if they are many: from the threshold on, until they are less than half of it.
    pub(super) fn holds(&mut self, now: Timestamp) -> Option<usize> {
        while let Some((at, _)) = self.seen.front()
            && now.saturating_ms_since(*at) >= self.window_ms
        {
            self.seen.pop_front();
        }
        let count = self.seen.len();
        self.holds =
            count >= self.threshold || (self.holds && count.saturating_mul(2) >= self.threshold);
        self.holds.then_some(count)
    }
}
