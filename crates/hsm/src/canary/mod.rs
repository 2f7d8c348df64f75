//! A key of known value signs on the token, so that its nonces can be computed and tested: k = s⁻¹(z + r·d) mod n.
//!
//! A module whose randomness fails, after an upgrade or a snapshot of its machine brought back, shows it here before it shows
//! in a signature that matters. The key is a session's object and secret from nobody; nothing of worth is ever signed by it.

mod nonces;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use k256::Scalar;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ec;
use crate::fault::Fault;
use crate::key::{Curve, KeyId};
use crate::return_code::ReturnCode;
use crate::session::KeySession;
use nonces::Nonce;

/// Signatures of one request at most, so that other calls to the token don't wait for long.
pub(crate) const PORTION: u32 = 32;
/// Signatures of one test at most.
pub(crate) const MOST_SAMPLES: u32 = 4_096;
/// What errors call the known key by.
const CANARY: KeyId = KeyId::from_bytes([0xca; 16]);

/// What a token's nonces look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum CanaryReport {
    /// The token takes no key from outside, as many are configured to.
    NotPossible {
        /// CKR_ name of what C_CreateObject answered.
        code: String,
    },
    /// Nothing stands out. Slight bias stays unseen.
    Sound {
        /// Signatures looked at.
        samples: u32,
    },
    /// Stop using this token: from biased nonces, keys can be computed.
    Biased {
        /// Signatures looked at.
        samples: u32,
        /// What stands out.
        findings: Vec<String>,
    },
}

/// What one portion of a test gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drawn {
    /// The token takes no key from outside: CKR_ name of what C_CreateObject answered.
    NotPossible(String),
    /// The nonces of the signatures, big-endian. Their key is known to everybody, so they tell nothing.
    Nonces(Vec<[u8; 32]>),
}

/// What all nonces of a test look like.
pub(crate) fn judge(nonces: &[Nonce]) -> CanaryReport {
    let samples = u32::try_from(nonces.len()).unwrap_or(u32::MAX);
    let findings = nonces::findings(nonces);
    if findings.is_empty() {
        CanaryReport::Sound { samples }
    } else {
        CanaryReport::Biased { samples, findings }
    }
}

impl KeySession {
    /// The nonces of `samples` signatures, 1 to 32, the first of which is number `first`.
    pub(crate) fn canary(&self, first: u32, samples: u32) -> Result<Drawn, Fault> {
        let secret: [u8; 32] = Sha256::digest(b"custodyd/canary-key/v1").into();
        let key = match self.session.create_object(&self.known_key(&secret)) {
            Ok(key) => key,
            Err(Error::Pkcs11(code, _)) if refuses_keys(code) => {
                return Ok(Drawn::NotPossible(ReturnCode::new(code).name()));
            }
            Err(error) => return Err(error.into()),
        };
        let drawn: Result<Vec<Nonce>, Fault> = (first..)
            .take(usize::try_from(samples.clamp(1, PORTION)).unwrap_or(1))
            .map(|number| self.nonce(key, &secret, number))
            .collect();
        self.session.destroy_object(key)?;
        drawn.map(Drawn::Nonces)
    }

    fn known_key(&self, secret: &[u8; 32]) -> Vec<Attribute> {
        let profile = &self.login.profile;
        vec![
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::EcParams(ec::encode_params(
                Curve::Secp256k1,
                profile.quirks.ec_params,
            )),
            Attribute::Value(secret.to_vec()),
        ]
    }

    fn nonce(&self, key: ObjectHandle, secret: &[u8; 32], number: u32) -> Result<Nonce, Fault> {
        let mut message = Sha256::new_with_prefix(b"custodyd/canary/v1\n");
        message.update(number.to_be_bytes());
        let digest: [u8; 32] = message.finalize().into();
        let raw = self.session.sign(&Mechanism::Ecdsa, key, &digest)?;
        nonce_of(secret, &digest, &raw).ok_or(Fault::BadSignature(CANARY))
    }
}

/// The nonce of a raw signature, as the module made it, by a known key; none if it isn't a signature of that key.
fn nonce_of(secret: &[u8; 32], digest: &[u8; 32], raw: &[u8]) -> Option<Nonce> {
    let raw: &[u8; 64] = raw.try_into().ok()?;
    let (r_bytes, s_bytes) = raw.split_at(32);
    let scalar = |bytes: &[u8]| -> Option<Scalar> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        Option::from(Scalar::from_repr(bytes.into()))
    };
    let (d, r, s) = (scalar(secret)?, scalar(r_bytes)?, scalar(s_bytes)?);
    let z = <Scalar as Reduce<U256>>::reduce_bytes(&(*digest).into());
    let inverse: Option<Scalar> = s.invert().into();
    let k = inverse? * (z + r * d);
    // r is the x coordinate of k·G: what doesn't fit was not signed by this key.
    let point = (k256::ProjectivePoint::GENERATOR * k).to_affine();
    let x = k256::elliptic_curve::point::AffineCoordinates::x(&point);
    let x = <Scalar as Reduce<U256>>::reduce_bytes(&x);
    (x == r).then(|| k.to_repr().into())
}

const fn refuses_keys(code: RvError) -> bool {
    matches!(
        code,
        RvError::ActionProhibited
            | RvError::AttributeReadOnly
            | RvError::AttributeTypeInvalid
            | RvError::AttributeValueInvalid
            | RvError::FunctionNotSupported
            | RvError::FunctionRejected
            | RvError::KeyFunctionNotPermitted
            | RvError::TemplateIncomplete
            | RvError::TemplateInconsistent
    )
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::{SigningKey, signature::hazmat::PrehashSigner};

    use super::*;

    #[test]
    fn the_nonce_of_a_signature_is_found_and_only_with_the_right_key() {
        let (secret, digest) = ([7; 32], [9; 32]);
        let signer = SigningKey::from_slice(&secret).unwrap();
        let signature: k256::ecdsa::Signature = signer.sign_prehash(&digest).unwrap();
        let nonce = nonce_of(&secret, &digest, &signature.to_bytes()).unwrap();
        assert!(nonce != [0; 32]);
        assert_eq!(nonce_of(&[8; 32], &digest, &signature.to_bytes()), None);
        assert_eq!(nonce_of(&secret, &[8; 32], &signature.to_bytes()), None);
        assert_eq!(nonce_of(&secret, &digest, &[0; 64]), None);
        assert_eq!(nonce_of(&secret, &digest, &[1; 63]), None);
    }
}
