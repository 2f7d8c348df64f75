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
    /// edwards25519 (RFC 8032): no chain of this version uses it. Signs messages, where the others sign digests.
    Ed25519,
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secp256k1 => "secp256k1",
            Self::P256 => "p256",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// A public key: a compressed SEC1 point of 33 bytes, `02` or `03` and the x coordinate, or the 32 bytes of RFC 8032 for
/// Ed25519. Always a point of its curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicPoint(Form);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Sec1([u8; 33]),
    Ed25519([u8; 32]),
}

impl PublicPoint {
    pub(crate) const fn from_checked(compressed: [u8; 33]) -> Self {
        Self(Form::Sec1(compressed))
    }

    pub(crate) const fn from_checked_ed25519(encoded: [u8; 32]) -> Self {
        Self(Form::Ed25519(encoded))
    }

    /// The 33 compressed bytes, or the 32 of an Ed25519 key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Sec1(bytes) => bytes,
            Form::Ed25519(bytes) => bytes,
        }
    }
}

/// A text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no public key: write 66 hexadecimal digits of a compressed point on secp256k1 or P-256, or 64 of an Ed25519 key"
)]
pub struct ParsePointError(String);

impl TryFrom<String> for PublicPoint {
    type Error = ParsePointError;

    fn try_from(text: String) -> Result<Self, ParsePointError> {
        let (mut sec1, mut ed25519) = ([0; 33], [0; 32]);
        let form = if hex::decode_to_slice(&text, &mut sec1).is_ok() {
            Some(Form::Sec1(sec1))
        } else {
            let read = hex::decode_to_slice(&text, &mut ed25519);
            read.ok().map(|()| Form::Ed25519(ed25519))
        };
        // The text doesn't name its curve; a point of none is refused.
        let on_a_curve = |point: &Self| {
            [Curve::Secp256k1, Curve::P256, Curve::Ed25519]
                .into_iter()
                .any(|curve| crate::verify::Verifier::new(curve, point).is_some())
        };
        let point = form.map(Self).filter(on_a_curve);
        point.ok_or_else(|| ParsePointError(text.chars().take(80).collect()))
    }
}

impl From<PublicPoint> for String {
    fn from(point: PublicPoint) -> Self {
        point.to_string()
    }
}

impl fmt::Display for PublicPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
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

    #[test]
    fn a_public_key_is_the_same_hexadecimal_text_in_and_out_whatever_its_length() {
        for text in [
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ] {
            let point = PublicPoint::try_from(text.to_owned()).unwrap();
            assert_eq!(point.to_string(), text);
            assert_eq!(point.as_bytes(), hex::decode(text).unwrap());
            // The form in which it goes to and from a worker process and a journal.
            let sent = postcard::to_stdvec(&point).unwrap();
            assert_eq!(sent, postcard::to_stdvec(text).unwrap());
            assert_eq!(postcard::from_bytes::<PublicPoint>(&sent).unwrap(), point);
        }
    }

    #[test]
    fn an_ed25519_key_off_the_curve_of_low_order_or_with_a_second_encoding_is_refused() {
        for text in [
            // No x for this y.
            "0200000000000000000000000000000000000000000000000000000000000000",
            // The neutral element, and a point of order 4.
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000000",
            // y = p + 3: the point of y = 3 written otherwise.
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af466",
        ] {
            assert!(PublicPoint::try_from(text.to_owned()).is_err(), "{text}");
        }
        let plain = "0300000000000000000000000000000000000000000000000000000000000000";
        assert!(PublicPoint::try_from(plain.to_owned()).is_ok());
    }
}
