//! Bytes as base64url text without padding (RFC 4648 §5), the form in which browsers hand them over. Every other spelling
//! of the same bytes is refused, so that one signature has one text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

/// Longest member of an assertion, in bytes once decoded.
const LONGEST: usize = 8 * 1024;

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for padding, other alphabets, spare bits, and what is too long.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST.saturating_mul(4) / 3 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    decode(&text).ok_or_else(|| D::Error::custom("base64url without padding is needed"))
}
