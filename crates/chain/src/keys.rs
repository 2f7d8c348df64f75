//! secp256k1 public keys as an HSM reports them, and the digests that it signs.

use std::fmt;
use std::str::FromStr;

use ::bitcoin::hashes::Hash;
use ::bitcoin::{ScriptBuf, WPubkeyHash, secp256k1};
use alloy_primitives::Address as Account;
use thiserror::Error;

use crate::text::{quoted, serde_as_text};

/// Why a key or digest was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a point of the curve in SEC 1 form.
    #[error("{0} is not a secp256k1 public key in SEC 1 form (33 or 65 bytes)")]
    PublicKey(String),
    /// Not 32 bytes in hexadecimal.
    #[error("\"{0}\" is not a digest: 64 lower-case hexadecimal digits")]
    Digest(String),
    /// Not 32 bytes in hexadecimal.
    #[error("\"{0}\" is not the r of a signature: 64 lower-case hexadecimal digits")]
    NonceX(String),
}

/// A secp256k1 public key. Text and JSON form: its 33 compressed bytes in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(secp256k1::PublicKey);

impl PublicKey {
    /// From SEC 1 bytes, compressed (33) or uncompressed (65). The hybrid form is refused.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`].
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        let refused = || KeyError::PublicKey(quoted(&hex::encode(bytes)));
        match bytes.first() {
            Some(0x02..=0x04) => {}
            _ => return Err(refused()),
        }
        secp256k1::PublicKey::from_slice(bytes)
            .map(PublicKey)
            .map_err(|_| refused())
    }

    /// The compressed form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 33] {
        self.0.serialize()
    }

    pub(crate) const fn as_secp(&self) -> &secp256k1::PublicKey {
        &self.0
    }

    pub(crate) const fn from_secp(key: secp256k1::PublicKey) -> Self {
        PublicKey(key)
    }

    /// The script that pays this key by P2WPKH (BIP-141).
    #[must_use]
    pub fn p2wpkh_script(&self) -> ScriptBuf {
        ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&self.to_bytes()))
    }

    /// The EVM account: the last 20 bytes of keccak256 over the uncompressed point.
    #[must_use]
    pub fn evm_account(&self) -> [u8; 20] {
        let [_, point @ ..] = self.0.serialize_uncompressed();
        Account::from_raw_public_key(&point).into()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = || KeyError::PublicKey(format!("\"{}\"", quoted(text)));
        let mut bytes = [0; 33];
        decode_hex(text, &mut bytes).ok_or_else(refused)?;
        PublicKey::from_sec1(&bytes)
    }
}

serde_as_text!(PublicKey);

/// The 32 bytes that an HSM signs. Text and JSON form: lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn to_message(self) -> secp256k1::Message {
        secp256k1::Message::from_digest(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes).ok_or_else(|| KeyError::Digest(quoted(text)))?;
        Ok(Digest(bytes))
    }
}

serde_as_text!(Digest);

/// Lower-case hexadecimal of exactly the length of `out`: one spelling for one value.
pub(crate) fn decode_hex(text: &str, out: &mut [u8]) -> Option<()> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode_to_slice(text, out).ok()
}
