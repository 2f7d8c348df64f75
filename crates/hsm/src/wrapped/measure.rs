//! What a wrapped key costs that isn't unwrapped yet, against one that is: a yardstick of the benchmarks.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::Hsm;
use crate::key::{Curve, KeyId};
use crate::request::{KeyRef, Request, Response, WrappedKey};

/// Keys measured at most.
const SAMPLES: usize = 2_000;

/// Medians of signing by wrapped keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedCost {
    /// Keys there were.
    pub keys: usize,
    /// By a key that is unwrapped for it.
    pub cold: Duration,
    /// By the same key right after.
    pub warm: Duration,
}

impl WrappedCost {
    /// How many times the warm signature the cold one takes.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.cold.as_secs_f64() / self.warm.as_secs_f64()
    }
}

/// Signs one at a time: by up to 2,000 of these keys spread over all, each for its first time on this HSM and at once again, so that
/// both see the same machine. The HSM must have one session and a cache for at least one key.
///
/// # Errors
/// As [`Hsm::sign`].
pub fn wrapped_cost(hsm: &dyn Hsm, made: &[WrappedKey]) -> Result<WrappedCost, HsmError> {
    let step = made.len().div_ceil(SAMPLES).max(1);
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for key in made.iter().step_by(step) {
        cold.push(timed(hsm, key)?);
        warm.push(timed(hsm, key)?);
    }
    Ok(WrappedCost {
        keys: made.len(),
        cold: median(cold),
        warm: median(warm),
    })
}

/// Makes a wrapped key for each of these numbers, which is its id, on `threads` threads, telling `progress` which one was made.
///
/// # Errors
/// As [`Hsm::generate_wrapped`].
pub fn make_wrapped_keys(
    hsm: &dyn Hsm,
    wrapping_key: &KeyId,
    numbers: Range<usize>,
    threads: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<WrappedKey>, HsmError> {
    let next = AtomicUsize::new(numbers.start);
    let work = || -> Result<Vec<WrappedKey>, HsmError> {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(made);
            }
            let mut id = [0; 16];
            for (byte, of) in id.iter_mut().zip(number.to_be_bytes()) {
                *byte = of;
            }
            let id = KeyId::from_bytes(id);
            made.push(hsm.generate_wrapped(&id, wrapping_key, Curve::Secp256k1)?);
            progress(number);
        }
    };
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in working {
            all.extend(thread.join().map_err(|_| HsmError::Panicked {
                operation: "making wrapped keys".into(),
            })??);
        }
        Ok(all)
    })
}

fn timed(hsm: &dyn Hsm, key: &WrappedKey) -> Result<Duration, HsmError> {
    let request = Request::Sign {
        key: KeyRef::Wrapped(Box::new(key.clone())),
        curve: key.curve,
        digest: [0x5a; 32],
    };
    let start = Instant::now();
    match hsm.ask(request, hsm.call_limit())? {
        Response::Signature(_) => Ok(start.elapsed()),
        other => Err(other.out_of_place()),
    }
}

fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken.get(taken.len() / 2).copied().unwrap_or_default()
}
