//! An assertion, and whether it is the word of a given passkey on a given challenge.

use p256::ecdsa::signature::Verifier as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    AssertionFault, CredentialId, Passkey, PasskeyKey, RelyingParty, authenticator_data, base64url,
    client_data::{self, Ceremony},
};

/// What `navigator.credentials.get` gives. All members are base64url without padding in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The credential that signed.
    pub credential: CredentialId,
    /// As the authenticator wrote it.
    #[serde(with = "base64url")]
    pub authenticator_data: Vec<u8>,
    /// The browser's JSON, byte for byte.
    #[serde(with = "base64url")]
    pub client_data: Vec<u8>,
    /// Over the authenticator data and SHA-256 of the client data: DER for ES256, 64 bytes for Ed25519.
    #[serde(with = "base64url")]
    pub signature: Vec<u8>,
}

/// What a verified assertion tells beside that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The authenticator's signature counter; 0 where it keeps none. One that doesn't grow tells of a copy (§6.1.1).
    pub counter: u32,
    /// Whether the passkey is synchronised to other devices.
    pub backed_up: bool,
}

impl Assertion {
    /// Whether `passkey` signed `challenge` for `party`, with its user present and verified. Each time the same answer:
    /// the counter is for who keeps the last one.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of WebAuthn Level 2 §7.2.
    pub fn verify(
        &self,
        passkey: &Passkey,
        party: &RelyingParty,
        challenge: &[u8; 32],
    ) -> Result<Presence, AssertionFault> {
        if self.credential != passkey.id {
            return Err(AssertionFault::OtherCredential);
        }
        client_data::check(&self.client_data, Ceremony::Get, party, challenge)?;
        let presence = authenticator_data::check(&self.authenticator_data, party)?;
        let mut signed = self.authenticator_data.clone();
        signed.extend_from_slice(&Sha256::digest(&self.client_data));
        if is_signed(&passkey.key, &signed, &self.signature) {
            Ok(presence)
        } else {
            Err(AssertionFault::Signature)
        }
    }
}

fn is_signed(key: &PasskeyKey, message: &[u8], signature: &[u8]) -> bool {
    match key {
        PasskeyKey::Es256(key) => p256::ecdsa::Signature::from_der(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        PasskeyKey::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
    }
}
