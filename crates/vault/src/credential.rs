//! Public credentials of those who may speak to a vault, as text, and the signatures that they make.

use std::{fmt, str::FromStr};

use custodyd_passkey::{Assertion, Passkey, RelyingParty};
use ed25519_dalek::{Signature, VerifyingKey};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An Ed25519 public key (RFC 8032), 64 lowercase hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ed25519Key(VerifyingKey);

impl PartialOrd for Ed25519Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ed25519Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

/// A text that is not a credential that may be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not an Ed25519 key.
    #[error("{0:?} is not an Ed25519 public key (64 hex digits, not a weak point)")]
    Ed25519(String),
    /// Not a P-256 key.
    #[error("{0:?} is not a P-256 public key (\"p256:\" and 66 hex digits, a compressed point)")]
    P256(String),
    /// Not a passkey.
    #[error(transparent)]
    Passkey(#[from] custodyd_passkey::CredentialFault),
}

impl Ed25519Key {
    /// The key with this text; points of small order are refused, since anyone can sign for them.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let wrong = || CredentialError::Ed25519(text.chars().take(80).collect());
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

/// A P-256 public key (FIPS 186-4) of a smart card: `p256:` and the compressed point's 66 lowercase hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct P256Key(p256::ecdsa::VerifyingKey);

impl P256Key {
    /// The key with this text.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let wrong = || CredentialError::P256(text.chars().take(80).collect());
        let mut point = [0; 33];
        let digits = text.strip_prefix("p256:").ok_or_else(wrong)?;
        hex::decode_to_slice(digits, &mut point).map_err(|_| wrong())?;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| wrong())?;
        Some(Self(key))
            .filter(|key| key.to_string() == text)
            .ok_or_else(wrong)
    }

    /// The key to verify with.
    pub fn verifying_key(&self) -> p256::ecdsa::VerifyingKey {
        self.0
    }
}

impl From<p256::ecdsa::VerifyingKey> for P256Key {
    fn from(key: p256::ecdsa::VerifyingKey) -> Self {
        Self(key)
    }
}

impl fmt::Display for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.0.to_encoded_point(true);
        write!(f, "p256:{}", hex::encode(point.as_bytes()))
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P256Key({self})")
    }
}

/// What an operator signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key in a file, or on a token that does Ed25519: 64 hex digits.
    Ed25519(Ed25519Key),
    /// A smart card's key: `p256:…`.
    P256(P256Key),
    /// A passkey: `passkey:…`. It signs statements, never HTTP requests.
    Passkey(Passkey),
}

impl Credential {
    /// Whether this credential signed a challenge. Passkeys sign for a console only: without one none of their signatures
    /// counts.
    pub fn signed(
        &self,
        party: Option<&RelyingParty>,
        challenge: &[u8; 32],
        signature: &OperatorSignature,
    ) -> bool {
        match (self, signature) {
            (Self::Ed25519(key), OperatorSignature::Raw(signature)) => key
                .0
                .verify_strict(challenge, &Signature::from_bytes(&signature.0))
                .is_ok(),
            (Self::P256(key), OperatorSignature::Raw(signature)) => {
                p256::ecdsa::Signature::from_slice(&signature.0)
                    .is_ok_and(|signature| key.0.verify_prehash(challenge, &signature).is_ok())
            }
            (Self::Passkey(passkey), OperatorSignature::Passkey(assertion)) => {
                party.is_some_and(|party| assertion.verify(passkey, party, challenge).is_ok())
            }
            _ => false,
        }
    }

    /// The passkey, if it is one.
    pub fn passkey(&self) -> Option<&Passkey> {
        match self {
            Self::Passkey(passkey) => Some(passkey),
            _ => None,
        }
    }

    /// Whether two credentials are one: the same key, or two keys under one passkey's name, which a browser couldn't tell
    /// apart.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Passkey(one), Self::Passkey(other)) => {
                one.id == other.id || one.key == other.key
            }
            _ => self == other,
        }
    }
}

impl From<Ed25519Key> for Credential {
    fn from(key: Ed25519Key) -> Self {
        Self::Ed25519(key)
    }
}

impl From<VerifyingKey> for Credential {
    fn from(key: VerifyingKey) -> Self {
        Self::Ed25519(key.into())
    }
}

impl FromStr for Credential {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Self, CredentialError> {
        match text.split_once(':') {
            Some(("p256", _)) => P256Key::parse(text).map(Self::P256),
            Some(("passkey", _)) => Ok(Self::Passkey(text.parse()?)),
            _ => Ed25519Key::parse(text).map(Self::Ed25519),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(key) => key.fmt(f),
            Self::P256(key) => key.fmt(f),
            Self::Passkey(passkey) => passkey.fmt(f),
        }
    }
}

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether any of these credentials made this signature over a challenge.
pub(crate) fn signed_by_any(
    credentials: &[Credential],
    party: Option<&RelyingParty>,
    challenge: &[u8; 32],
    signature: &OperatorSignature,
) -> bool {
    let mut credentials = credentials.iter();
    credentials.any(|credential| credential.signed(party, challenge, signature))
}

/// An operator's signature over a statement's challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OperatorSignature {
    /// Of a key: 128 hex digits.
    Raw(RawSignature),
    /// Of a passkey: an object.
    Passkey(Box<Assertion>),
}

impl From<RawSignature> for OperatorSignature {
    fn from(signature: RawSignature) -> Self {
        Self::Raw(signature)
    }
}

impl From<Assertion> for OperatorSignature {
    fn from(assertion: Assertion) -> Self {
        Self::Passkey(Box::new(assertion))
    }
}

/// 64 bytes, 128 lowercase hex digits in text: Ed25519 over the challenge, or ECDSA over P-256, r ‖ s, with the challenge as
/// the hash that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSignature(pub [u8; 64]);

impl Serialize for RawSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for RawSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a signature is 128 hex digits"))?;
        Ok(Self(bytes))
    }
}
