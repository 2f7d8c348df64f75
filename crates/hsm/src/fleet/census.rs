//! Which key pairs the tokens showed: the same id must be the same public point everywhere.
//!
//! A token signs with a resident key only after it has shown the key's point since it was last out, and the point is the one
//! that the fleet saw first. Pure.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::key::{KeyId, PublicPoint};

/// Keys remembered per token. Beyond it they are forgotten and looked up again.
const MOST_KEYS: usize = 100_000;

/// What one token showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Keys whose points agree.
    agreed: HashSet<KeyId>,
    /// Keys that it lacks, and until when that is believed.
    absent: HashMap<KeyId, Instant>,
    /// A key whose point is another than the other tokens'.
    disputed: Option<KeyId>,
}

impl Shown {
    pub(crate) fn has_agreed(&self, key: &KeyId) -> bool {
        self.agreed.contains(key)
    }

    pub(crate) fn lacks(&self, key: &KeyId, now: Instant) -> bool {
        self.absent.get(key).is_some_and(|until| now < *until)
    }

    pub(crate) const fn disputed(&self) -> Option<KeyId> {
        self.disputed
    }

    /// Keys that it is believed to lack.
    pub(crate) fn lacking(&self, now: Instant) -> usize {
        self.absent.values().filter(|until| now < **until).count()
    }

    pub(crate) fn missed(&mut self, key: KeyId, now: Instant, lasting: Duration) {
        if self.absent.len() >= MOST_KEYS {
            self.absent.clear();
        }
        self.agreed.remove(&key);
        self.absent.insert(key, now + lasting);
    }

    /// It failed: it must show its keys again.
    pub(crate) fn doubt(&mut self) {
        self.agreed.clear();
    }

    /// It was out: what it holds now may differ.
    pub(crate) fn forget(&mut self) {
        self.agreed.clear();
        self.absent.clear();
    }
}

/// The points that the fleet saw first, and on which token. As many as the vault has keys on its tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    points: HashMap<KeyId, (PublicPoint, usize)>,
}

impl Census {
    /// A token shows a key.
    ///
    /// # Errors
    /// [`HsmError::KeyDiffers`]: the token must not sign.
    pub(crate) fn observe(
        &mut self,
        shown: &mut Shown,
        seat: usize,
        names: &[String],
        key: KeyId,
        point: PublicPoint,
    ) -> Result<(), HsmError> {
        let (expected, witness) = *self.points.entry(key).or_insert((point, seat));
        if expected != point {
            shown.agreed.remove(&key);
            shown.disputed = Some(key);
            let name = |seat: usize| names.get(seat).cloned().unwrap_or_default();
            return Err(HsmError::KeyDiffers {
                key,
                token: name(seat),
                point,
                other: name(witness),
                expected,
            });
        }
        if shown.agreed.len() >= MOST_KEYS {
            shown.agreed.clear();
        }
        shown.agreed.insert(key);
        shown.absent.remove(&key);
        if shown.disputed == Some(key) {
            shown.disputed = None;
        }
        Ok(())
    }
}
