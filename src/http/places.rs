//! Places for connections: how many there are, how many one address may hold, and who leaves when all are taken.
//!
//! Invariant: a quiet connection gives way to a newcomer, first those on which nobody was ever verified, and of these the longest
//! quiet one. So those who connect and say nothing, however many, keep nobody out and take no place from whom custodyd knows; those
//! at whose request custodyd works are left alone.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::addresses::Source;

/// The time of a seat that is at work for a verified speaker.
const AT_WORK: u64 = u64::MAX;
/// How long to wait for a place before somebody else is asked to leave too.
const NEXT: Duration = Duration::from_millis(20);

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    began: Instant,
    free: Arc<Semaphore>,
    most_of_one: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    seats: BTreeMap<u64, Arc<Seat>>,
    of_one: HashMap<Source, usize>,
}

/// What is known of a connection while it lasts.
#[derive(Debug)]
pub(super) struct Seat {
    began: Instant,
    /// Nanoseconds since `began` from when on it has been quiet, or [`AT_WORK`].
    quiet_since: AtomicU64,
    /// Somebody was verified on it once.
    known: AtomicBool,
    leave: Notify,
}

/// A connection that counts among those of its address, until this is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    number: u64,
    source: Option<Source>,
    places: Arc<Places>,
    seat: Arc<Seat>,
}

/// A connection that has a place, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counted: Counted,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            free: Arc::new(Semaphore::new(most)),
            most_of_one,
            held: Mutex::default(),
        })
    }

    /// Counts a connection of this address, unless it has as many as one may have. A trusted proxy is no address of anybody's
    /// own and has none.
    pub(super) fn count(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Counted> {
        let source = address.map(Source::from);
        let mut held = self.lock();
        if let Some(source) = source {
            let count = held.of_one.entry(source).or_default();
            if *count >= self.most_of_one {
                return None;
            }
            *count = count.saturating_add(1);
        }
        let seat = Arc::new(Seat {
            began: self.began,
            quiet_since: AtomicU64::new(0),
            known: AtomicBool::new(false),
            leave: Notify::new(),
        });
        seat.falls_quiet();
        let number = held.next;
        held.next = number.wrapping_add(1);
        held.seats.insert(number, Arc::clone(&seat));
        Some(Counted {
            number,
            source,
            places: Arc::clone(self),
            seat,
        })
    }

    /// Waits until there is room for one that was counted, and asks others to leave where there is none.
    pub(super) async fn seat(&self, counted: Counted) -> Place {
        loop {
            let free = Arc::clone(&self.free);
            if self.free.available_permits() == 0 {
                self.ask_one_to_leave(counted.number);
            }
            if let Ok(Ok(permit)) = tokio::time::timeout(NEXT, free.acquire_owned()).await {
                return Place {
                    counted,
                    _permit: permit,
                };
            }
        }
    }

    /// The longest quiet one but for the newcomer, strangers before those who were verified.
    fn ask_one_to_leave(&self, newcomer: u64) {
        let held = self.lock();
        let others = held.seats.iter().filter(|(number, _)| **number != newcomer);
        let quiet = others
            .map(|(_, seat)| (seat.quiet_since.load(Ordering::Relaxed), seat))
            .filter(|(since, _)| *since != AT_WORK)
            .min_by_key(|(since, seat)| (seat.known.load(Ordering::Relaxed), *since));
        if let Some((_, seat)) = quiet {
            seat.leave.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.counted.seat)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.seats.remove(&self.number);
        if let Some(source) = self.source
            && let Some(count) = held.of_one.get_mut(&source)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.of_one.remove(&source);
            }
        }
    }
}

impl Seat {
    /// Somebody who was verified is being served: it stays.
    pub(super) fn keep(&self) {
        self.known.store(true, Ordering::Relaxed);
        self.quiet_since.store(AT_WORK, Ordering::Relaxed);
    }

    /// It may be asked to leave, later than those who have been quiet for longer.
    pub(super) fn falls_quiet(&self) {
        let since = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(AT_WORK);
        self.quiet_since
            .store(since.min(AT_WORK.saturating_sub(1)), Ordering::Relaxed);
    }

    /// Until it is asked to leave while nothing keeps it.
    pub(super) async fn asked_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.quiet_since.load(Ordering::Relaxed) != AT_WORK {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[tokio::test]
    async fn one_address_holds_as_many_places_as_it_may_and_gets_them_back() {
        let places = Places::new(100, 2);
        let first = places.count(address(1)).unwrap();
        let _second = places.count(address(1)).unwrap();
        assert!(places.count(address(1)).is_none());
        assert!(places.count(address(2)).is_some());
        drop(first);
        assert!(places.count(address(1)).is_some());
        // A proxy's connections are everybody's.
        let all: Vec<_> = (0..10).map(|_| places.count(None).unwrap()).collect();
        drop(all);
        assert_eq!(places.lock().of_one.len(), 1);
        assert_eq!(places.lock().seats.len(), 1);
    }

    #[tokio::test]
    async fn when_all_are_taken_the_longest_quiet_one_leaves_and_who_is_served_stays() {
        let places = Places::new(3, 100);
        let mut seated = Vec::new();
        for number in 1..=3 {
            let place = places.count(address(number)).unwrap();
            seated.push(places.seat(place).await);
        }
        seated[0].seat().keep();
        let (second, third) = (seated.remove(1), seated.remove(1));
        let leaving = tokio::spawn(async move {
            second.seat().asked_to_leave().await;
            drop(second);
        });
        let newcomer = places.count(address(4)).unwrap();
        let newcomer = places.seat(newcomer).await;
        leaving.await.unwrap();
        assert_eq!(places.free.available_permits(), 0);
        drop((newcomer, third, seated));
        assert_eq!(places.free.available_permits(), 3);
    }

    #[tokio::test]
    async fn who_was_verified_once_keeps_a_quiet_connection_while_strangers_have_any() {
        let places = Places::new(3, 100);
        let mut seated = Vec::new();
        for number in 1..=3 {
            let place = places.count(address(number)).unwrap();
            seated.push(places.seat(place).await);
        }
        let known = seated.remove(0);
        known.seat().keep();
        known.seat().falls_quiet();
        // It has been quiet for longer than both strangers.
        seated
            .iter()
            .for_each(|stranger| stranger.seat().falls_quiet());
        for (number, place) in [(4, seated.remove(0)), (5, seated.remove(0))] {
            let leaving = tokio::spawn(async move {
                place.seat().asked_to_leave().await;
                drop(place);
            });
            let newcomer = places.count(address(number)).unwrap();
            let newcomer = places.seat(newcomer).await;
            leaving.await.unwrap();
            newcomer.seat().keep();
            seated.push(newcomer);
        }
        // With nobody else left it goes too.
        let leaving = tokio::spawn(async move {
            known.seat().asked_to_leave().await;
            drop(known);
        });
        let newcomer = places.count(address(6)).unwrap();
        drop(places.seat(newcomer).await);
        leaving.await.unwrap();
    }
}
