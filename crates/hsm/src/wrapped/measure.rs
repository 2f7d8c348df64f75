//! What a wrapped key costs that isn't unwrapped yet, against one that is: a yardstick of the benchmarks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::Hsm;
use crate::key::{Curve, KeyId};
use crate::request::{KeyRef, Request, Response, WrappedKey};

/// Signatures measured of each kind, at most.
const SAMPLES: usize = 2_000;
/// Signatures by one key before it counts as unwrapped in every session.
const ROUNDS: usize = 200;

/// Medians of signing by wrapped keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedCost {
    /// Keys made.
    pub keys: usize,
    /// In what time, on all threads.
    pub made_in: Duration,
    /// By a key that is in no session's cache.
    pub cold: Duration,
    /// By a key that is in every session's.
    pub warm: Duration,
}

impl WrappedCost {
    /// How many times the warm signature the cold one takes.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.cold.as_secs_f64() / self.warm.as_secs_f64()
    }
}

/// Makes `keys` wrapped keys on `threads` threads, telling `progress` how many there are, then signs one at a time: by up to
/// 2,000 of them spread over all, each for its first time, and as often by one that was used just before.
///
/// # Errors
/// As [`Hsm::generate_wrapped`] and [`Hsm::sign`].
pub fn wrapped_cost(
    hsm: &dyn Hsm,
    wrapping_key: &KeyId,
    keys: usize,
    threads: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<WrappedCost, HsmError> {
    let start = Instant::now();
    let made = make(hsm, wrapping_key, keys, threads, progress)?;
    let made_in = start.elapsed();
    let step = made.len().div_ceil(SAMPLES).max(1);
    let cold: Vec<Duration> = made
        .iter()
        .step_by(step)
        .map(|key| timed(hsm, key))
        .collect::<Result<_, _>>()?;
    let mut warm = Vec::new();
    if let Some(key) = made.first() {
        for round in 0..ROUNDS.saturating_add(cold.len()) {
            let taken = timed(hsm, key)?;
            if round >= ROUNDS {
                warm.push(taken);
            }
        }
    }
    Ok(WrappedCost {
        keys: made.len(),
        made_in,
        cold: median(cold),
        warm: median(warm),
    })
}

fn make(
    hsm: &dyn Hsm,
    wrapping_key: &KeyId,
    keys: usize,
    threads: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<WrappedKey>, HsmError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<WrappedKey>, HsmError> {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= keys {
                return Ok(made);
            }
            let mut id = [0; 16];
            for (byte, of) in id.iter_mut().zip(number.to_be_bytes()) {
                *byte = of;
            }
            let id = KeyId::from_bytes(id);
            made.push(hsm.generate_wrapped(&id, wrapping_key, Curve::Secp256k1)?);
            progress(number.saturating_add(1));
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
