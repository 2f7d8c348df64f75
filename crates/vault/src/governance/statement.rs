//! What an operator signs about a proposal. As with withdrawals, the challenge is SHA-256 over the statement's RFC 8785
//! form, and every field has to be what would happen.

use std::fmt;

use custodyd_passkey::RelyingParty;
use custodyd_policy::{OperatorId, PolicyHash, Timestamp, VaultId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Credential, OperatorSignature, ProposalId, credential::signed_by_any};

/// The domain that keeps a vote on a proposal from being taken for any other signed message.
pub const GOVERNANCE_DOMAIN: &str = "custodyd/governance/v1";

/// What an operator decides on a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GovernanceDecision {
    /// Let it take effect, as far as this person is asked.
    Approve,
    /// End it, for good; by the proposer: take it back.
    Veto,
}

impl fmt::Display for GovernanceDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approve => "approve",
            Self::Veto => "veto",
        })
    }
}

/// One person's decision on one proposal, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceStatement {
    /// Always [`GOVERNANCE_DOMAIN`].
    pub domain: String,
    /// The vault asked.
    pub vault: VaultId,
    /// The proposal decided on.
    pub proposal: ProposalId,
    /// [`changes_digest`](crate::changes_digest) of its changes.
    pub changes: String,
    /// The decision.
    pub decision: GovernanceDecision,
    /// The policy in force; with another one the statement is void.
    pub policy: PolicyHash,
    /// When the statement stops being good, in Unix milliseconds.
    pub expires_at: Timestamp,
    /// 32 lowercase hex digits, fresh for each statement.
    pub nonce: String,
    /// Who decides.
    pub operator: OperatorId,
}

impl GovernanceStatement {
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
