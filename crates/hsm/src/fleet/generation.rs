//! A new key: made on one token only, and good once the others show it.
//!
//! Two tokens that each made a key under one id would be two different keys, of which the journal knows one. So a key is only
//! ever made by the first token of the configuration, and only after every token said that it has none: one that is out might,
//! from an earlier attempt whose answer was lost. How it reaches the others is the vendor's matter (a cluster replicates).

use std::thread;
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::key::{Curve, KeyId, PublicPoint};
use crate::request::{Request, Response};

use super::relay::Shared;
use super::survey::{Holders, holders};

/// The token that makes keys.
const MAKER: usize = 0;
/// Pause between looks at the other tokens.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes a key pair, or finds the one that exists, and waits until enough tokens show it.
///
/// # Errors
/// [`HsmError::TokensAway`] and [`HsmError::KeyNotReplicated`], both worth a retry; [`HsmError::KeyDiffers`]; or as
/// [`Hsm::generate`](crate::Hsm::generate) on one token.
pub(crate) fn generate(
    shared: &Shared,
    key: KeyId,
    label: String,
    curve: Curve,
    limit: Duration,
) -> Result<PublicPoint, HsmError> {
    let began = Instant::now();
    let rest = || limit.saturating_sub(began.elapsed());
    let request = Request::Generate {
        id: key,
        label,
        curve,
    };
    let found = holders(shared, key, rest())?;
    if found.with.is_empty() && !found.silent.is_empty() {
        return Err(HsmError::TokensAway {
            operation: request.operation().into(),
            tokens: named(shared, &found.silent),
        });
    }
    // A token that has it checks it and makes nothing.
    let maker = found.with.first().copied().unwrap_or(MAKER);
    let member = shared.members.get(maker).ok_or(HsmError::Closed)?;
    let point = match member.ask(request, rest())? {
        Response::Public(point) => point,
        other => return Err(other.out_of_place()),
    };
    shared.roster().observe(maker, key, point)?;
    await_replicas(shared, key, rest)?;
    Ok(point)
}

/// Waits until the key is on as many tokens as the settings ask for.
fn await_replicas(
    shared: &Shared,
    key: KeyId,
    rest: impl Fn() -> Duration,
) -> Result<(), HsmError> {
    if shared.settings.replicas == Some(1) {
        return Ok(());
    }
    let until = Instant::now() + rest().min(shared.settings.replica_wait);
    loop {
        let found = holders(shared, key, rest())?;
        if is_enough(shared, &found) {
            return Ok(());
        }
        if Instant::now() + PAUSE >= until {
            let lacking = [found.without, found.silent].concat();
            return Err(HsmError::KeyNotReplicated {
                key,
                tokens: named(shared, &lacking),
            });
        }
        thread::sleep(PAUSE);
    }
}

fn is_enough(shared: &Shared, found: &Holders) -> bool {
    match shared.settings.replicas {
        Some(replicas) => found.with.len() >= replicas.min(shared.members.len()),
        None => !found.with.is_empty() && found.without.is_empty(),
    }
}

fn named(shared: &Shared, seats: &[usize]) -> Vec<String> {
    let names = seats.iter().filter_map(|seat| shared.names.get(*seat));
    names.cloned().collect()
}
