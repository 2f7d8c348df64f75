//! A token bucket in integers: exact over any time, the time handed in.
//!
//! The level is counted in parts of a request, of which there are as many as nanoseconds in the rate's period. So at n requests a
//! period, exactly n parts flow in each nanosecond: nothing is rounded, and nothing is gained or lost by asking often.

use std::{num::NonZeroU32, time::Duration};

use crate::problem::Problem;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// How many requests a second or a minute in the long run, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    count: NonZeroU32,
    /// Nanoseconds in which so many flow in, and parts of a request.
    period: u64,
    burst: NonZeroU32,
}

impl Rate {
    pub(super) const fn per_second(count: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            count,
            period: SECOND,
            burst,
        }
    }

    pub(super) const fn per_minute(count: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            count,
            period: 60 * SECOND,
            burst,
        }
    }

    /// Parts that a full bucket holds: a burst of a million, the most that the configuration takes, is below 2^56.
    fn capacity(self) -> u64 {
        u64::from(self.burst.get()).saturating_mul(self.period)
    }
}

/// The bucket is empty: how long until it holds a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Empty {
    nanoseconds: u64,
}

impl Empty {
    /// Whole seconds, at least one, as `Retry-After` has them (RFC 9110 §10.2.3).
    pub(super) fn seconds(self) -> u32 {
        u32::try_from(self.nanoseconds.div_ceil(SECOND)).map_or(u32::MAX, |seconds| seconds.max(1))
    }

    /// 429 that says when to come again.
    pub(super) fn problem(self, whose: &str) -> Problem {
        Problem::too_many(whose, self.seconds())
    }
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    level: u64,
    at: Duration,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(rate: Rate, now: Duration) -> Self {
        Self {
            level: rate.capacity(),
            at: now,
        }
    }

    /// Takes one request out. `now` is time since any fixed moment; earlier than before counts as no time at all.
    pub(super) fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Empty> {
        let elapsed = now.saturating_sub(self.at);
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let flow = u64::from(rate.count.get());
        let level = self.level.saturating_add(elapsed.saturating_mul(flow));
        self.level = level.min(rate.capacity());
        self.at = self.at.max(now);
        match self.level.checked_sub(rate.period) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(Empty {
                nanoseconds: rate.period.saturating_sub(self.level).div_ceil(flow),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).unwrap();
        Rate::per_second(number(per_second), number(burst))
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_in_and_not_a_nanosecond_before() {
        let rate = rate(3, 2);
        let mut bucket = Bucket::full(rate, Duration::ZERO);
        assert!(bucket.take(rate, Duration::ZERO).is_ok());
        assert!(bucket.take(rate, Duration::ZERO).is_ok());
        let empty = bucket.take(rate, Duration::ZERO).unwrap_err();
        // A third of a second, rounded up to a nanosecond.
        assert_eq!(empty.nanoseconds, 333_333_334);
        assert_eq!(empty.seconds(), 1);
        let told = Duration::from_nanos(empty.nanoseconds);
        let early = told - Duration::from_nanos(1);
        assert!(bucket.take(rate, early).is_err());
        assert!(bucket.take(rate, told).is_ok());
    }

    #[test]
    fn the_wait_is_told_in_whole_seconds_rounded_up() {
        let seconds = |nanoseconds| Empty { nanoseconds }.seconds();
        assert_eq!(seconds(1), 1);
        assert_eq!(seconds(SECOND), 1);
        assert_eq!(seconds(SECOND + 1), 2);
        assert_eq!(seconds(u64::MAX), u32::MAX);
        let number = |n| NonZeroU32::new(n).unwrap();
        let rate = Rate::per_minute(number(7), number(1));
        let mut bucket = Bucket::full(rate, Duration::ZERO);
        assert!(bucket.take(rate, Duration::ZERO).is_ok());
        let empty = bucket.take(rate, Duration::from_secs(1)).unwrap_err();
        // The next one flows in after 60/7 s, of which one has passed.
        assert_eq!((empty.nanoseconds, empty.seconds()), (7_571_428_572, 8));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let rate = rate(1_000, 1);
        let mut bucket = Bucket::full(rate, Duration::from_secs(10));
        assert!(bucket.take(rate, Duration::from_secs(10)).is_ok());
        assert!(bucket.take(rate, Duration::from_secs(1)).is_err());
        assert!(bucket.take(rate, Duration::from_secs(10)).is_err());
    }

    proptest! {
        /// The same requests, judged by a ledger of whole history: request n (from 0) may come once n - burst + 1 requests have
        /// flowed in since the bucket was last full.
        #[test]
        fn it_gives_exactly_what_a_ledger_of_all_time_gives(
            per_second in 1_u32..2_000,
            burst in 1_u32..50,
            gaps in prop::collection::vec(0_u64..3_000_000_000, 1..200),
        ) {
            let rate = rate(per_second, burst);
            let mut bucket = Bucket::full(rate, Duration::ZERO);
            let (mut level, mut at) = (u128::from(burst) * u128::from(SECOND), 0_u64);
            for gap in gaps {
                at += gap;
                level = (level + u128::from(gap) * u128::from(per_second))
                    .min(u128::from(burst) * u128::from(SECOND));
                let expected = level >= u128::from(SECOND);
                if expected {
                    level -= u128::from(SECOND);
                }
                let taken = bucket.take(rate, Duration::from_nanos(at));
                prop_assert_eq!(taken.is_ok(), expected);
            }
        }

        #[test]
        fn over_no_stretch_of_time_it_gives_more_than_burst_and_rate(
            per_second in 1_u32..1_000_000,
            burst in 1_u32..1_000,
            gaps in prop::collection::vec(0_u64..50_000_000, 1..300),
        ) {
            let rate = rate(per_second, burst);
            let mut bucket = Bucket::full(rate, Duration::ZERO);
            let (mut now, mut given) = (0_u64, 0_u64);
            for gap in gaps {
                now += gap;
                given += u64::from(bucket.take(rate, Duration::from_nanos(now)).is_ok());
                let flowed = u128::from(now) * u128::from(per_second) / u128::from(SECOND);
                prop_assert!(u128::from(given) <= u128::from(burst) + flowed);
            }
        }
    }
}
