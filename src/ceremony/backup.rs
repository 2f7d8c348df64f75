//! What is needed to know, on another HSM, that a vault's keys are all there. Nothing in it is secret: a resident key's private
//! half leaves its HSM by the vendor's means only, and a wrapped key is of use only to an HSM that has the wrapping key.

use custodyd_hsm::{Curve, KeyId, PublicPoint, WrappedKey};
use serde::{Deserialize, Serialize};

use super::seal::{CeremonyError, Document};

/// A key that lives on a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidentKey {
    /// CKA_ID.
    pub id: KeyId,
    /// The wallet it belongs to, or `journal`.
    pub owner: String,
    /// The curve.
    pub curve: Curve,
    /// The public half, as the journal has it.
    pub public_key: PublicPoint,
}

/// A key that lies encrypted under a wrapping key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedEntry {
    /// Its id.
    pub id: KeyId,
    /// The wallet it belongs to.
    pub owner: String,
    /// The curve.
    pub curve: Curve,
    /// The public half, as the journal has it.
    pub public_key: PublicPoint,
    /// CKA_ID of the wrapping key.
    pub wrapping_key: KeyId,
    /// What C_WrapKey gave, hex.
    pub blob: String,
}

impl WrappedEntry {
    /// The entry of a key.
    #[must_use]
    pub fn new(key: &WrappedKey, owner: &str) -> Self {
        Self {
            id: key.id,
            owner: owner.to_owned(),
            curve: key.curve,
            public_key: key.public,
            wrapping_key: key.wrapping_key,
            blob: hex::encode(&key.blob),
        }
    }

    /// The key, to be unwrapped.
    ///
    /// # Errors
    /// The blob is not hexadecimal.
    pub fn key(&self) -> Result<WrappedKey, CeremonyError> {
        let blob = hex::decode(&self.blob);
        Ok(WrappedKey {
            id: self.id,
            wrapping_key: self.wrapping_key,
            curve: self.curve,
            public: self.public_key,
            blob: blob.map_err(|e| CeremonyError::Malformed(format!("key {}: {e}", self.id)))?,
        })
    }
}

/// Everything about a vault's keys but the private halves of the resident ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The vault.
    pub vault: String,
    /// When it was made, Unix milliseconds, by the machine's clock.
    pub made_at: u64,
    /// The program's version.
    pub custodyd: String,
    /// SHA-256 of the policy in force, hex.
    pub policy: String,
    /// The last event that it knows of: keys made later are not in it.
    pub seq: u64,
    /// The key whose pin belongs into the state folder; it is among the resident ones too.
    pub journal: KeyId,
    /// Keys that the vendor's backup or clone brings.
    pub resident: Vec<ResidentKey>,
    /// Keys that this file brings.
    pub wrapped: Vec<WrappedEntry>,
}

impl Document for Backup {
    const TAG: &'static str = "custodyd/backup/v1\n";
}
