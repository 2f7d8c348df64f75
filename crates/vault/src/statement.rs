//! What an operator signs: the canonical statement of one decision on one withdrawal.
//!
//! The challenge is SHA-256 over the statement's RFC 8785 form. An operator's key signs these 32 bytes, and a passkey has
//! them as its challenge (WebAuthn Level 2 §5.1).

use std::fmt;

use custodyd_chain::{Address, Amount, Network};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{OperatorId, PolicyHash, Timestamp, VaultId, WalletId, WithdrawalId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Credential, OperatorSignature, credential::signed_by_any};

/// The domain that keeps an approval from being taken for any other signed message.
pub const APPROVAL_DOMAIN: &str = "custodyd/approval/v1";

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let it be paid, as far as this person is asked.
    Approve,
    /// Refuse it, for good.
    Reject,
    /// Take it back before it is signed.
    Cancel,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
        })
    }
}

/// Exactly what would leave the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedEffects {
    /// The network it is paid on.
    pub network: Network,
    /// The wallet that pays.
    pub wallet: WalletId,
    /// Where it goes.
    pub destination: Address,
    /// How much arrives there.
    pub amount: Amount,
}

/// One person's decision on one withdrawal, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Always [`APPROVAL_DOMAIN`].
    pub domain: String,
    /// The vault asked.
    pub vault: VaultId,
    /// The withdrawal decided on.
    pub withdrawal: WithdrawalId,
    /// Its exact effects.
    pub effects: StatedEffects,
    /// The decision.
    pub decision: Decision,
    /// The policy under which it was asked for; with another one in force the statement is void.
    pub policy: PolicyHash,
    /// When the statement stops being good, in Unix milliseconds.
    pub expires_at: Timestamp,
    /// 32 lowercase hex digits, fresh for each statement.
    pub nonce: String,
    /// Who decides.
    pub operator: OperatorId,
}

impl Statement {
    /// SHA-256 of the canonical JSON: the 32 bytes to sign.
    pub fn challenge(&self) -> [u8; 32] {
        let canonical = serde_json_canonicalizer::to_vec(self)
            .expect("a statement holds strings and small integers, which RFC 8785 can write");
        Sha256::digest(canonical).into()
    }

    /// Whether any of these credentials signed this statement; a passkey for the console that `party` is.
    pub fn is_signed_by(
        &self,
        credentials: &[Credential],
        party: Option<&RelyingParty>,
        signature: &OperatorSignature,
    ) -> bool {
        signed_by_any(credentials, party, &self.challenge(), signature)
    }
}
