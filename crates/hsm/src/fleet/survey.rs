//! Questions to all tokens at once: who holds a key, and what lies where.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::Health;
use crate::key::{KeyId, KeyReport, PublicPoint};
use crate::request::{Request, Response};

use super::relay::Shared;

/// Who holds a key.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// The point that all of them show.
    pub(crate) point: Option<PublicPoint>,
    /// Tokens that hold it.
    pub(crate) with: Vec<usize>,
    /// Tokens that lack it.
    pub(crate) without: Vec<usize>,
    /// Tokens that are out or did not answer.
    pub(crate) silent: Vec<usize>,
}

/// Asks all tokens that are not out the same, at once, and waits for what they say.
fn ask_all(
    shared: &Shared,
    request: &Request,
    limit: Duration,
) -> BTreeMap<usize, Result<Response, HsmError>> {
    let (sender, receiver) = mpsc::channel();
    for (seat, member) in shared.members.iter().enumerate() {
        if matches!(shared.roster().health(seat), Some(Health::Out { .. })) {
            continue;
        }
        let (ours, theirs) = (sender.clone(), sender.clone());
        let reply = Box::new(move |answer| drop(theirs.send((seat, answer))));
        if let Err(error) = member.submit(request.clone(), limit, reply) {
            drop(ours.send((seat, Err(error))));
        }
    }
    drop(sender);
    receiver.iter().collect()
}

/// Looks for a key on every token.
///
/// # Errors
/// [`HsmError::KeyDiffers`] if two tokens hold different keys of this id; what a token says of a key that it can't read.
pub(crate) fn holders(shared: &Shared, key: KeyId, limit: Duration) -> Result<Holders, HsmError> {
    let mut answers = ask_all(shared, &Request::Find(key), limit);
    let mut holders = Holders::default();
    for seat in 0..shared.members.len() {
        match answers.remove(&seat) {
            Some(Ok(Response::Found(Some(report)))) => {
                observe(shared, seat, &report)?;
                holders.point = Some(report.public);
                holders.with.push(seat);
            }
            Some(Ok(Response::Found(None))) => {
                shared.roster().missed(seat, key, Instant::now());
                holders.without.push(seat);
            }
            Some(Err(
                error @ (HsmError::KeyDuplicated { .. }
                | HsmError::KeyUnreadable { .. }
                | HsmError::KeyChanged { .. }),
            )) => return Err(error),
            _ => holders.silent.push(seat),
        }
    }
    Ok(holders)
}

/// All key pairs of all tokens that answer, ordered by id.
///
/// # Errors
/// [`HsmError::KeyDiffers`]; a token's failure if none answers.
pub(crate) fn list(shared: &Shared, limit: Duration) -> Result<Vec<KeyReport>, HsmError> {
    let mut keys = BTreeMap::new();
    let (mut answered, mut failure) = (
        false,
        HsmError::TokensAway {
            operation: Request::List.operation().into(),
            tokens: shared.names.clone(),
        },
    );
    for (seat, answer) in ask_all(shared, &Request::List, limit) {
        match answer {
            Ok(Response::Listed(reports)) => {
                answered = true;
                for report in reports {
                    observe(shared, seat, &report)?;
                    keys.entry(report.id).or_insert(report);
                }
            }
            Ok(other) => failure = other.out_of_place(),
            Err(error) => failure = error,
        }
    }
    if answered {
        Ok(keys.into_values().collect())
    } else {
        Err(failure)
    }
}

/// A token that shows a wrong key is taken out before anyone hears of it.
fn observe(shared: &Shared, seat: usize, report: &KeyReport) -> Result<(), HsmError> {
    let mut roster = shared.roster();
    let observed = roster.observe(seat, report.id, report.public);
    if let Err(error) = &observed {
        roster.distrust(seat, &error.to_string(), Instant::now());
    }
    observed
}
