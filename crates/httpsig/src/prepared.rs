//! A key that much is verified with: of an Ed25519 key the multiples that verification adds up are kept, so that nothing is doubled
//! 256 times for each signature. What it takes is what dalek's `verify_strict` takes (ADR 25).

use std::sync::{Arc, LazyLock};

use curve25519_dalek::{Scalar, constants::ED25519_BASEPOINT_POINT};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use crate::{
    key::{PublicKey, SIGNATURE_BYTES, is_of_small_order},
    multiples::Multiples,
};

/// Bits of a window of a key's multiples, of which there are many: 130 KiB.
const KEY_WINDOW: u32 = 5;

/// The base point's, 215 KiB: as wide as pays. A wider one reads more memory than it saves additions.
static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(&ED25519_BASEPOINT_POINT, 6));

/// A public key, with what makes verifying with it cheaper, if anything does. Clones share that, 130 KiB.
#[derive(Debug, Clone)]
pub struct PreparedKey {
    key: PublicKey,
    multiples: Option<Arc<Multiples>>,
}

impl PreparedKey {
    /// Prepares a key, which costs as much as some ten signatures to verify.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the negative of a point is a point"
    )]
    pub fn new(key: PublicKey) -> Self {
        let multiples = match &key {
            // One of small order verifies nothing, prepared or not.
            PublicKey::Ed25519(key) if !key.is_weak() => {
                Some(Arc::new(Multiples::of(&-key.to_edwards(), KEY_WINDOW)))
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
fn holds(
    key: &VerifyingKey,
    multiples: &Multiples,
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
    let r = BASE.add(multiples.times(&k), &s);
    r.compress().as_bytes() == signature.r_bytes() && !is_of_small_order(signature.r_bytes())
}
