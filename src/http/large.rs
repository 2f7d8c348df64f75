//! Routes whose bodies may be large: how large, how many are read at a time, and of whom.
//!
//! Invariant: a place is taken by somebody whose signature holds and who may do this, never by a stranger: a body may take its time,
//! and whoever could hold a place without a name could shut everybody else out. The signature covers the body's digest, so all of
//! that is known from the head. And a head holds one place at a time, however often somebody who saw it sends it again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use custodyd_httpsig::Verified;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// What a route grants to bodies; its clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Large {
    limit: usize,
    whose: &'static str,
    full: &'static str,
    places: Arc<Semaphore>,
    heads: Arc<Mutex<BTreeSet<Head>>>,
}

/// What tells a head from all others: whose it is, and its nonce.
type Head = (String, String);

/// A place for a body, from before its first byte until it is answered.
#[derive(Debug)]
pub(super) struct Place {
    head: Head,
    heads: Arc<Mutex<BTreeSet<Head>>>,
    _permit: OwnedSemaphorePermit,
}

impl Large {
    /// At most `most` bodies of at most `limit` bytes at a time, from operators. `whose` is what a client is told that it is not for
    /// them, `full` what an operator is told who finds no place.
    pub(super) fn new(limit: usize, most: usize, whose: &'static str, full: &'static str) -> Self {
        Self {
            limit,
            whose,
            full,
            places: Arc::new(Semaphore::new(most)),
            heads: Arc::default(),
        }
    }

    /// Bytes of a body at most.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// What is for operators only.
    pub(super) fn whose(&self) -> &'static str {
        self.whose
    }

    /// Takes a place for the body of a head that was verified.
    ///
    /// # Errors
    /// 409 while the same head has one, 503 while there is none.
    pub(super) fn place(&self, verified: &Verified) -> Result<Box<Place>, Problem> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::unavailable(self.full))?;
        let head = (verified.keyid.clone(), verified.nonce.clone());
        if !lock(&self.heads).insert(head.clone()) {
            return Err(Problem::replayed("sign again with a fresh nonce"));
        }
        Ok(Box::new(Place {
            head,
            heads: Arc::clone(&self.heads),
            _permit: permit,
        }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.heads).remove(&self.head);
    }
}

fn lock(heads: &Mutex<BTreeSet<Head>>) -> std::sync::MutexGuard<'_, BTreeSet<Head>> {
    heads.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(nonce: &str) -> Verified {
        Verified {
            keyid: "operator/alice".into(),
            created: 1,
            nonce: nonce.into(),
        }
    }

    #[test]
    fn a_head_that_is_sent_again_holds_no_second_place_and_places_come_free() {
        let large = Large::new(1, 2, "this", "no room");
        let first = large.place(&head("a")).unwrap();
        assert_eq!(large.place(&head("a")).unwrap_err().status, 409);
        let second = large.place(&head("b")).unwrap();
        let full = large.place(&head("c")).unwrap_err();
        assert_eq!((full.status, full.detail.as_str()), (503, "no room"));
        drop(first);
        drop(large.place(&head("a")).unwrap());
        drop(large.clone().place(&head("c")).unwrap());
        drop(second);
        assert_eq!(large.places.available_permits(), 2);
        assert_eq!(lock(&large.heads).len(), 0);
    }
}
