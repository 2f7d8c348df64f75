//! The token that signs: its keys, and a signature that fits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use custodyd_airgap::RecomputedEffects;
use custodyd_chain::{PublicKey, Signature, SigningRequest};
use custodyd_hsm::{Curve, Hsm as _, KeyId, Token};

use crate::config::Config;
use crate::error::ColdsignError;

/// Time for one signature. Nobody is waiting but the person at the machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Opens the configured token.
pub(crate) fn open(config: &Config) -> Result<Token, ColdsignError> {
    Ok(Token::open(&config.profile, config.pin.read()?, 1)?)
}

/// The secp256k1 keys on the token.
pub(crate) fn keys(token: &Token) -> Result<BTreeMap<PublicKey, KeyId>, ColdsignError> {
    let reports = token.list()?;
    let ours = reports
        .iter()
        .filter(|report| report.curve == Curve::Secp256k1);
    Ok(ours
        .filter_map(|report| {
            let key = PublicKey::from_sec1(report.public.as_bytes()).ok()?;
            Some((key, report.id))
        })
        .collect())
}

/// Can the keys that these transactions need do nothing but sign, and never leave the token?
pub(crate) fn check_keys(
    token: &Token,
    keys: &BTreeMap<PublicKey, KeyId>,
    transactions: &[RecomputedEffects],
) -> Result<(), ColdsignError> {
    let requests = transactions.iter().flat_map(|one| &one.requests);
    let needed: BTreeSet<_> = requests
        .filter_map(|request| keys.get(&request.public_key))
        .collect();
    for id in needed {
        token.check_attributes(id)?;
    }
    Ok(())
}

/// A signature of this digest, verified here once more.
pub(crate) fn sign(
    token: &Token,
    id: &KeyId,
    request: &SigningRequest,
) -> Result<Signature, ColdsignError> {
    let bytes = token.sign(id, Curve::Secp256k1, *request.digest.as_bytes(), DEADLINE)?;
    let refused = |source| ColdsignError::Signature {
        key: request.public_key,
        source: Box::new(source),
    };
    let signature = Signature::from_hsm(&bytes).map_err(refused)?;
    signature
        .verify(&request.public_key, &request.digest)
        .map_err(refused)?;
    Ok(signature)
}
