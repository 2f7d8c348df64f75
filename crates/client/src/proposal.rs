//! Proposals: the daemon's document about one, and an operator's vote on it.
//!
//! The invariant: what is signed names the digest of the very changes that the operator was shown. The digest is computed
//! here, from the changes; one that the daemon offers is compared and never taken.

use custodyd_httpsig::Principal;
use custodyd_policy::{
    ChangeKind, OperatorId, Policy, PolicyError, PolicyHash, Requirement, Timestamp, VaultId,
    analysis::{PolicyDiff, TooManyRegions, diff},
};
use custodyd_vault::{
    Change, GOVERNANCE_DOMAIN, GovernanceDecision, GovernanceStatement, ProposalId, RawSignature,
    changes_digest, line_diff,
};
use serde::{Deserialize, Serialize};

use crate::client::{random_bytes, unix_ms};
use crate::error::ClientError;
use crate::identity::Identity;

/// What an operator proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewProposal {
    /// The vault that would change.
    pub vault: String,
    /// What is to change, in this order, as a whole.
    pub changes: Vec<Change>,
    /// Why.
    pub reason: String,
}

/// The daemon's document about one proposal.
#[derive(Debug, Clone, Deserialize)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// Its vault.
    pub vault: VaultId,
    /// Where it is: `voting`, `delaying`, `enacted`, …
    pub state: String,
    /// More about that, for people.
    #[serde(default)]
    pub state_detail: Option<String>,
    /// Who proposed it.
    pub proposed_by: OperatorId,
    /// Why.
    pub reason: String,
    /// What would change: what is shown, and what is signed.
    pub changes: Vec<Change>,
    /// What the policy entrusts these changes as.
    pub kinds: Vec<ChangeKind>,
    /// Approvals that it takes.
    pub requirements: Vec<Requirement>,
    /// How long it can be vetoed after the last approval, milliseconds.
    pub delay_ms: u64,
    /// Who approved so far.
    pub approvals: Vec<Approver>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The policy it was made under.
    pub policy: PolicyHash,
    /// What the daemon offers to sign.
    pub statement: OfferedStatement,
}

/// One person's approval.
#[derive(Debug, Clone, Deserialize)]
pub struct Approver {
    /// Who.
    pub operator: OperatorId,
    /// When.
    pub at: Timestamp,
}

/// The part of a governance statement that the vault fixes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedStatement {
    /// `custodyd/governance/v1`.
    pub domain: String,
    /// The vault.
    pub vault: VaultId,
    /// The proposal.
    pub proposal: ProposalId,
    /// Digest of the changes.
    pub changes: String,
    /// The policy.
    pub policy: PolicyHash,
}

/// The body of an approval or a veto.
#[derive(Debug, Clone, Serialize)]
pub struct SignedGovernance {
    /// What was signed.
    pub statement: GovernanceStatement,
    /// The operator's signature over its challenge.
    pub signature: RawSignature,
}

/// What a proposed policy changes.
#[derive(Debug, Clone)]
pub struct PolicyChange {
    /// By meaning: requests whose verdict changes, limits, and the rest in words.
    pub meaning: Result<PolicyDiff, TooManyRegions>,
    /// Line by line.
    pub lines: String,
}

/// A vote that must not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernanceError {
    /// Services don't govern.
    #[error("{0} is not an operator: only operators decide on proposals")]
    NotOperator(Principal),
    /// The document contradicts itself.
    #[error(
        "refused to sign: the daemon's statement and its proposal {proposal} have a different {field}"
    )]
    Differs {
        /// Which proposal.
        proposal: ProposalId,
        /// Which part.
        field: &'static str,
    },
    /// The text given as the policy in force is another one.
    #[error(
        "refused to compare: the policy that the daemon shows has hash {shown}, the proposal was made under {wanted}"
    )]
    OtherPolicy {
        /// Of what is shown.
        shown: String,
        /// As the proposal has it.
        wanted: PolicyHash,
    },
    /// The proposed policy can't be read, so nobody knows what it means.
    #[error("refused to compare: the proposed policy can't be read: {0}")]
    Unreadable(PolicyError),
    /// The time until it expires can't be added to the clock.
    #[error("{0} ms from now is beyond any clock")]
    Expiry(u64),
}

impl Proposal {
    /// The digest of its changes, computed from them.
    ///
    /// # Errors
    /// `Differs` if the statement that the daemon offers is about anything else.
    pub fn digest(&self) -> Result<String, GovernanceError> {
        let digest = changes_digest(&self.changes);
        let offered = &self.statement;
        let differs = [
            (offered.domain != GOVERNANCE_DOMAIN, "domain"),
            (offered.vault != self.vault, "vault"),
            (offered.proposal != self.id, "proposal id"),
            (offered.changes != digest, "digest of the changes"),
            (offered.policy != self.policy, "policy"),
        ];
        match differs.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, field)) => Err(GovernanceError::Differs {
                proposal: self.id.clone(),
                field,
            }),
            None => Ok(digest),
        }
    }

    /// What a policy in it would change of the one in force, compared here; nothing without one.
    ///
    /// # Errors
    /// `OtherPolicy` if `in_force` is not the text that the proposal was made under; `Unreadable` if the proposed one is
    /// no policy.
    pub fn policy_change(&self, in_force: &str) -> Result<Option<PolicyChange>, GovernanceError> {
        let source = self.changes.iter().find_map(|change| match change {
            Change::SetPolicy { source } => Some(source),
            _ => None,
        });
        let Some(source) = source else {
            return Ok(None);
        };
        let other = |shown: String| GovernanceError::OtherPolicy {
            shown,
            wanted: self.policy,
        };
        let old = Policy::parse(in_force).map_err(|_| other("none".to_owned()))?;
        if old.hash() != self.policy {
            return Err(other(old.hash().to_string()));
        }
        let new = Policy::parse(source).map_err(GovernanceError::Unreadable)?;
        Ok(Some(PolicyChange {
            meaning: diff(&old, &new),
            lines: line_diff(in_force, source),
        }))
    }
}

/// States and signs a vote of `identity`, good for `valid_ms` milliseconds.
///
/// # Errors
/// As [`Proposal::digest`]; and `NotOperator` for a service's key.
pub fn sign_governance(
    proposal: &Proposal,
    decision: GovernanceDecision,
    valid_ms: u64,
    identity: &Identity,
) -> Result<SignedGovernance, ClientError> {
    let not_operator = || GovernanceError::NotOperator(identity.principal().clone());
    let Principal::Operator(name) = identity.principal() else {
        return Err(not_operator().into());
    };
    let operator: OperatorId = name.parse().map_err(|_| not_operator())?;
    let expires_at = unix_ms()?
        .checked_add(valid_ms)
        .ok_or(GovernanceError::Expiry(valid_ms))?;
    let statement = GovernanceStatement {
        domain: GOVERNANCE_DOMAIN.to_owned(),
        vault: proposal.vault.clone(),
        proposal: proposal.id.clone(),
        changes: proposal.digest()?,
        decision,
        policy: proposal.policy,
        expires_at: Timestamp::from_ms(expires_at),
        nonce: hex::encode(random_bytes()?),
        operator,
    };
    let signature = identity.key().sign_challenge(&statement.challenge())?;
    Ok(SignedGovernance {
        statement,
        signature,
    })
}
