//! A private key that lies encrypted in the journal instead of on the HSM.

use serde::{Deserialize, Serialize};

use crate::KeyId;

/// Bytes in a blob at most: what the HSM's layer accepts.
pub(crate) const MAX_BLOB: usize = 1024;

/// A private key as the HSM wrapped it. Only an HSM that holds the wrapping key can use it, and it can't leave that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedBlob {
    /// CKA_ID of the wrapping key.
    pub wrapping_key: KeyId,
    /// What C_WrapKey gave, hex in the journal.
    #[serde(with = "in_hex")]
    pub blob: Vec<u8>,
}

impl WrappedBlob {
    /// Whether it has a size that a wrapped key can have.
    pub(crate) fn is_sized(&self) -> bool {
        (1..=MAX_BLOB).contains(&self.blob.len())
    }
}

mod in_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(source)?).map_err(D::Error::custom)
    }
}
