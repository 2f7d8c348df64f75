//! The token that signs: its PIN's file, its keys, and a signature that fits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use custodyd_airgap::RecomputedEffects;
use custodyd_chain::{PublicKey, Signature, SigningRequest};
use custodyd_hsm::{Curve, Hsm as _, KeyId, Token};
use secrecy::SecretString;

use crate::config::Config;
use crate::error::ColdsignError;

/// Time for one signature. Nobody is waiting but the person at the machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Opens the configured token.
pub(crate) fn open(config: &Config) -> Result<Token, ColdsignError> {
    Ok(Token::open(&config.profile, pin(&config.pin_file)?, 1)?)
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

/// The PIN, from a file that only its owner can read.
fn pin(path: &Path) -> Result<SecretString, ColdsignError> {
    let wrong = |reason: String| ColdsignError::Config {
        path: path.to_owned(),
        reason,
    };
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_file() || mode & 0o077 != 0 {
        return Err(wrong(format!(
            "the PIN's file has mode {mode:03o}; only its owner may read it (chmod 600)"
        )));
    }
    let mut pin = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    while pin.ends_with(['\n', '\r']) {
        pin.pop();
    }
    Ok(SecretString::from(pin))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_pin_that_others_can_read_is_refused_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, "9-secret-7\n").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = pin(&path).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(!error.to_string().contains("9-secret-7"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pin(&path).unwrap().expose_secret(), "9-secret-7");
    }
}
