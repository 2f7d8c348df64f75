//! One payout: from a signed request to the transaction that pays it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use custodyd_policy::{
    DestinationClass, Facts, OperatorId, Requirement, Timestamp, Verdict, WalletId, WithdrawalId,
};

use crate::{Decision, Request, TransactionId};

/// Where a payout is. From `InTransaction` on, its transaction's state says the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithdrawalState {
    /// Stored, not judged yet: only between two events of one batch, or while another policy comes into force.
    Received,
    /// Policy refused it.
    Denied,
    /// People are asked.
    AwaitingApproval {
        /// Until then.
        expires_at: Timestamp,
    },
    /// Allowed, but a hold time runs in which any operator may cancel.
    Holding {
        /// When it ends.
        until: Timestamp,
    },
    /// A velocity limit is used up; it is judged again when the window frees.
    HoldingForLimit {
        /// When that is, at the earliest.
        until: Timestamp,
    },
    /// May be planned as soon as funds and a fee quote are there.
    Approved {
        /// Why it could not be planned, if that was tried.
        blocked: Option<String>,
    },
    /// Approved, but what policy now says of the plan is stricter than what it said when it judged: a price grew old, a
    /// destination turned out to look like another, the fee is another one.
    Doubted {
        /// What policy asks for now.
        reason: String,
        /// Since when.
        since: Timestamp,
        /// When it is looked at again.
        until: Timestamp,
    },
    /// Allowed, and somebody else is asked whether anything speaks against it.
    Screening {
        /// Without an answer by then it is denied.
        until: Timestamp,
    },
    /// Part of a transaction.
    InTransaction(TransactionId),
    /// An operator refused it.
    Rejected,
    /// Nobody completed the quorum in time.
    Expired,
    /// Taken back.
    Cancelled,
    /// Its transaction confirmed without paying (an EVM call that failed).
    Failed(String),
}

impl WithdrawalState {
    /// Nothing was planned for it, so that taking it back can't race a signature.
    pub fn is_cancellable(&self) -> bool {
        matches!(
            self,
            Self::AwaitingApproval { .. }
                | Self::Holding { .. }
                | Self::HoldingForLimit { .. }
                | Self::Approved { .. }
                | Self::Doubted { .. }
                | Self::Screening { .. }
        )
    }

    /// Everybody agreed, so that it can be planned as soon as the wallet and policy let it.
    pub fn may_be_planned(&self) -> bool {
        matches!(self, Self::Approved { .. } | Self::Doubted { .. })
    }
}

/// What came of asking somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screened {
    /// Nothing speaks against it.
    Passed {
        /// When they said so.
        at: Timestamp,
    },
    /// It is refused, or there was no answer.
    Refused {
        /// When that was.
        at: Timestamp,
        /// Why, for people.
        reason: String,
    },
}

/// One person's decision, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// What they decided.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
}

/// One payout.
#[derive(Debug, Clone, PartialEq)]
pub struct Withdrawal {
    /// Its id.
    pub id: WithdrawalId,
    /// Its place in the journal: the order of payment and of lists.
    pub seq: u64,
    /// What was asked.
    pub request: Arc<Request>,
    /// The wallet that pays.
    pub wallet: WalletId,
    /// What the destination was taken for.
    pub class: DestinationClass,
    /// What policy judged last.
    pub facts: Option<Arc<Facts>>,
    /// Since when it counts towards the limits; nothing while it does not.
    pub admitted_at: Option<Timestamp>,
    /// What policy said last.
    pub verdict: Option<Arc<Verdict>>,
    /// What came of the screening, if there was one.
    pub screened: Option<Screened>,
    /// Decisions so far, one a person.
    pub votes: BTreeMap<OperatorId, Vote>,
    /// Where it is.
    pub state: WithdrawalState,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Withdrawal {
    /// The approvals that policy asks for.
    pub fn requirements(&self) -> &[Requirement] {
        match self.verdict.as_ref().map(|v| &v.outcome) {
            Some(custodyd_policy::Outcome::Allow { requirements, .. }) => requirements,
            _ => &[],
        }
    }

    /// Who approved so far: people, not credentials.
    pub fn approvers(&self) -> BTreeSet<OperatorId> {
        let approvals = self
            .votes
            .iter()
            .filter(|(_, vote)| vote.decision == Decision::Approve);
        approvals.map(|(operator, _)| operator.clone()).collect()
    }

    /// The hold time that policy asks for, in milliseconds.
    pub fn hold_ms(&self) -> u64 {
        match self.verdict.as_ref().map(|v| &v.outcome) {
            Some(custodyd_policy::Outcome::Allow { hold_ms, .. }) => *hold_ms,
            _ => 0,
        }
    }

    /// When a timer of it is due.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            WithdrawalState::AwaitingApproval { expires_at } => Some(expires_at),
            WithdrawalState::Holding { until }
            | WithdrawalState::HoldingForLimit { until }
            | WithdrawalState::Screening { until }
            | WithdrawalState::Doubted { until, .. } => Some(until),
            _ => None,
        }
    }

    /// The transaction that pays it, once there is one.
    pub fn transaction(&self) -> Option<&TransactionId> {
        match &self.state {
            WithdrawalState::InTransaction(id) => Some(id),
            _ => None,
        }
    }

    /// Its state's name, while no transaction pays it.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            WithdrawalState::Received => "received",
            WithdrawalState::Denied => "denied",
            WithdrawalState::AwaitingApproval { .. } => "awaiting_approval",
            WithdrawalState::Holding { .. } | WithdrawalState::HoldingForLimit { .. } => "holding",
            WithdrawalState::Approved { .. } | WithdrawalState::Doubted { .. } => "approved",
            WithdrawalState::Screening { .. } => "screening",
            WithdrawalState::InTransaction(_) => "planned",
            WithdrawalState::Rejected => "rejected",
            WithdrawalState::Expired => "expired",
            WithdrawalState::Cancelled => "cancelled",
            WithdrawalState::Failed(_) => "failed",
        }
    }
}
