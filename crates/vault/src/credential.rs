//! Public credentials of those who may speak to a vault, in hex.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ed25519 public key (RFC 8032), 64 lowercase hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ed25519Key(VerifyingKey);

/// A text that is not an Ed25519 public key that may be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an Ed25519 public key (64 hex digits, not a weak point)")]
pub struct CredentialError(String);

impl Ed25519Key {
    /// The key with this text; points of small order are refused, since anyone can sign for them.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let wrong = || CredentialError(text.chars().take(80).collect());
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?;
        if key.is_weak() {
            Err(wrong())
        } else {
            Ok(Self(key))
        }
    }

    /// The key to verify with.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.0
    }
}

impl From<VerifyingKey> for Ed25519Key {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}

impl fmt::Display for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({self})")
    }
}

impl Serialize for Ed25519Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ed25519Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether any of `keys` made this signature over a challenge.
pub(crate) fn signed_by_any(
    keys: &[Ed25519Key],
    challenge: &[u8; 32],
    signature: &Ed25519Signature,
) -> bool {
    let signature = Signature::from_bytes(&signature.0);
    keys.iter()
        .any(|key| key.0.verify_strict(challenge, &signature).is_ok())
}

/// An Ed25519 signature, 128 lowercase hex digits in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519Signature(pub [u8; 64]);

impl Serialize for Ed25519Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Ed25519Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a signature is 128 hex digits"))?;
        Ok(Self(bytes))
    }
}
