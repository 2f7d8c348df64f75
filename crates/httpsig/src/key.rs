//! Keys and what they sign with. The key decides the algorithm; what `alg` says must agree (RFC 9421 §3.2, step 6).

use std::{fmt, sync::LazyLock};

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;

/// Length of a signature of either algorithm, bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// A signature algorithm of this profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `ed25519` (RFC 9421 §3.3.6): what clients sign with, and operators with a key file.
    Ed25519,
    /// `ecdsa-p256-sha256` (§3.3.4): what smart cards sign with. The signature is r ‖ s, 32 bytes each.
    EcdsaP256Sha256,
}

impl Algorithm {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::EcdsaP256Sha256];

    /// Its name in the registry of RFC 9421 §6.2.2, as `alg` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        }
    }

    /// The algorithm of that name, or `None` if this profile has none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519 (RFC 8032).
    Ed25519(ed25519_dalek::VerifyingKey),
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5).
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// The one algorithm that the key is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::EcdsaP256Sha256,
        }
    }

    /// Whether the key made this signature over a signature base.
    ///
    /// Of the two forms that an ECDSA signature has, (r, s) and (r, n − s), both are taken: cards give either. A request
    /// is known again by its nonce, never by its signature.
    pub(crate) fn verifies(&self, base: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        match self {
            Self::Ed25519(key) => verifies_strictly(key, base, signature),
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(base, &signature).is_ok()),
        }
    }
}

/// Refuses keys and nonces of small order, under which one signature fits many messages: what dalek's `verify_strict` refuses, and
/// nothing else. `verify` compares R, as it came, with the one encoding of the point that it has to be; so R is of small order
/// just if it is one of eight byte strings, and need not be decompressed, which costs a tenth of the whole.
fn verifies_strictly(
    key: &ed25519_dalek::VerifyingKey,
    base: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    !key.is_weak()
        && !is_of_small_order(signature.r_bytes())
        && key.verify(base, &signature).is_ok()
}

/// Whether these are the canonical encoding (RFC 8032 §5.1.2) of a point of small order.
pub(crate) fn is_of_small_order(encoded: &[u8; 32]) -> bool {
    static ALL: LazyLock<[[u8; 32]; 8]> =
        LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));
    ALL.contains(encoded)
}

impl From<ed25519_dalek::VerifyingKey> for PublicKey {
    fn from(key: ed25519_dalek::VerifyingKey) -> Self {
        Self::Ed25519(key)
    }
}

impl From<p256::ecdsa::VerifyingKey> for PublicKey {
    fn from(key: p256::ecdsa::VerifyingKey) -> Self {
        Self::P256(key)
    }
}

/// A key that could not sign, as a token's error has it; never key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SigningFault(pub String);

/// Whatever signs a request: a key in memory, or one that stays on a token.
pub trait Signer {
    /// What it signs with.
    fn algorithm(&self) -> Algorithm;

    /// Signs a signature base; 64 bytes of the form that the algorithm has in RFC 9421.
    ///
    /// # Errors
    /// What keeps a token from signing.
    fn sign(&self, base: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SigningFault>;
}

impl Signer for ed25519_dalek::SigningKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn sign(&self, base: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SigningFault> {
        let signature = self.try_sign(base);
        signature
            .map(|signature| signature.to_bytes())
            .map_err(|fault| SigningFault(fault.to_string()))
    }
}

impl Signer for p256::ecdsa::SigningKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EcdsaP256Sha256
    }

    fn sign(&self, base: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SigningFault> {
        let signature: Result<p256::ecdsa::Signature, _> = self.try_sign(base);
        signature
            .map(|signature| signature.to_bytes().into())
            .map_err(|fault| SigningFault(fault.to_string()))
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
