//! Makes a token's raw r‖s into a signature that may leave: low-S on secp256k1, and verified.
//!
//! About half of what SoftHSM returns is high-S, so normalising comes before verifying. libsecp256k1 does the work
//! for secp256k1: a tenth of the time of C_Sign on SoftHSM, where the pure Rust curve takes nearly half of it.

use std::sync::OnceLock;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use secp256k1::{Message, Secp256k1, VerifyOnly, ecdsa};

use crate::key::{Curve, PublicPoint};

fn context() -> &'static Secp256k1<VerifyOnly> {
    static CONTEXT: OnceLock<Secp256k1<VerifyOnly>> = OnceLock::new();
    CONTEXT.get_or_init(Secp256k1::verification_only)
}

/// Whether a secp256k1 signature has its s in the lower half of the group's order (BIP 146).
pub(crate) fn is_low_s(signature: &[u8; 64]) -> bool {
    ecdsa::Signature::from_compact(signature).is_ok_and(|read| {
        let mut low = read;
        low.normalize_s();
        low == read
    })
}

/// Whether this key made this signature over this digest; needs no HSM. For whoever checks a report of an HSM's keys.
#[must_use]
pub fn verifies(
    curve: Curve,
    public: &PublicPoint,
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> bool {
    Verifier::new(curve, public).is_some_and(|key| key.accept(digest, signature).is_some())
}

/// A public key, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    Secp256k1(secp256k1::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl Verifier {
    /// None if the bytes are no point of the curve.
    pub(crate) fn new(curve: Curve, point: &PublicPoint) -> Option<Self> {
        Some(match curve {
            Curve::Secp256k1 => {
                Self::Secp256k1(secp256k1::PublicKey::from_slice(point.as_bytes()).ok()?)
            }
            Curve::P256 => {
                Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(point.as_bytes()).ok()?)
            }
        })
    }

    /// The signature in its canonical form, if it is one of this key over this digest.
    pub(crate) fn accept(&self, digest: &[u8; 32], raw: &[u8]) -> Option<[u8; 64]> {
        match self {
            Self::Secp256k1(key) => {
                let mut signature = ecdsa::Signature::from_compact(raw).ok()?;
                signature.normalize_s();
                let message = Message::from_digest(*digest);
                context().verify_ecdsa(&message, &signature, key).ok()?;
                Some(signature.serialize_compact())
            }
            Self::P256(key) => {
                let signature = p256::ecdsa::Signature::from_slice(raw).ok()?;
                key.verify_prehash(digest, &signature).ok()?;
                Some(signature.to_bytes().into())
            }
        }
    }
}
