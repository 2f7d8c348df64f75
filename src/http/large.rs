//! Routes whose bodies may be large: how large, how many are read at a time, and of whom.
//!
//! Invariant: a place is taken by somebody whose signature holds and who may do this, never by a stranger: a body may take its time,
//! and whoever could hold a place without a name could shut everybody else out. The signature covers the body's digest, so all of
//! that is known from the head.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// What a route grants to bodies; its clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Large {
    limit: usize,
    whose: &'static str,
    full: &'static str,
    places: Arc<Semaphore>,
}

/// A place for a body, from before its first byte until it is answered.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Large {
    /// At most `most` bodies of at most `limit` bytes at a time, from operators. `whose` is what a client is told that it is not for
    /// them, `full` what an operator is told who finds no place.
    pub(super) fn new(limit: usize, most: usize, whose: &'static str, full: &'static str) -> Self {
        Self {
            limit,
            whose,
            full,
            places: Arc::new(Semaphore::new(most)),
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

    /// Takes a place.
    ///
    /// # Errors
    /// 503 while there is none.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let places = Arc::clone(&self.places);
        let permit = places.try_acquire_owned();
        permit
            .map(Place)
            .map_err(|_| Problem::unavailable(self.full))
    }
}
