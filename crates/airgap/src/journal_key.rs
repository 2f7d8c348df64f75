//! The vault's journal key as the other side of the gap knows it: a P-256 public key, pinned at the ceremony.

use std::fmt;
use std::str::FromStr;

use custodyd_chain::Digest;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a manifest's signature, or the key for it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalKeyError {
    /// Not a compressed point of P-256.
    #[error("{0:?} is not a P-256 public key: 33 compressed bytes in lower-case hexadecimal")]
    Key(String),
    /// Another vault's key.
    #[error("the bundle is by the journal key {found}, not by the pinned {pinned}")]
    AnotherKey {
        /// The key that is trusted.
        pinned: JournalKey,
        /// The key that the manifest names.
        found: JournalKey,
    },
    /// r or s is out of range, or the signature is of something else.
    #[error("the signature of the manifest is not by the journal key {0}")]
    Signature(JournalKey),
}

/// A vault's journal key. Text and JSON form: 33 compressed bytes in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JournalKey([u8; 33]);

impl JournalKey {
    /// From the compressed SEC 1 form.
    ///
    /// # Errors
    /// [`JournalKeyError::Key`].
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, JournalKeyError> {
        let refused = || JournalKeyError::Key(hex::encode(bytes).chars().take(80).collect());
        let bytes: [u8; 33] = bytes.try_into().map_err(|_| refused())?;
        VerifyingKey::from_sec1_bytes(&bytes).map_err(|_| refused())?;
        Ok(Self(bytes))
    }

    /// Is the 64-byte signature (r ‖ s) by this key over this digest?
    ///
    /// # Errors
    /// [`JournalKeyError::Signature`].
    pub fn verify(&self, digest: &Digest, signature: &[u8; 64]) -> Result<(), JournalKeyError> {
        let key = VerifyingKey::from_sec1_bytes(&self.0)
            .expect("a point of the curve, checked when it was made");
        Signature::from_slice(signature)
            .and_then(|signature| key.verify_prehash(digest.as_bytes(), &signature))
            .map_err(|_| JournalKeyError::Signature(*self))
    }
}

impl fmt::Display for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalKey({self})")
    }
}

impl FromStr for JournalKey {
    type Err = JournalKeyError;

    fn from_str(text: &str) -> Result<Self, JournalKeyError> {
        let refused = || JournalKeyError::Key(text.chars().take(80).collect());
        let bytes = crate::hex_line::lower_hex(text).ok_or_else(refused)?;
        Self::from_sec1(&bytes).map_err(|_| refused())
    }
}

impl Serialize for JournalKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JournalKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
