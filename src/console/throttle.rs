//! How often one may try to sign in or to enrol: per address, and how often one may fail in one name.
//!
//! A passkey can't be guessed; this bounds the work and the noise. A name is looked at after the passkey's word, and only where that
//! doesn't hold: nobody keeps another from signing in by failing in their name. Whether the name is known makes no difference.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use custodyd_policy::Timestamp;

use crate::{
    problem::Problem,
    telemetry::console::{self, Login},
};

/// Attempts of one address: this many at once, then one each so many milliseconds.
const ADDRESS: Pace = Pace {
    burst: 60,
    every_ms: 2_000,
};
/// Failures in one operator's name.
const NAME: Pace = Pace {
    burst: 10,
    every_ms: 15_000,
};
/// Names or addresses that are remembered in one generation.
const MOST_KEYS: usize = 16_384;

/// So many at once, and one more after each while.
#[derive(Debug, Clone, Copy)]
struct Pace {
    burst: u64,
    every_ms: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    addresses: Paced<IpAddr>,
    names: Paced<String>,
}

/// It was tried too often: when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooOften {
    seconds: u32,
}

impl Throttle {
    /// Counts an attempt of an address.
    ///
    /// # Errors
    /// It tried too often.
    pub(super) fn attempt(&self, from: IpAddr, now: Timestamp) -> Result<(), TooOften> {
        let address = whole_host(from);
        let mut counts = self.counts();
        counts.addresses.check(&address, ADDRESS, now)?;
        counts.addresses.count(address, ADDRESS, now);
        Ok(())
    }

    /// Counts a failure in this name.
    ///
    /// # Errors
    /// There were too many: whoever fails is told no more than that.
    pub(super) fn failed(&self, name: String, now: Timestamp) -> Result<(), TooOften> {
        let mut counts = self.counts();
        if let Err(too_often) = counts.names.check(&name, NAME, now) {
            console::login(Login::Throttled);
            return Err(too_often);
        }
        counts.names.count(name, NAME, now);
        console::login(Login::Refused);
        Ok(())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For each key, when it will have none counted against it any more (the virtual scheduling of ITU-T I.371, a leaky bucket in
/// one number). Two generations bound the memory: what was not counted for a whole one is forgotten.
#[derive(Debug)]
struct Paced<K> {
    young: HashMap<K, u64>,
    old: HashMap<K, u64>,
}

impl<K> Default for Paced<K> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash> Paced<K> {
    fn check(&self, key: &K, pace: Pace, now: Timestamp) -> Result<(), TooOften> {
        let clear = self.young.get(key).or_else(|| self.old.get(key));
        let owed = clear.map_or(0, |clear| clear.saturating_sub(now.as_ms()));
        let most = pace.every_ms.saturating_mul(pace.burst.saturating_sub(1));
        match owed.saturating_sub(most) {
            0 => Ok(()),
            wait => Err(TooOften {
                seconds: u32::try_from(wait.div_ceil(1_000)).unwrap_or(u32::MAX),
            }),
        }
    }

    fn count(&mut self, key: K, pace: Pace, now: Timestamp) {
        let known = self.young.get(&key).copied();
        let known = known.or_else(|| self.old.remove(&key));
        let clear = known.unwrap_or(0).max(now.as_ms());
        if self.young.len() >= MOST_KEYS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, clear.saturating_add(pace.every_ms));
    }
}

/// An IPv6 host has a /64 for itself (RFC 6177): all of it counts as one.
fn whole_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}

impl From<TooOften> for Problem {
    fn from(too_often: TooOften) -> Self {
        Self::too_many("what may be tried here:", too_often.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    #[test]
    fn an_address_is_slowed_down_and_no_other() {
        let throttle = Throttle::default();
        let address = |text: &str| text.parse().unwrap();
        for _ in 0..ADDRESS.burst {
            assert_eq!(throttle.attempt(address("2001:db8::1"), at(0)), Ok(()));
        }
        let refused = throttle.attempt(address("2001:db8::ffff"), at(0));
        assert_eq!(refused, Err(TooOften { seconds: 2 }));
        assert_eq!(throttle.attempt(address("2001:db8:0:1::1"), at(0)), Ok(()));
        assert_eq!(throttle.attempt(address("192.0.2.1"), at(0)), Ok(()));
        // Who waits as told is let in once.
        assert_eq!(throttle.attempt(address("2001:db8::1"), at(2_000)), Ok(()));
        assert!(throttle.attempt(address("2001:db8::1"), at(2_000)).is_err());
    }

    #[test]
    fn failures_in_a_name_slow_down_those_who_fail_in_it_and_in_no_other() {
        let throttle = Throttle::default();
        let failed = |name: &str, ms| throttle.failed(name.to_owned(), at(ms));
        for _ in 0..NAME.burst {
            assert_eq!(failed("alice", 0), Ok(()));
        }
        assert_eq!(failed("alice", 0), Err(TooOften { seconds: 15 }));
        assert_eq!(failed("nobody", 0), Ok(()));
        assert_eq!(failed("alice", 15_000), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_who_keeps_failing_is_not_forgotten() {
        let mut paced = Paced::default();
        for _ in 0..NAME.burst {
            paced.count(u32::MAX, NAME, at(0));
        }
        for key in 0..100_000 {
            paced.count(key, NAME, at(0));
            if key % 1_000 == 0 {
                paced.count(u32::MAX, NAME, at(0));
                assert!(paced.check(&u32::MAX, NAME, at(0)).is_err(), "{key}");
            }
            assert!(paced.young.len() <= MOST_KEYS && paced.old.len() <= MOST_KEYS);
        }
    }
}
