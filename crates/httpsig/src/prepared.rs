//! A key that much is verified with: of an Ed25519 key the multiples that verification adds up are kept, so that nothing is doubled
//! 256 times for each signature. What it takes is what dalek's `verify_strict` takes (ADR 25).

use std::sync::Arc;

use curve25519_dalek::{
    Scalar, constants::ED25519_BASEPOINT_TABLE, edwards::EdwardsBasepointTable,
    traits::BasepointTable as _,
};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use crate::key::{PublicKey, SIGNATURE_BYTES, is_of_small_order};

/// A public key, with what makes verifying with it cheaper, if anything does. Clones share that, 30 KiB.
#[derive(Debug, Clone)]
pub struct PreparedKey {
    key: PublicKey,
    multiples: Option<Arc<EdwardsBasepointTable>>,
}

impl PreparedKey {
    /// Prepares a key, which costs as much as one or two signatures to verify.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the negative of a point is a point"
    )]
    pub fn new(key: PublicKey) -> Self {
        let multiples = match &key {
            // One of small order verifies nothing, prepared or not.
            PublicKey::Ed25519(key) if !key.is_weak() => {
                Some(Arc::new(EdwardsBasepointTable::create(&-key.to_edwards())))
            }
            PublicKey::Ed25519(_) | PublicKey::P256(_) => None,
        };
        Self { key, multiples }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(crate) fn verifies(&self, base: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        match (&self.key, &self.multiples) {
            (PublicKey::Ed25519(key), Some(multiples)) => holds(key, multiples, base, signature),
            (key, _) => key.verifies(base, signature),
        }
    }
}

impl From<PublicKey> for PreparedKey {
    /// As it is.
    fn from(key: PublicKey) -> Self {
        let multiples = None;
        Self { key, multiples }
    }
}

/// RFC 8032 §5.1.7 without cofactor: s is below the group's order, and R is the encoding of \[s\]B − \[k\]A, k being
/// SHA-512(R ‖ A ‖ M). `multiples` are those of −A, which is not of small order; R must not be either.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the sum of two points is a point"
)]
fn holds(
    key: &VerifyingKey,
    multiples: &EdwardsBasepointTable,
    base: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    let s: Option<Scalar> = Scalar::from_canonical_bytes(*signature.s_bytes()).into();
    let Some(s) = s else {
        return false;
    };
    let mut hash = Sha512::new();
    hash.update(signature.r_bytes());
    hash.update(key.as_bytes());
    hash.update(base);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let r = ED25519_BASEPOINT_TABLE.mul_base(&s) + multiples.mul_base(&k);
    r.compress().as_bytes() == signature.r_bytes() && !is_of_small_order(signature.r_bytes())
}
