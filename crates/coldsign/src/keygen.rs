//! `coldsign keygen`: a key pair in the token, and what the vault's genesis must know of it.

use custodyd_hsm::{Curve, Hsm as _, KeyId};

use crate::config::Config;
use crate::error::ColdsignError;
use crate::token;

/// Longest label, in characters.
const MAX_LABEL: usize = 64;

/// Makes the key and prints its id and public key as lines of TOML.
pub(crate) fn run(config: &Config, label: &str) -> Result<(), ColdsignError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if label.is_empty() || label.len() > MAX_LABEL || !label.chars().all(allowed) {
        let reason = format!("{label:?} is no label: 1 to {MAX_LABEL} of a-z, 0-9 and -");
        return Err(ColdsignError::Usage(reason));
    }
    let token = token::open(config)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(ColdsignError::Randomness)?;
    let id = KeyId::from_bytes(id);
    // An id that is shown before the key is made lets a person find a key whose making was cut short.
    println!("# {label}, on token {:?}", token.info().label);
    println!("key_id = \"key_{id}\"");
    let public = token.generate(&id, label, Curve::Secp256k1)?;
    println!("public_key = \"{public}\"");
    Ok(())
}
