//! What somebody began and has to finish soon, once: a sign-in, an enrolment. Kept in memory, within bounds.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use custodyd_policy::Timestamp;

use crate::problem::Problem;

/// Things begun, each under a random name that whoever finishes it gives back.
#[derive(Debug)]
pub(super) struct Begun<T> {
    life: Duration,
    most: usize,
    open: Mutex<Open<T>>,
}

#[derive(Debug)]
struct Open<T> {
    by_name: HashMap<String, (Timestamp, T)>,
    /// In the order in which they were begun, which is the order in which they end.
    order: VecDeque<(Timestamp, String)>,
}

impl<T> Begun<T> {
    /// Room for `most` things that may be finished within `life`.
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self {
            life,
            most,
            open: Mutex::new(Open {
                by_name: HashMap::new(),
                order: VecDeque::new(),
            }),
        }
    }

    /// Begins something: its name, 32 hex digits, and until when it may be finished. Where there is no room the oldest goes.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn begin(&self, thing: T, now: Timestamp) -> Result<(String, Timestamp), Problem> {
        let name = hex::encode(random::<16>()?);
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp::from_ms(now.as_ms().saturating_add(life));
        let mut open = self.open();
        open.forget(|ended, left| ended <= now || left >= self.most);
        open.by_name.insert(name.clone(), (until, thing));
        open.order.push_back((until, name.clone()));
        Ok((name, until))
    }

    /// Takes what was begun under this name, if its time is not over. Nobody finds it again.
    pub(super) fn finish(&self, name: &str, now: Timestamp) -> Option<(Timestamp, T)> {
        let mut open = self.open();
        open.forget(|ended, _| ended <= now);
        open.by_name.remove(name)
    }

    fn open(&self) -> MutexGuard<'_, Open<T>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Open<T> {
    fn forget(&mut self, gone: impl Fn(Timestamp, usize) -> bool) {
        while let Some((until, _)) = self.order.front()
            && gone(*until, self.order.len())
            && let Some((_, name)) = self.order.pop_front()
        {
            self.by_name.remove(&name);
        }
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
/// 503: the system gives no randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| Problem::unavailable("the system gives no randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn what_was_begun_is_finished_once_and_in_time() {
        let begun = Begun::new(Duration::from_secs(2), 10);
        let (name, until) = begun.begin('a', at(1_000)).unwrap();
        assert_eq!(until, at(3_000));
        assert_eq!(begun.finish("00", at(1_000)), None);
        assert_eq!(begun.finish(&name, at(2_999)), Some((until, 'a')));
        assert_eq!(begun.finish(&name, at(2_999)), None);
        let (late, _) = begun.begin('b', at(1_000)).unwrap();
        assert_eq!(begun.finish(&late, at(3_000)), None);
    }

    #[test]
    fn room_is_bounded_and_the_oldest_gives_way() {
        let begun = Begun::new(Duration::from_secs(2), 10);
        let names: Vec<String> = (0..25)
            .map(|n| begun.begin(n, at(1_000)).unwrap().0)
            .collect();
        assert_eq!(begun.open().by_name.len(), 10);
        assert_eq!(begun.open().order.len(), 10);
        let found = names.iter().filter_map(|n| begun.finish(n, at(1_001)));
        assert_eq!(
            found.map(|(_, n)| n).collect::<Vec<_>>(),
            (15..25).collect::<Vec<_>>()
        );
        // What was finished leaves its place in the order until its time is over.
        begun.begin(0, at(3_000)).unwrap();
        assert_eq!(begun.open().order.len(), 1);
    }
}
