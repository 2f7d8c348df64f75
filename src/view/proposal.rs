//! The document of a proposal.

use custodyd_policy::{ChangeKind, Requirement};
use custodyd_vault::{Change, GOVERNANCE_DOMAIN, ProposalEnd, ProposalId, ProposalState, Vault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape;

/// A proposal, as the API gives it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// `pr_…`
    pub id: String,
    /// The vault.
    pub vault: String,
    /// `voting`, `delaying`, `enacted`, `vetoed`, `withdrawn`, `expired`, `stale`, `proposer_removed` or `refused`.
    pub state: String,
    /// More about the state, for people.
    pub state_detail: Option<String>,
    /// Who proposed it.
    pub proposed_by: String,
    /// Why.
    pub reason: String,
    /// What would change, in this order, as a whole: the very objects whose digest is signed.
    #[schema(value_type = Vec<shape::Change>)]
    pub changes: Vec<Change>,
    /// The same in words, one for each.
    pub summary: Vec<String>,
    /// What the policy entrusts these changes as.
    #[schema(value_type = Vec<String>)]
    pub kinds: Vec<ChangeKind>,
    /// Approvals that it takes.
    #[schema(value_type = Vec<shape::Requirement>)]
    pub requirements: Vec<Requirement>,
    /// How long it can be vetoed after the last approval, milliseconds.
    pub delay_ms: u64,
    /// Who approved so far.
    pub approvals: Vec<GivenView>,
    /// Until when it is voted on, Unix milliseconds; null when it no longer is.
    pub expires_at: Option<u64>,
    /// When it takes effect unless somebody vetoes, Unix milliseconds; null before the quorum.
    pub takes_effect_at: Option<u64>,
    /// Unix milliseconds.
    pub created_at: u64,
    /// Unix milliseconds.
    pub updated_at: u64,
    /// The policy it was made under, SHA-256 in hex.
    pub policy: String,
    /// What an operator signs, less decision, expiry, nonce and name.
    #[schema(value_type = shape::GovernanceTemplate)]
    pub statement: GovernanceTemplate,
}

/// One person's approval.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GivenView {
    /// Who.
    pub operator: String,
    /// Unix milliseconds.
    pub at: u64,
}

/// The part of a governance statement that the vault fixes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GovernanceTemplate {
    /// Always `custodyd/governance/v1`.
    pub domain: String,
    /// The vault.
    pub vault: String,
    /// The proposal.
    pub proposal: String,
    /// SHA-256 over the changes' canonical JSON, hex.
    pub changes: String,
    /// The policy that the proposal was made under, SHA-256 in hex.
    pub policy: String,
}

/// The document of a proposal.
pub fn proposal(vault: &Vault, id: &ProposalId) -> Option<ProposalView> {
    let proposal = vault.proposals().get(id)?;
    let (state_detail, expires_at, takes_effect_at) = match &proposal.state {
        ProposalState::Voting { expires_at } => (
            Some(format!("approvals are taken until {expires_at}")),
            Some(expires_at.as_ms()),
            None,
        ),
        ProposalState::Delaying { until } => (
            Some(format!("takes effect at {until}, unless it is vetoed")),
            None,
            Some(until.as_ms()),
        ),
        ProposalState::Vetoed { by } => (Some(format!("vetoed by {by}")), None, None),
        ProposalState::Ended(end) => (Some(ended(end)), None, None),
        ProposalState::Enacted | ProposalState::Withdrawn => (None, None, None),
    };
    Some(ProposalView {
        id: id.to_string(),
        vault: vault.id().to_string(),
        state: proposal.state_name().to_owned(),
        state_detail,
        proposed_by: proposal.by.to_string(),
        reason: proposal.reason.clone(),
        summary: proposal.changes.iter().map(ToString::to_string).collect(),
        changes: proposal.changes.clone(),
        kinds: proposal.kinds.iter().copied().collect(),
        requirements: proposal.requirements.clone(),
        delay_ms: proposal.delay_ms,
        approvals: proposal
            .approvals
            .iter()
            .map(|(operator, at)| GivenView {
                operator: operator.to_string(),
                at: at.as_ms(),
            })
            .collect(),
        expires_at,
        takes_effect_at,
        created_at: proposal.created_at.as_ms(),
        updated_at: proposal.updated_at.as_ms(),
        policy: proposal.policy.to_string(),
        statement: GovernanceTemplate {
            domain: GOVERNANCE_DOMAIN.to_owned(),
            vault: vault.id().to_string(),
            proposal: id.to_string(),
            changes: proposal.digest.clone(),
            policy: proposal.policy.to_string(),
        },
    })
}

fn ended(end: &ProposalEnd) -> String {
    match end {
        ProposalEnd::Expired => "the quorum was not reached in time".to_owned(),
        ProposalEnd::Stale { policy } => {
            format!("policy {policy} came into force; propose it anew under that")
        }
        ProposalEnd::ProposerRemoved => {
            "whoever proposed it is no operator any more, or lost a credential".to_owned()
        }
        ProposalEnd::Refused { reason } => format!("it could not take effect: {reason}"),
    }
}
