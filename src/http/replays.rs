//! Reads that came before. A write that is sent again is refused by the inbox, for good and on every node; a read changes
//! nothing, so its nonce is kept in memory only, and only as long as its signature would be taken.
//!
//! Invariants: one speaker fills their own share alone, never another's. What was taken is not taken again when the daemon restarts
//! or the clock is set: reads that were signed before the start are refused, and nonces are kept until both the clock and the time
//! that has passed say that their signatures are old.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use custodyd_httpsig::Verified;
use sha2::{Digest as _, Sha256};

use crate::{directory::Speaker, problem::Problem};

/// Nonces kept of one speaker: with a window of 300 s, 666 reads a second and about 24 MiB.
const MOST_NONCES: usize = 400_000;

/// Nonces of reads seen lately.
#[derive(Debug)]
pub struct Replays {
    began: Instant,
    /// Unix seconds when this began to remember.
    since_s: u64,
    seen: Mutex<BTreeMap<Speaker, Seen>>,
}

/// Half a SHA-256 stands for a nonce; whoever makes two collide only refuses their own request.
type Mark = [u8; 16];

#[derive(Debug, Default)]
struct Seen {
    marks: HashSet<Mark>,
    /// By the first second in which the signature is not taken any more, Unix time.
    by_expiry: BTreeMap<u64, Expiring>,
}

#[derive(Debug, Default)]
struct Expiring {
    marks: Vec<Mark>,
    /// When that second comes at the earliest, however the clock is set: seconds since this began to remember.
    not_before_s: u64,
}

/// The time, as the clock has it and as it passes.
#[derive(Debug, Clone, Copy)]
struct Now {
    /// Unix seconds.
    clock_s: u64,
    /// Since this began to remember, seconds.
    passed_s: u64,
}

impl Replays {
    /// Remembers what is read from this Unix second on, the second in which the process starts.
    #[must_use]
    pub fn since(start_s: u64) -> Self {
        Self {
            began: Instant::now(),
            since_s: start_s,
            seen: Mutex::default(),
        }
    }

    /// Takes a verified read, once.
    ///
    /// # Errors
    /// 409 if it came before, 401 if it was signed before the process started, 429 if its speaker reads faster than nonces can be
    /// kept.
    pub(super) fn take(
        &self,
        speaker: &Speaker,
        verified: &Verified,
        now_s: u64,
        max_skew_s: u64,
    ) -> Result<(), Problem> {
        let now = Now {
            clock_s: now_s,
            passed_s: self.began.elapsed().as_secs(),
        };
        self.take_at(speaker, verified, now, max_skew_s)
    }

    fn take_at(
        &self,
        speaker: &Speaker,
        verified: &Verified,
        now: Now,
        max_skew_s: u64,
    ) -> Result<(), Problem> {
        let (created, since_s) = (verified.created, self.since_s);
        // `created` has whole seconds, and who starts a daemon asks it at once: the second of the start is let in. What remains is
        // a read of that very second, or of a client whose clock is ahead, that the process before took too.
        if created < since_s {
            return Err(Problem::unauthenticated(format!(
                "created {created} is before the daemon's start, {since_s}, and it doesn't know whether it took this read then; \
                 set the clock and sign again"
            )));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(speaker.clone()).or_default();
        seen.forget_expired(now);
        let mark = mark(&verified.nonce);
        if seen.marks.contains(&mark) {
            return Err(Problem::replayed("sign again with a fresh nonce"));
        }
        if seen.marks.len() >= MOST_NONCES {
            return Err(Problem::new(
                429,
                "too-many-reads",
                "Too many reads",
                "slow down: reads are remembered until their signatures expire",
            ));
        }
        seen.marks.insert(mark);
        seen.keep(mark, created.saturating_add(max_skew_s), now);
        Ok(())
    }
}

impl Seen {
    /// Keeps a mark through its last second, Unix time.
    fn keep(&mut self, mark: Mark, last_s: u64, now: Now) {
        let expiry = last_s.saturating_add(1);
        let left_s = expiry.saturating_sub(now.clock_s);
        // Of a second that has begun up to all may have passed.
        let not_before_s = now.passed_s.saturating_add(left_s).saturating_add(1);
        let expiring = self.by_expiry.entry(expiry).or_default();
        expiring.marks.push(mark);
        expiring.not_before_s = expiring.not_before_s.max(not_before_s);
    }

    fn forget_expired(&mut self, now: Now) {
        while let Some(oldest) = self.by_expiry.first_entry()
            && *oldest.key() <= now.clock_s
            && oldest.get().not_before_s <= now.passed_s
        {
            for mark in oldest.remove().marks {
                self.marks.remove(&mark);
            }
        }
    }
}

fn mark(nonce: &str) -> Mark {
    let mut mark = Mark::default();
    mark.iter_mut()
        .zip(Sha256::digest(nonce))
        .for_each(|(to, from)| *to = from);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(nonce: &str) -> Verified {
        Verified {
            keyid: "client/a".into(),
            created: 100,
            nonce: nonce.into(),
        }
    }

    fn client(id: &str) -> Speaker {
        Speaker::Client(id.parse().unwrap())
    }

    /// The status of the read that was signed at 100, as the clock shows one time and another has passed.
    fn status(replays: &Replays, speaker: &Speaker, clock_s: u64, passed_s: u64) -> u16 {
        let now = Now { clock_s, passed_s };
        let taken = replays.take_at(speaker, &signed("n"), now, 300);
        taken.map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn a_nonce_is_new_once_until_its_signature_has_expired() {
        let replays = Replays::since(0);
        let (a, b) = (client("a"), client("b"));
        assert_eq!(status(&replays, &a, 100, 0), 200);
        assert_eq!(status(&replays, &a, 400, 300), 409);
        assert_eq!(status(&replays, &b, 400, 300), 200);
        assert_eq!(status(&replays, &a, 402, 302), 200);
    }

    #[test]
    fn a_clock_that_is_set_forward_and_back_brings_no_read_back() {
        let replays = Replays::since(0);
        let a = client("a");
        assert_eq!(status(&replays, &a, 100, 0), 200);
        // An hour ahead for ten seconds: somebody reads, and the old would be forgotten by the clock alone.
        assert_eq!(status(&replays, &a, 3_700, 5), 409);
        assert_eq!(status(&replays, &a, 110, 10), 409);
        // An hour behind: by the time that passed alone it would be forgotten before the clock is there again.
        assert_eq!(status(&replays, &a, 350, 3_850), 409);
        assert_eq!(status(&replays, &a, 401, 3_901), 200);
    }

    #[test]
    fn what_was_signed_before_the_start_is_refused_as_an_old_signature_is() {
        let a = client("a");
        assert_eq!(status(&Replays::since(101), &a, 102, 1), 401);
        // Whoever starts the daemon reads in the same second.
        assert_eq!(status(&Replays::since(100), &a, 100, 0), 200);
        let refused = Replays::since(101).take(&a, &signed("n"), 102, 300);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), "unauthenticated");
        assert!(refused.detail.contains("sign again"), "{}", refused.detail);
    }

    #[test]
    fn who_reads_too_fast_is_slowed_down_and_nobody_else() {
        let replays = Replays::since(0);
        let fast = Speaker::Client("fast".parse().unwrap());
        let marks = (0..MOST_NONCES as u128).map(u128::to_be_bytes).collect();
        let full = Seen {
            marks,
            by_expiry: BTreeMap::new(),
        };
        replays.seen.lock().unwrap().insert(fast.clone(), full);
        let refused = replays.take(&fast, &signed("n"), 100, 300).unwrap_err();
        assert_eq!(refused.status, 429);
        let alice = Speaker::Operator("alice".parse().unwrap());
        assert_eq!(replays.take(&alice, &signed("n"), 100, 300), Ok(()));
    }
}
