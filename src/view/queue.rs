//! Where a payout stands in the queue of those who are asked about it. The place is a column of the payout's row, so that
//! "what waits for me" is read off an index, riskiest and oldest first.

use std::collections::BTreeSet;
use std::fmt;

use custodyd_policy::{DestinationClass, Facts, Flag, OperatorId, Reason, Shortfall};
use custodyd_vault::{Vault, Withdrawal, WithdrawalState};

/// How much a payout asks for a second look. It orders the queue and decides nothing: that is the policy's. Three steps;
/// more could not be told apart at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nothing stands out.
    Usual,
    /// A new destination, or one that a limit or a missing price says something about.
    Raised,
    /// It looks like an attack that is known.
    High,
}

impl Risk {
    /// Of a payout as it was judged last.
    pub fn of(withdrawal: &Withdrawal) -> Self {
        let Some(facts) = withdrawal.facts.as_deref() else {
            return Self::Raised;
        };
        let reasons = withdrawal.verdict.iter().flat_map(|v| &v.reasons);
        let of_reasons = reasons.map(Self::of_reason).max();
        Self::of_facts(facts).max(of_reasons.unwrap_or(Self::Usual))
    }

    fn of_facts(facts: &Facts) -> Self {
        let flagged = |flag: Flag| facts.flags.contains(&flag);
        if flagged(Flag::LookAlike)
            || flagged(Flag::ProbeThenDrain)
            || facts.class == DestinationClass::Blocked
        {
            Self::High
        } else if facts.class == DestinationClass::New || flagged(Flag::CoolingOff) {
            Self::Raised
        } else {
            Self::Usual
        }
    }

    fn of_reason(reason: &Reason) -> Self {
        match reason {
            Reason::LimitExceeded { .. } | Reason::EvaluationFailed { .. } => Self::Raised,
            _ => Self::Usual,
        }
    }

    /// Its place in the queue: 0 comes first.
    pub fn rank(self) -> u64 {
        match self {
            Self::High => 0,
            Self::Raised => 1,
            Self::Usual => 2,
        }
    }

    /// A short name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Raised => "raised",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usual => "usual",
            Self::Raised => "look closer",
            Self::High => "high risk",
        })
    }
}

/// A payout's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePlace {
    /// Who is asked, each name between two spaces.
    pub asked: String,
    /// The lowest comes first; of equal ones the oldest.
    pub rank: u64,
}

/// The place of a payout that waits for people; none for any other.
pub fn queue_place(vault: &Vault, withdrawal: &Withdrawal) -> Option<QueuePlace> {
    let shortfalls = missing(vault, withdrawal)?;
    let asked: BTreeSet<&OperatorId> = shortfalls.iter().flat_map(|s| &s.eligible).collect();
    let mut names = " ".to_owned();
    for operator in asked {
        names.push_str(operator.as_str());
        names.push(' ');
    }
    Some(QueuePlace {
        asked: names,
        rank: Risk::of(withdrawal).rank(),
    })
}

/// Which approvals an awaited payout lacks, and who could bring each closer: neither those who gave theirs nor whoever
/// asked for it. None for a payout that waits for nobody.
pub fn missing(vault: &Vault, withdrawal: &Withdrawal) -> Option<Vec<Shortfall>> {
    if !matches!(withdrawal.state, WithdrawalState::AwaitingApproval { .. }) {
        return None;
    }
    let approvers = withdrawal.approvers();
    let policy = vault.policy();
    let satisfied = policy.satisfied(withdrawal.requirements(), &approvers);
    let mut shortfalls = satisfied.err().unwrap_or_default();
    if let Some(initiator) = withdrawal.request.initiator.operator() {
        for shortfall in &mut shortfalls {
            shortfall.eligible.remove(initiator);
        }
    }
    Some(shortfalls)
}
