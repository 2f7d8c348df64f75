//! What names and describes a key outside the HSM: its id, curve, public point, and a report of how the token keeps it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::attributes::KeyAttributes;

/// A text that is no key id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key id: write 32 hexadecimal digits")]
pub struct ParseKeyError(String);

/// CKA_ID of a key pair: 16 random bytes, written as 32 hexadecimal digits. Chosen and stored by the caller before the
/// key is generated, so that a crash in between leaves no key that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The id made of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes that stand in CKA_ID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(ParseKeyError(text.chars().take(64).collect())),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = ParseKeyError;

    fn try_from(text: String) -> Result<Self, ParseKeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The curves a signing key may lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// SEC 2 secp256k1: wallets of the Bitcoin and Ethereum families.
    Secp256k1,
    /// NIST P-256: the journal key.
    P256,
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secp256k1 => "secp256k1",
            Self::P256 => "p256",
        })
    }
}

/// A public key as a compressed SEC1 point: 33 bytes, `02` or `03` and the x coordinate. Always a point of its curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicPoint([u8; 33]);

impl PublicPoint {
    pub(crate) const fn from_checked(compressed: [u8; 33]) -> Self {
        Self(compressed)
    }

    /// The 33 compressed bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }
}

/// A text that is no compressed point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no public key: write 66 hexadecimal digits of a compressed point on secp256k1 or P-256"
)]
pub struct ParsePointError(String);

impl TryFrom<String> for PublicPoint {
    type Error = ParsePointError;

    fn try_from(text: String) -> Result<Self, ParsePointError> {
        let mut bytes = [0; 33];
        let read = hex::decode_to_slice(&text, &mut bytes).is_ok();
        let point = Self(bytes);
        // The text doesn't name its curve; a point of neither is refused.
        let on_a_curve = |curve| crate::verify::Verifier::new(curve, &point).is_some();
        if read && (on_a_curve(Curve::Secp256k1) || on_a_curve(Curve::P256)) {
            return Ok(point);
        }
        Err(ParsePointError(text.chars().take(80).collect()))
    }
}

impl From<PublicPoint> for String {
    fn from(point: PublicPoint) -> Self {
        point.to_string()
    }
}

impl fmt::Display for PublicPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicPoint({self})")
    }
}

/// A key pair as the token describes it. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// CKA_ID.
    pub id: KeyId,
    /// CKA_LABEL of the private key, read as UTF-8.
    pub label: String,
    /// The curve in CKA_EC_PARAMS.
    pub curve: Curve,
    /// The point in CKA_EC_POINT.
    pub public: PublicPoint,
    /// The private key's attributes, as far as the module knows them.
    pub attributes: KeyAttributes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_32_hexadecimal_digits_and_nothing_else() {
        let id: KeyId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
        for bad in [
            "",
            "00",
            "zz0102030405060708090a0b0c0d0e0f",
            "000102030405060708090a0b0c0d0e0f00",
        ] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }
}
