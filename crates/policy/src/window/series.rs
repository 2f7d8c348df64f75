//! What counts towards one key of one limit, in order of time, with the sum of any window in logarithmic time and
//! without being changed by the question.

use custodyd_chain::U256;

use crate::instant::Timestamp;
use crate::window::fenwick::{PrefixSums, Total};

/// The admissions of one key. An admission at `a` is inside the window that ends at `t` while `a + window > t`.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    window_ms: u64,
    entries: Vec<Entry>,
    sums: PrefixSums,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    /// Rises by one with each admission of the whole book.
    sequence: u64,
    item: Total,
}

impl Series {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            entries: Vec::new(),
            sums: PrefixSums::default(),
        }
    }

    /// Adds an admission, no earlier than the last.
    pub(crate) fn push(&mut self, at: Timestamp, sequence: u64, weight: U256) {
        self.forget_expired(at);
        let item = Total { weight, count: 1 };
        self.entries.push(Entry { at, sequence, item });
        self.sums.push(item);
    }

    /// Takes an admission out of every window.
    pub(crate) fn remove(&mut self, sequence: u64) {
        let position = self.entries.partition_point(|e| e.sequence < sequence);
        if let Some(entry) = self
            .entries
            .get_mut(position)
            .filter(|e| e.sequence == sequence)
        {
            self.sums.subtract(position, entry.item);
            entry.item = Total::default();
        }
    }

    /// The sum over the window that ends at `t`.
    pub(crate) fn within(&self, t: Timestamp) -> Total {
        self.sums
            .prefix(self.sums.len())
            .minus(self.sums.prefix(self.expired(t)))
    }

    /// The first instant, not before `t`, at which `asked` more is at most `max`, if nothing else is admitted;
    /// `None` if `asked` alone is more, or if there is no such instant.
    pub(crate) fn fits_at(&self, t: Timestamp, asked: U256, max: U256) -> Option<Timestamp> {
        let room = max.checked_sub(asked)?;
        let gone = self.sums.prefix(self.expired(t)).weight;
        let all = self.sums.prefix(self.sums.len()).weight;
        // What must have left the series so that what remains is at most `room`.
        let must_go = all.saturating_sub(room);
        if must_go <= gone {
            return Some(t);
        }
        let last = self.sums.first_reaching(must_go)?.checked_sub(1)?;
        self.entries.get(last)?.at.checked_add_ms(self.window_ms)
    }

    /// When the oldest admission inside the window that ends at `t` leaves it.
    pub(crate) fn frees_at(&self, t: Timestamp) -> Option<Timestamp> {
        self.alive(t)
            .find(|e| e.item.count > 0)?
            .at
            .checked_add_ms(self.window_ms)
    }

    /// When the window that ends at `t` is empty again, if nothing else is admitted.
    pub(crate) fn resets_at(&self, t: Timestamp) -> Option<Timestamp> {
        self.alive(t)
            .rfind(|e| e.item.count > 0)?
            .at
            .checked_add_ms(self.window_ms)
    }

    /// The sequence of the newest admission inside the window that ends at `t`.
    pub(crate) fn newest(&self, t: Timestamp) -> Option<u64> {
        let newest = self.alive(t).rfind(|e| e.item.count > 0)?;
        Some(newest.sequence)
    }

    /// What the admission with this sequence counts in the window that ends at `t`; zero if it is not in it.
    pub(crate) fn weight_of(&self, sequence: u64, t: Timestamp) -> U256 {
        let position = self.entries.partition_point(|e| e.sequence < sequence);
        let inside = position >= self.expired(t);
        match self.entries.get(position) {
            Some(entry) if inside && entry.sequence == sequence => entry.item.weight,
            _ => U256::ZERO,
        }
    }

    fn alive(&self, t: Timestamp) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.get(self.expired(t)..).unwrap_or(&[]).iter()
    }

    /// How many first entries are outside the window that ends at `t`.
    fn expired(&self, t: Timestamp) -> usize {
        self.entries.partition_point(|e| {
            e.at.checked_add_ms(self.window_ms)
                .is_some_and(|end| end <= t)
        })
    }

    /// Drops entries that no later window reaches, once they are half of all: each is moved at most once for each
    /// time it was added, so adding stays cheap and memory follows the window.
    fn forget_expired(&mut self, now: Timestamp) {
        const WORTH_IT: usize = 32;
        let expired = self.expired(now);
        if expired < WORTH_IT || expired < self.entries.len() / 2 {
            return;
        }
        self.entries.drain(..expired);
        self.sums = PrefixSums::default();
        for entry in &self.entries {
            self.sums.push(entry.item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(t: u64) -> Timestamp {
        Timestamp::from_ms(t)
    }

    #[test]
    fn an_admission_leaves_the_window_exactly_one_window_later() {
        let mut series = Series::new(100);
        series.push(ms(50), 0, U256::from(7));
        assert_eq!(series.within(ms(149)).weight, U256::from(7));
        assert_eq!(series.within(ms(150)).weight, U256::ZERO);
        assert_eq!(series.frees_at(ms(60)), Some(ms(150)));
        assert_eq!(series.resets_at(ms(150)), None);
    }

    #[test]
    fn the_end_of_time_does_not_wrap() {
        let mut series = Series::new(100);
        series.push(ms(u64::MAX), 0, U256::from(7));
        assert_eq!(series.within(ms(u64::MAX)).count, 1);
        assert_eq!(
            series.fits_at(ms(u64::MAX), U256::from(1), U256::from(7)),
            None
        );
    }

    #[test]
    fn memory_follows_the_window() {
        let mut series = Series::new(10);
        for t in 0..10_000_u64 {
            series.push(ms(t), t, U256::ONE);
            assert_eq!(series.within(ms(t)).count, (t + 1).min(10));
        }
        assert!(series.entries.len() < 100, "{}", series.entries.len());
    }

    proptest! {
        #[test]
        fn windows_agree_with_a_plain_list(
            steps in prop::collection::vec((0u64..6, 0u64..5, prop::option::of(any::<prop::sample::Index>())), 0..120),
            asked in 0u64..12,
            max in 0u64..12,
        ) {
            let window = 20;
            let mut series = Series::new(window);
            let mut list: Vec<(u64, u64, bool)> = Vec::new();
            let mut now = 0;
            for (wait, weight, remove) in steps {
                now += wait;
                series.push(ms(now), list.len() as u64, U256::from(weight));
                list.push((now, weight, true));
                if let Some(index) = remove {
                    let at = index.index(list.len());
                    series.remove(at as u64);
                    list[at].2 = false;
                }
                let used = |t: u64| -> u64 {
                    list.iter().filter(|(at, _, live)| *live && at + window > t).map(|e| e.1).sum()
                };
                for later in [now, now + 3, now + 19, now + 20] {
                    prop_assert_eq!(series.within(ms(later)).weight, U256::from(used(later)));
                }
                let fits = (now..=now + window).find(|t| used(*t) + asked <= max);
                prop_assert_eq!(series.fits_at(ms(now), U256::from(asked), U256::from(max)), fits.map(ms));
            }
        }
    }
}
