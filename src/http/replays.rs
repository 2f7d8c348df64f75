//! Reads that came before. A write that is sent again is refused by the inbox, for good and on every node; a read changes
//! nothing, so its nonce is kept in memory only, and only as long as its signature would be taken.
//!
//! Invariant: one speaker fills their own share alone, never another's.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

use custodyd_httpsig::Verified;
use sha2::{Digest as _, Sha256};

use crate::{directory::Speaker, problem::Problem};

/// Nonces kept of one speaker: with a window of 300 s, 666 reads a second and about 24 MiB.
const MOST_NONCES: usize = 400_000;

/// Nonces of reads seen lately.
#[derive(Debug, Default)]
pub struct Replays(Mutex<BTreeMap<Speaker, Seen>>);

/// Half a SHA-256 stands for a nonce; whoever makes two collide only refuses their own request.
type Mark = [u8; 16];

#[derive(Debug, Default)]
struct Seen {
    marks: HashSet<Mark>,
    /// By the first second in which the signature is not taken any more.
    by_expiry: BTreeMap<u64, Vec<Mark>>,
}

impl Replays {
    /// Takes a verified read, once.
    ///
    /// # Errors
    /// 409 if it came before, 429 if its speaker reads faster than nonces can be kept.
    pub(super) fn take(
        &self,
        speaker: &Speaker,
        verified: &Verified,
        now_s: u64,
        max_skew_s: u64,
    ) -> Result<(), Problem> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(speaker.clone()).or_default();
        seen.forget_expired(now_s);
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
        let expiry = verified
            .created
            .saturating_add(max_skew_s)
            .saturating_add(1);
        seen.by_expiry.entry(expiry).or_default().push(mark);
        Ok(())
    }
}

impl Seen {
    fn forget_expired(&mut self, now_s: u64) {
        while let Some(oldest) = self.by_expiry.first_entry()
            && *oldest.key() <= now_s
        {
            for mark in oldest.remove() {
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

    #[test]
    fn a_nonce_is_new_once_until_its_signature_has_expired() {
        let replays = Replays::default();
        let (a, b) = (
            Speaker::Client("a".parse().unwrap()),
            Speaker::Client("b".parse().unwrap()),
        );
        let status = |speaker, now_s| {
            let taken = replays.take(speaker, &signed("n"), now_s, 300);
            taken.map_err(|problem| problem.status)
        };
        assert_eq!(status(&a, 100), Ok(()));
        assert_eq!(status(&a, 400), Err(409));
        assert_eq!(status(&b, 400), Ok(()));
        assert_eq!(status(&a, 401), Ok(()));
    }

    #[test]
    fn who_reads_too_fast_is_slowed_down_and_nobody_else() {
        let replays = Replays::default();
        let fast = Speaker::Client("fast".parse().unwrap());
        let marks = (0..MOST_NONCES as u128).map(u128::to_be_bytes).collect();
        let full = Seen {
            marks,
            by_expiry: BTreeMap::new(),
        };
        replays.0.lock().unwrap().insert(fast.clone(), full);
        let refused = replays.take(&fast, &signed("n"), 100, 300).unwrap_err();
        assert_eq!(refused.status, 429);
        let alice = Speaker::Operator("alice".parse().unwrap());
        assert_eq!(replays.take(&alice, &signed("n"), 100, 300), Ok(()));
    }
}
