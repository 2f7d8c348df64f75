//! A proposal: changes to a vault, who has to agree, and how far that is.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_policy::{ChangeKind, OperatorId, PolicyHash, Requirement, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Change, ProposalId, Vault};

/// How far a proposal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalState {
    /// People are asked.
    Voting {
        /// Until then.
        expires_at: Timestamp,
    },
    /// The quorum was reached; whoever was asked may still veto.
    Delaying {
        /// When it takes effect.
        until: Timestamp,
    },
    /// It took effect.
    Enacted,
    /// Somebody who was asked ended it.
    Vetoed {
        /// Who.
        by: OperatorId,
    },
    /// Whoever made it took it back.
    Withdrawn,
    /// It ended by itself.
    Ended(ProposalEnd),
}

/// Why a proposal ended without anybody deciding so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProposalEnd {
    /// The quorum was not reached in time.
    Expired,
    /// Another policy came into force: what was approved, and who had to, is no longer the same.
    Stale {
        /// The policy in force.
        policy: PolicyHash,
    },
    /// Whoever made it is no operator any more, or lost a credential.
    ProposerRemoved,
    /// When it was to take effect it could not.
    Refused {
        /// Why not.
        reason: String,
    },
}

/// Changes to a vault that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// Its place in the journal: the order of lists.
    pub seq: u64,
    /// What would change, in this order, as a whole.
    pub changes: Vec<Change>,
    /// [`changes_digest`](crate::changes_digest) of them: what statements name them by.
    pub digest: String,
    /// Why, for people.
    pub reason: String,
    /// Who asks. They never approve it.
    pub by: OperatorId,
    /// The policy it was made under. Under another it can't be decided.
    pub policy: PolicyHash,
    /// What is changed, as that policy entrusts it.
    pub kinds: BTreeSet<ChangeKind>,
    /// The approvals that it takes: those of all its kinds.
    pub requirements: Vec<Requirement>,
    /// How long it can be vetoed after the last approval, in milliseconds: the longest of its kinds.
    pub delay_ms: u64,
    /// Who approved so far, and when.
    pub approvals: BTreeMap<OperatorId, Timestamp>,
    /// How far it is.
    pub state: ProposalState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Proposal {
    /// Whether it may still take effect.
    pub fn is_open(&self) -> bool {
        matches!(
            self.state,
            ProposalState::Voting { .. } | ProposalState::Delaying { .. }
        )
    }

    /// Who approved so far.
    pub fn approvers(&self) -> BTreeSet<OperatorId> {
        self.approvals.keys().cloned().collect()
    }

    /// When a timer of it is due.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            ProposalState::Voting { expires_at } => Some(expires_at),
            ProposalState::Delaying { until } => Some(until),
            _ => None,
        }
    }

    /// Its state's name.
    pub fn state_name(&self) -> &'static str {
        match &self.state {
            ProposalState::Voting { .. } => "voting",
            ProposalState::Delaying { .. } => "delaying",
            ProposalState::Enacted => "enacted",
            ProposalState::Vetoed { .. } => "vetoed",
            ProposalState::Withdrawn => "withdrawn",
            ProposalState::Ended(ProposalEnd::Expired) => "expired",
            ProposalState::Ended(ProposalEnd::Stale { .. }) => "stale",
            ProposalState::Ended(ProposalEnd::ProposerRemoved) => "proposer_removed",
            ProposalState::Ended(ProposalEnd::Refused { .. }) => "refused",
        }
    }
}

impl Vault {
    /// Its proposals, whatever became of them.
    pub fn proposals(&self) -> &BTreeMap<ProposalId, Proposal> {
        &self.proposals
    }

    /// Proposals that may still take effect. Each of them has a timer.
    pub fn open_proposals(&self) -> impl Iterator<Item = &Proposal> {
        let timers = self.proposal_timers.iter();
        timers.filter_map(|(_, id)| self.proposals.get(id))
    }

    /// Whether everybody agreed whom a proposal asks, under the policy in force.
    pub fn is_agreed(&self, proposal: &Proposal) -> bool {
        let mut approvers = proposal.approvers();
        approvers.remove(&proposal.by);
        proposal.policy == self.policy.hash()
            && self
                .policy
                .satisfied(&proposal.requirements, &approvers)
                .is_ok()
    }
}
