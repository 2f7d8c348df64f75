//! Makes what a token signed into a signature that may leave: low-S on secp256k1, and verified.
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

/// What a key signs. ECDSA takes a digest; Ed25519 takes the message itself, which it hashes twice (RFC 8032 §5.1.6).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signed<'a> {
    Digest(&'a [u8; 32]),
    Message(&'a [u8]),
}

impl<'a> Signed<'a> {
    /// 32 bytes, as a key on this curve signs them.
    pub(crate) const fn of(curve: Curve, digest: &'a [u8; 32]) -> Self {
        match curve {
            Curve::Secp256k1 | Curve::P256 => Self::Digest(digest),
            Curve::Ed25519 => Self::Message(digest),
        }
    }

    pub(crate) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Digest(digest) => digest,
            Self::Message(message) => message,
        }
    }
}

/// Whether this key made this signature over this digest, which to an Ed25519 key is a message of 32 bytes; needs no HSM.
/// For whoever checks a report of an HSM's keys.
#[must_use]
pub fn verifies(
    curve: Curve,
    public: &PublicPoint,
    digest: &[u8; 32],
    signature: &[u8; 64],
) -> bool {
    let signed = Signed::of(curve, digest);
    Verifier::new(curve, public).is_some_and(|key| key.accept(signed, signature).is_some())
}

/// A public key, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    Secp256k1(secp256k1::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Verifier {
    /// None if the bytes are no point of the curve, or an Ed25519 key of low order or in a second encoding.
    pub(crate) fn new(curve: Curve, point: &PublicPoint) -> Option<Self> {
        Some(match curve {
            Curve::Secp256k1 => {
                Self::Secp256k1(secp256k1::PublicKey::from_slice(point.as_bytes()).ok()?)
            }
            Curve::P256 => {
                Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(point.as_bytes()).ok()?)
            }
            Curve::Ed25519 => {
                let bytes = point.as_bytes().try_into().ok()?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
                let canonical = key.to_edwards().compress().as_bytes() == bytes;
                Self::Ed25519((canonical && !key.is_weak()).then_some(key)?)
            }
        })
    }

    /// The signature in its canonical form, if it is one of this key over this.
    pub(crate) fn accept(&self, signed: Signed<'_>, raw: &[u8]) -> Option<[u8; 64]> {
        match (self, signed) {
            (Self::Secp256k1(key), Signed::Digest(digest)) => {
                let mut signature = ecdsa::Signature::from_compact(raw).ok()?;
                signature.normalize_s();
                let message = Message::from_digest(*digest);
                context().verify_ecdsa(&message, &signature, key).ok()?;
                Some(signature.serialize_compact())
            }
            (Self::P256(key), Signed::Digest(digest)) => {
                let signature = p256::ecdsa::Signature::from_slice(raw).ok()?;
                key.verify_prehash(digest, &signature).ok()?;
                Some(signature.to_bytes().into())
            }
            (Self::Ed25519(key), Signed::Message(message)) => {
                let signature = ed25519_dalek::Signature::from_slice(raw).ok()?;
                // Strict: no second signature passes that differs in form alone.
                key.verify_strict(message, &signature).ok()?;
                Some(signature.to_bytes())
            }
            _ => None,
        }
    }
}
