//! ECDSA signatures over secp256k1, always in low-S form (BIP-62 rule 5, EIP-2), verified by
//! libsecp256k1.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use ::bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature as Secp};
use ::bitcoin::secp256k1::{Secp256k1, VerifyOnly};
use thiserror::Error;

use crate::keys::{Digest, PublicKey, decode_hex};
use crate::signature_point::NonceX;
use crate::text::{quoted, serde_as_text};

/// One context for the whole program; verification keeps no state in it.
static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// Why a signature was refused. Signatures are public; the errors still name only key and digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not r ‖ s.
    #[error("a signature is 64 bytes, not {0}")]
    Length(usize),
    /// r or s is zero or not below the group order.
    #[error("r or s is outside 1..n")]
    Scalar,
    /// s is above n/2, in a form that must already be low.
    #[error("s is above half the group order")]
    HighS,
    /// Not the one strict DER encoding (BIP-66).
    #[error("not a strict DER signature")]
    Der,
    /// Not 128 hexadecimal digits.
    #[error("\"{0}\" is not a signature: 128 lower-case hexadecimal digits")]
    Hex(String),
    /// Another key, another digest, or a faulty signer.
    #[error("the signature is not by {key} over {digest}")]
    Invalid {
        /// The expected signer.
        key: PublicKey,
        /// The expected digest.
        digest: Digest,
    },
}

/// r ‖ s, both in 1..n, s at most n/2. Text and JSON form: lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(Secp);

impl Signature {
    /// From the 64 bytes that C_Sign returns for CKM_ECDSA (PKCS#11 §6.3: r ‖ s, big-endian).
    /// A high s is replaced by n − s: both are signatures, and only one is standard.
    ///
    /// # Errors
    /// [`SignatureError::Length`], [`SignatureError::Scalar`].
    pub fn from_hsm(bytes: &[u8]) -> Result<Self, SignatureError> {
        let bytes: &[u8; 64] = bytes
            .try_into()
            .map_err(|_| SignatureError::Length(bytes.len()))?;
        if bytes
            .chunks(32)
            .any(|scalar| scalar.iter().all(|b| *b == 0))
        {
            return Err(SignatureError::Scalar);
        }
        let mut signature = Secp::from_compact(bytes).map_err(|_| SignatureError::Scalar)?;
        signature.normalize_s();
        Ok(Signature(signature))
    }

    /// From 64 bytes that claim to be low-S already.
    pub(crate) fn from_compact(bytes: &[u8; 64]) -> Result<Self, SignatureError> {
        let signature = Self::from_hsm(bytes)?;
        if signature.to_bytes() != *bytes {
            return Err(SignatureError::HighS);
        }
        Ok(signature)
    }

    /// From strict DER (BIP-66) with a low s.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, SignatureError> {
        let parsed = Secp::from_der(der).map_err(|_| SignatureError::Der)?;
        if parsed.serialize_der().as_ref() != der {
            return Err(SignatureError::Der);
        }
        Self::from_compact(&parsed.serialize_compact())
    }

    /// r ‖ s.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        self.0.serialize_compact()
    }

    /// r alone: what tells a nonce that was used twice.
    #[must_use]
    pub fn nonce(&self) -> NonceX {
        let bytes = self.to_bytes();
        let (r, _) = bytes.split_at(32);
        NonceX::from_bytes(r.try_into().expect("the first 32 of 64 bytes"))
    }

    /// Strict DER (BIP-66), at most 71 bytes.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.0.serialize_der().to_vec()
    }

    /// # Errors
    /// [`SignatureError::Invalid`].
    pub fn verify(&self, key: &PublicKey, digest: &Digest) -> Result<(), SignatureError> {
        CURVE
            .verify_ecdsa(&digest.to_message(), &self.0, key.as_secp())
            .map_err(|_| SignatureError::Invalid {
                key: *key,
                digest: *digest,
            })
    }

    /// The key that made this signature if R has this recovery id; none if there is no such key.
    #[must_use]
    pub fn recover(&self, digest: &Digest, recovery_id: u8) -> Option<PublicKey> {
        let id = RecoveryId::from_i32(i32::from(recovery_id)).ok()?;
        let signature = RecoverableSignature::from_compact(&self.to_bytes(), id).ok()?;
        let key = CURVE.recover_ecdsa(&digest.to_message(), &signature).ok()?;
        Some(PublicKey::from_secp(key))
    }

    /// Which recovery id (0 to 3) gives back `key`; that there is one proves the signature.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] if none does.
    pub fn recovery_id(&self, key: &PublicKey, digest: &Digest) -> Result<u8, SignatureError> {
        (0..4)
            .find(|id| self.recover(digest, *id) == Some(*key))
            .ok_or(SignatureError::Invalid {
                key: *key,
                digest: *digest,
            })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let mut bytes = [0; 64];
        decode_hex(text, &mut bytes).ok_or_else(|| SignatureError::Hex(quoted(text)))?;
        Signature::from_compact(&bytes)
    }
}

serde_as_text!(Signature);
