//! A passkey's public half, as text: `passkey:es256:<id>:<point>`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{CredentialFault, base64url};

/// Longest credential id, bytes (WebAuthn Level 2 §5.8.3 allows 1023; authenticators of ours stay far below).
const LONGEST_ID: usize = 512;

/// The name that an authenticator gave a credential: 1 to 512 bytes, base64url in text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(Vec<u8>);

impl CredentialId {
    /// The id with these bytes, if it is neither empty nor too long.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=LONGEST_ID)
            .contains(&bytes.len())
            .then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({self})")
    }
}

impl FromStr for CredentialId {
    type Err = CredentialFault;

    fn from_str(text: &str) -> Result<Self, CredentialFault> {
        base64url::decode(text)
            .and_then(Self::new)
            .ok_or_else(|| shown(text))
    }
}

impl Serialize for CredentialId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CredentialId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A passkey's public key, with the algorithm that it is for and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyKey {
    /// ECDSA over P-256 with SHA-256 (COSE -7).
    Es256(p256::ecdsa::VerifyingKey),
    /// Ed25519 (COSE -8).
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// A passkey as a vault knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its name.
    pub id: CredentialId,
    /// Its public key.
    pub key: PasskeyKey,
}

impl fmt::Display for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match &self.key {
            PasskeyKey::Es256(key) => {
                let point = hex::encode(key.to_encoded_point(true).as_bytes());
                write!(f, "passkey:es256:{id}:{point}")
            }
            PasskeyKey::Ed25519(key) => {
                write!(f, "passkey:ed25519:{id}:{}", hex::encode(key.as_bytes()))
            }
        }
    }
}

impl FromStr for Passkey {
    type Err = CredentialFault;

    fn from_str(text: &str) -> Result<Self, CredentialFault> {
        let read = || {
            let (algorithm, rest) = text.strip_prefix("passkey:")?.split_once(':')?;
            let (id, key) = rest.split_once(':')?;
            let id = id.parse().ok()?;
            let key = match algorithm {
                "es256" => {
                    let mut point = [0; 33];
                    hex::decode_to_slice(key, &mut point).ok()?;
                    PasskeyKey::Es256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)
                }
                "ed25519" => {
                    let mut bytes = [0; 32];
                    hex::decode_to_slice(key, &mut bytes).ok()?;
                    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?;
                    // Anyone can sign for a point of small order.
                    PasskeyKey::Ed25519(Some(key).filter(|key| !key.is_weak())?)
                }
                _ => return None,
            };
            Some(Self { id, key })
        };
        // One passkey has one text.
        read()
            .filter(|passkey: &Self| passkey.to_string() == text)
            .ok_or_else(|| shown(text))
    }
}

impl Serialize for Passkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Passkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn shown(text: &str) -> CredentialFault {
    CredentialFault(text.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passkey_has_one_text() {
        let secret = p256::ecdsa::SigningKey::from_bytes(&[7; 32].into()).unwrap();
        let passkey = Passkey {
            id: CredentialId::new(vec![1, 2, 3, 250]).unwrap(),
            key: PasskeyKey::Es256(*secret.verifying_key()),
        };
        let text = passkey.to_string();
        assert_eq!(text.parse(), Ok(passkey));
        for wrong in [
            text.to_uppercase(),
            text.replace("es256", "rs256"),
            text.replace("es256", "ed25519"),
            format!("{text}00"),
            text.replacen("passkey:es256:", "passkey:es256::", 1),
            String::new(),
        ] {
            assert!(wrong.parse::<Passkey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_ed25519_point_that_anyone_can_sign_for_is_refused() {
        let weak = format!("passkey:ed25519:AQID:{}", "00".repeat(32));
        assert!(weak.parse::<Passkey>().is_err());
    }
}
