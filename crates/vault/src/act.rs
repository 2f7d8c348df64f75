//! What a passkey signs where no statement of its own says what would happen: one request to the API, byte for byte.

use custodyd_policy::{OperatorId, Timestamp, VaultId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Credential, OperatorSignature, Rejection,
    decide::{MAX_EXACT, is_statement_nonce},
};

/// The domain that keeps an act from being taken for any other signed message.
pub const ACT_DOMAIN: &str = "custodyd/act/v1";

/// One request of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActStatement {
    /// Always [`ACT_DOMAIN`].
    pub domain: String,
    /// The vault asked.
    pub vault: VaultId,
    /// `POST`, …
    pub method: String,
    /// The path of the API, and its query if there is one.
    pub target: String,
    /// The body's type, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The key under which a repetition is known, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// SHA-256 of the body, 64 hex digits; of nothing, where there is none.
    pub body_sha256: String,
    /// When it was made, Unix milliseconds.
    pub created_at: Timestamp,
    /// When it stops being good, Unix milliseconds.
    pub expires_at: Timestamp,
    /// 32 lowercase hex digits, fresh for each.
    pub nonce: String,
    /// Who asks.
    pub operator: OperatorId,
}

impl ActStatement {
    /// SHA-256 of the canonical JSON (RFC 8785): the 32 bytes that are the passkey's challenge.
    pub fn challenge(&self) -> [u8; 32] {
        let canonical = serde_json_canonicalizer::to_vec(self)
            .expect("an act holds strings and small integers, which RFC 8785 can write");
        Sha256::digest(canonical).into()
    }

    /// Whether it is about this vault and body, and in a form that can be kept.
    ///
    /// # Errors
    /// Names the member that is wrong.
    pub fn check(&self, vault: &VaultId, body: &[u8]) -> Result<(), Rejection> {
        let differs = [
            (self.domain != ACT_DOMAIN, "domain"),
            (self.vault != *vault, "vault"),
            (
                self.body_sha256 != hex::encode(Sha256::digest(body)),
                "body",
            ),
            (!is_statement_nonce(&self.nonce), "nonce"),
            (self.expires_at.as_ms() > MAX_EXACT, "expiry"),
            (self.created_at > self.expires_at, "time"),
        ];
        match differs.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, member)) => Err(Rejection::ActDiffers(member)),
            None => Ok(()),
        }
    }

    /// Whether any of these credentials signed it; a passkey for the console that `party` is.
    pub fn is_signed_by(
        &self,
        credentials: &[Credential],
        party: Option<&custodyd_passkey::RelyingParty>,
        signature: &OperatorSignature,
    ) -> bool {
        crate::credential::signed_by_any(credentials, party, &self.challenge(), signature)
    }
}
