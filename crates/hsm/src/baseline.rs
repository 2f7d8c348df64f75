//! What the token itself can do: a bare C_Sign loop, the yardstick of the benchmarks.

use std::time::{Duration, Instant};

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use secrecy::SecretString;

use crate::ec;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect;
use crate::key::{Curve, KeyId};
use crate::login::Login;
use crate::module::bounded;
use crate::profile::Profile;
use crate::quirks::Quirks;

/// Signatures made by the bare loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRate {
    /// How many, on all threads.
    pub signatures: u64,
    /// In what time.
    pub elapsed: Duration,
}

impl RawRate {
    /// Signatures a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let signatures = self.signatures as f64;
        signatures / self.elapsed.as_secs_f64()
    }
}

/// Which key the bare loops sign with. SoftHSM looks at a token object's file at each use, which costs it a twentieth of
/// its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawKey {
    /// A throwaway secp256k1 session object for each thread.
    Session,
    /// An existing key, as the daemon signs with.
    Token(KeyId),
}

/// Signs in a loop on each of `threads` sessions for `duration` with a throwaway secp256k1 session key, neither
/// normalising nor verifying.
///
/// # Errors
/// As [`crate::Token::open`], or what C_Sign returned.
pub fn raw_sign_rate(
    profile: &Profile,
    pin: SecretString,
    threads: usize,
    duration: Duration,
) -> Result<RawRate, HsmError> {
    raw_sign_rate_of(profile, pin, RawKey::Session, threads, duration)
}

/// As [`raw_sign_rate`], with the key of one's choice.
///
/// # Errors
/// As [`raw_sign_rate`], and [`HsmError::KeyMissing`].
pub fn raw_sign_rate_of(
    profile: &Profile,
    pin: SecretString,
    key: RawKey,
    threads: usize,
    duration: Duration,
) -> Result<RawRate, HsmError> {
    let opened = profile.clone();
    let login = bounded("opening the token", profile.open_timeout, move || {
        Login::open(opened, pin, threads)
    })??;
    let start = Instant::now();
    let signatures = std::thread::scope(|scope| {
        let loops: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| sign_until(&login, key, start + duration)))
            .collect();
        loops
            .into_iter()
            .map(|thread| {
                thread.join().map_err(|_| HsmError::Panicked {
                    operation: "the bare loop".into(),
                })?
            })
            .sum::<Result<u64, HsmError>>()
    })?;
    Ok(RawRate {
        signatures,
        elapsed: start.elapsed(),
    })
}

fn sign_until(login: &Login, key: RawKey, end: Instant) -> Result<u64, HsmError> {
    let quirks = &login.profile.quirks;
    let counted = || -> Result<u64, Fault> {
        let session = login.session()?;
        let key = match key {
            RawKey::Session => throwaway(&session, quirks)?,
            RawKey::Token(id) => match inspect::locate(&session, quirks, &id)? {
                Some(located) => located.private,
                None => {
                    return Err(HsmError::KeyMissing {
                        key: id,
                        token: login.info.label.clone(),
                    }
                    .into());
                }
            },
        };
        let digest = [0x5a; 32];
        let mut signatures = 0;
        while Instant::now() < end {
            session.sign(&Mechanism::Ecdsa, key, &digest)?;
            signatures += 1;
        }
        Ok(signatures)
    };
    counted().map_err(|fault| fault.into_error(&quirks.retry_codes))
}

fn throwaway(session: &Session, quirks: &Quirks) -> Result<ObjectHandle, Fault> {
    let public = [
        Attribute::Token(false),
        Attribute::Private(quirks.public_key_is_private),
        Attribute::Verify(true),
        Attribute::EcParams(ec::encode_params(Curve::Secp256k1, quirks.ec_params)),
    ];
    let private = [
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    let (_, key) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
    Ok(key)
}
