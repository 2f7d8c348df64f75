//! What counts towards one key of one limit, in order of time: at most [`MAX_BUCKETS`] buckets, however much was
//! admitted, and the sum of any window in logarithmic time.
//!
//! Admissions of one granule, a 512th of the window, share a bucket, and the whole bucket leaves the window when its
//! newest admission would. So nothing leaves early, and no window of the length ever holds more than the maximum;
//! what leaves late does so by less than a granule.

use std::collections::VecDeque;

use custodyd_chain::U256;

use crate::instant::Timestamp;

/// Granules in a window. The window's two ends may each cut one, hence one bucket more.
const GRANULES: u64 = 512;

/// The most buckets that a series has.
const MAX_BUCKETS: usize = 513;

/// An amount in the unit of the limit and a number of withdrawals, summed together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) weight: U256,
    pub(crate) count: u64,
}

impl Total {
    /// One withdrawal.
    pub(crate) const fn one(weight: U256) -> Self {
        Self { weight, count: 1 }
    }

    /// Modulo 2^256 and 2^64: differences of running totals are right as long as what is inside a window fits. A
    /// weight is below 2^128, so it would take 2^128 of them at once.
    fn plus(self, other: Self) -> Self {
        Self {
            weight: self.weight.wrapping_add(other.weight),
            count: self.count.wrapping_add(other.count),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            weight: self.weight.wrapping_sub(other.weight),
            count: self.count.wrapping_sub(other.count),
        }
    }
}

/// The admissions of one key. One at `a` is inside the window that ends at `t` while `a + window > t`.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    window_ms: u64,
    /// Rounded up, so that no window touches more than [`MAX_BUCKETS`] granules; above zero.
    granule_ms: u64,
    /// Never empty ones, oldest first, each of a granule of its own.
    buckets: VecDeque<Bucket>,
    /// Everything that was ever dropped from the front.
    dropped: Total,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    newest: Timestamp,
    /// Everything up to and including this bucket, since the series began.
    through: Total,
}

impl Series {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            granule_ms: window_ms.div_ceil(GRANULES).max(1),
            buckets: VecDeque::new(),
            dropped: Total::default(),
        }
    }

    /// Adds an admission, no earlier than the last.
    pub(crate) fn push(&mut self, at: Timestamp, weight: U256) {
        self.drop_expired(at);
        let through = self.all().plus(Total::one(weight));
        let granule = self.granule(at);
        let last = self.buckets.back().map(|b| self.granule(b.newest));
        match self.buckets.back_mut() {
            Some(bucket) if last == Some(granule) => {
                bucket.newest = at;
                bucket.through = through;
            }
            _ => self.buckets.push_back(Bucket {
                newest: at,
                through,
            }),
        }
        debug_assert!(
            self.buckets.len() <= MAX_BUCKETS,
            "513 granules touch a window"
        );
    }

    /// Takes out what was admitted at `at` with this weight. Its bucket's time stays: the others in it may leave a
    /// little later for it, never earlier. Nothing happens if the bucket left already.
    pub(crate) fn remove(&mut self, at: Timestamp, weight: U256) {
        let Some(position) = self.position(at) else {
            return;
        };
        let gone = Total::one(weight);
        for bucket in self.buckets.iter_mut().skip(position) {
            bucket.through = bucket.through.minus(gone);
        }
        let left = self.through(position).minus(self.before(position));
        if left.count == 0 {
            self.buckets.remove(position);
        }
    }

    /// The sum over the window that ends at `t`.
    pub(crate) fn within(&self, t: Timestamp) -> Total {
        self.all().minus(self.before(self.expired(t)))
    }

    /// Whether what was admitted at `at` is still counted in the window that ends at `t`.
    pub(crate) fn counts(&self, at: Timestamp, t: Timestamp) -> bool {
        self.position(at)
            .is_some_and(|position| position >= self.expired(t))
    }

    /// The first instant, not before `t`, at which `asked` more is at most `max`, if nothing else is admitted;
    /// `None` if `asked` alone is more, or if there is no such instant. What was admitted at `own.0` with the weight
    /// `own.1` does not stand in the way.
    pub(crate) fn fits_at(
        &self,
        t: Timestamp,
        asked: U256,
        max: U256,
        own: Option<(Timestamp, U256)>,
    ) -> Option<Timestamp> {
        let room = max.checked_sub(asked)?;
        let all = self.all();
        let own = own.filter(|(at, _)| self.position(*at).is_some());
        let own = own.map(|(at, weight)| (self.granule(at), weight));
        // What is left of the others once everything before the bucket after this granule has gone.
        let left = |through: Total, granule: Option<u64>| {
            let left = all.minus(through).weight;
            match own {
                Some((of_own, weight)) if granule.is_none_or(|g| g < of_own) => {
                    left.saturating_sub(weight)
                }
                _ => left,
            }
        };
        let expired = self.expired(t);
        let last_expired = expired.checked_sub(1).and_then(|i| self.buckets.get(i));
        let granule = last_expired.map(|b| self.granule(b.newest));
        if left(self.before(expired), granule) <= room {
            return Some(t);
        }
        let must_go = self
            .buckets
            .partition_point(|b| left(b.through, Some(self.granule(b.newest))) > room);
        self.end(self.buckets.get(must_go)?)
    }

    /// When the oldest bucket inside the window that ends at `t` leaves it.
    pub(crate) fn frees_at(&self, t: Timestamp) -> Option<Timestamp> {
        self.end(self.buckets.get(self.expired(t))?)
    }

    /// When the window that ends at `t` is empty again, if nothing else is admitted.
    pub(crate) fn resets_at(&self, t: Timestamp) -> Option<Timestamp> {
        let last = self.buckets.back().filter(|_| !self.is_idle(t))?;
        self.end(last)
    }

    /// Whether nothing is inside the window that ends at `t`.
    pub(crate) fn is_idle(&self, t: Timestamp) -> bool {
        self.expired(t) == self.buckets.len()
    }

    /// How many buckets there are.
    #[cfg(test)]
    pub(crate) fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// The number of the granule that an instant lies in.
    fn granule(&self, at: Timestamp) -> u64 {
        at.as_ms().checked_div(self.granule_ms).unwrap_or_default()
    }

    /// The bucket in which an admission at `at` is counted.
    fn position(&self, at: Timestamp) -> Option<usize> {
        let granule = self.granule(at);
        let position = self
            .buckets
            .partition_point(|b| self.granule(b.newest) < granule);
        let found = self.buckets.get(position)?;
        (self.granule(found.newest) == granule).then_some(position)
    }

    fn all(&self) -> Total {
        self.buckets.back().map_or(self.dropped, |b| b.through)
    }

    fn before(&self, position: usize) -> Total {
        position
            .checked_sub(1)
            .map_or(self.dropped, |i| self.through(i))
    }

    fn through(&self, position: usize) -> Total {
        self.buckets
            .get(position)
            .map_or(self.dropped, |b| b.through)
    }

    /// When a bucket leaves; never, if that is after the end of time.
    fn end(&self, bucket: &Bucket) -> Option<Timestamp> {
        bucket.newest.checked_add_ms(self.window_ms)
    }

    /// How many first buckets are outside the window that ends at `t`. Every admission drops those outside of its own, so
    /// there are often none, or all are: then no bucket in between is looked at.
    fn expired(&self, t: Timestamp) -> usize {
        let gone = |bucket: &Bucket| self.end(bucket).is_some_and(|end| end <= t);
        if !self.buckets.front().is_some_and(gone) {
            0
        } else if self.buckets.back().is_some_and(gone) {
            self.buckets.len()
        } else {
            self.buckets.partition_point(gone)
        }
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let expired = self.expired(now);
        self.dropped = self.before(expired);
        self.buckets.drain(..expired);
    }
}

/// By what is inside, not by what ever was.
impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        let buckets = |series: &Self| -> Vec<(Timestamp, Total)> {
            let numbered = series.buckets.iter().enumerate();
            numbered
                .map(|(i, b)| (b.newest, b.through.minus(series.before(i))))
                .collect()
        };
        self.window_ms == other.window_ms && buckets(self) == buckets(other)
    }
}

impl Eq for Series {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(t: u64) -> Timestamp {
        Timestamp::from_ms(t)
    }

    #[test]
    fn an_admission_alone_in_its_granule_leaves_exactly_one_window_later() {
        let mut series = Series::new(100);
        series.push(ms(50), U256::from(7));
        assert_eq!(series.within(ms(149)).weight, U256::from(7));
        assert_eq!(series.within(ms(150)).weight, U256::ZERO);
        assert_eq!(series.frees_at(ms(60)), Some(ms(150)));
        assert_eq!(series.resets_at(ms(150)), None);
    }

    #[test]
    fn admissions_of_one_granule_leave_together_with_the_newest() {
        // Granules of 10 ms.
        let mut series = Series::new(5_120);
        for at in [10, 13, 19, 20] {
            series.push(ms(at), U256::ONE);
        }
        assert_eq!(series.bucket_count(), 2);
        assert_eq!(series.within(ms(5_138)).count, 4);
        assert_eq!(series.within(ms(5_139)).count, 1);
        assert_eq!(series.within(ms(5_140)).count, 0);
        // The newest is taken back; the others stay until it would have left.
        series.remove(ms(19), U256::ONE);
        assert_eq!(series.within(ms(5_138)).count, 3);
        assert_eq!(series.within(ms(5_139)).count, 1);
    }

    #[test]
    fn what_left_already_is_not_taken_back_from_what_came_after() {
        let mut series = Series::new(100);
        series.push(ms(50), U256::from(7));
        series.push(ms(150), U256::from(2));
        series.remove(ms(50), U256::from(7));
        assert_eq!(series.within(ms(150)), Total::one(U256::from(2)));
    }

    #[test]
    fn the_end_of_time_does_not_wrap() {
        let mut series = Series::new(100);
        series.push(ms(u64::MAX), U256::from(7));
        assert_eq!(series.within(ms(u64::MAX)).count, 1);
        let fits = series.fits_at(ms(u64::MAX), U256::from(1), U256::from(7), None);
        assert_eq!(fits, None);
    }

    #[test]
    fn memory_is_bounded_however_much_is_admitted() {
        for window in [1, 10, 511, 512, 513, 1_000, 1_023, 1_025, 5_121, 100_000] {
            let mut series = Series::new(window);
            let step = window.div_ceil(4_000);
            for n in 0..20_000_u64 {
                series.push(ms(n * step), U256::ONE);
                assert!(series.bucket_count() <= MAX_BUCKETS, "{window}");
            }
        }
    }

    #[test]
    fn series_are_equal_by_what_is_inside_the_window() {
        let (mut one, mut other) = (Series::new(100), Series::new(100));
        one.push(ms(1), U256::from(5));
        one.push(ms(200), U256::from(3));
        one.push(ms(201), U256::from(4));
        one.remove(ms(200), U256::from(3));
        other.push(ms(201), U256::from(4));
        assert_eq!(one, other);
        other.push(ms(201), U256::from(4));
        assert_ne!(one, other);
    }

    proptest! {
        /// Against every admission kept: never less than is inside the window, never more than is inside one that is
        /// a granule longer.
        #[test]
        fn windows_agree_with_a_plain_list_to_a_granule(
            window in prop_oneof![Just(20u64), Just(700), Just(2_000), Just(5_121)],
            steps in prop::collection::vec((0u64..60, 0u64..5, prop::option::of(any::<prop::sample::Index>())), 0..120),
            asked in 0u64..12,
            max in 0u64..12,
        ) {
            let granule = window.div_ceil(512);
            let mut series = Series::new(window);
            let mut list: Vec<(u64, u64, bool)> = Vec::new();
            let mut now = 0;
            for (wait, weight, remove) in steps {
                now += wait;
                series.push(ms(now), U256::from(weight));
                list.push((now, weight, true));
                if let Some(index) = remove {
                    let position = index.index(list.len());
                    let entry = &mut list[position];
                    if entry.2 {
                        series.remove(ms(entry.0), U256::from(entry.1));
                        entry.2 = false;
                    }
                }
                let used = |t: u64, window: u64| -> u64 {
                    list.iter().filter(|(at, _, live)| *live && at + window > t).map(|e| e.1).sum()
                };
                for later in [now, now + 3, now + window / 2, now + window - 1, now + window] {
                    let within = u64::try_from(series.within(ms(later)).weight).unwrap();
                    prop_assert!(within >= used(later, window));
                    prop_assert!(within <= used(later, window + granule - 1));
                    if granule == 1 {
                        prop_assert_eq!(within, used(later, window));
                    }
                }
                // What fits at an instant does so by the series' own sums, and did not a millisecond before.
                let room = |t: u64| series.within(ms(t)).weight + U256::from(asked) <= U256::from(max);
                match series.fits_at(ms(now), U256::from(asked), U256::from(max), None) {
                    Some(t) => {
                        prop_assert!(room(t.as_ms()));
                        prop_assert!(t == ms(now) || !room(t.as_ms() - 1));
                    }
                    None => prop_assert!(asked > max),
                }
            }
        }

        #[test]
        fn leaving_one_out_is_the_same_as_taking_it_back(
            steps in prop::collection::vec((0u64..600, 1u64..5), 1..60),
            own in any::<prop::sample::Index>(),
            (later, asked, max) in (0u64..5_000, 0u64..12, 0u64..12),
        ) {
            let mut series = Series::new(2_000);
            let mut list = Vec::new();
            let mut now = 0;
            for (wait, weight) in steps {
                now += wait;
                series.push(ms(now), U256::from(weight));
                list.push((ms(now), U256::from(weight)));
            }
            let t = ms(now + later);
            let own = list[own.index(list.len())];
            let mut without = series.clone();
            without.remove(own.0, own.1);
            let (asked, max) = (U256::from(asked), U256::from(max));
            prop_assert_eq!(series.fits_at(t, asked, max, Some(own)), without.fits_at(t, asked, max, None));
            let kept = if series.counts(own.0, t) { own.1 } else { U256::ZERO };
            prop_assert_eq!(series.within(t).weight - kept, without.within(t).weight);
        }
    }
}
