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
    /// Keys there were.
    pub keys: usize,
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

/// Signs one at a time: by up to 2,000 of these keys spread over all, each for its first time on this HSM, and as often by one
/// that was used just before. Give it an HSM that another process made the keys on: SoftHSM 2.6 gets slower with each session
/// object that it ever had, and after making 100,000 keys in one process a cold signature took 2.1 ms instead of 1.5.
///
/// # Errors
/// As [`Hsm::sign`].
pub fn wrapped_cost(hsm: &dyn Hsm, made: &[WrappedKey]) -> Result<WrappedCost, HsmError> {
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
        cold: median(cold),
        warm: median(warm),
    })
}

/// Makes `keys` wrapped keys on `threads` threads, telling `progress` how many there are. They can be kept as JSON.
///
/// # Errors
/// As [`Hsm::generate_wrapped`].
pub fn make_wrapped_keys(
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
