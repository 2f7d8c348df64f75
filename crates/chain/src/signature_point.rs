//! What a signature tells of the nonce it was made with: r, the x coordinate of the nonce's point. Two signatures of one
//! key with one r over two digests give the private key to whoever has both (SEC 1 §4.1.3, note; the PlayStation 3 and the
//! Android wallets of 2013 were lost to it), so a signer remembers every r.

use std::fmt;
use std::str::FromStr;

use crate::keys::{Digest, KeyError, PublicKey, decode_hex};
use crate::text::{quoted, serde_as_text};

/// r of a signature. Text and JSON form: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonceX([u8; 32]);

impl NonceX {
    /// From its 32 bytes, big-endian: the first half of r ‖ s.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        NonceX(bytes)
    }

    /// Its 32 bytes, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for NonceX {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NonceX {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceX({self})")
    }
}

impl FromStr for NonceX {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes).ok_or_else(|| KeyError::NonceX(quoted(text)))?;
        Ok(NonceX(bytes))
    }
}

serde_as_text!(NonceX);

/// One signature of a transaction, as far as it matters for the safety of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignaturePoint {
    /// Whose signature.
    pub public_key: PublicKey,
    /// Its r.
    pub nonce: NonceX,
    /// What it signs.
    pub digest: Digest,
}
