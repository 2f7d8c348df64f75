//! The states of a withdrawal, as far as one may wait for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a withdrawal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored.
    Received,
    /// Somebody else is asked whether anything speaks against it.
    Screening,
    /// Waits for people.
    AwaitingApproval,
    /// Waits for time or for room in a limit.
    Holding,
    /// May be planned.
    Approved,
    /// Its transaction is planned.
    Planned,
    /// It is with the HSM.
    Signing,
    /// It waits for the air-gapped signer.
    AwaitingColdSignature,
    /// Its transaction is signed.
    Signed,
    /// It is with the network.
    Broadcast,
    /// Another transaction with the same inputs or nonce took its place.
    Replaced,
    /// A transaction that isn't ours spends its inputs or nonce.
    Conflicted,
    /// It fell out of the best chain.
    Reorged,
    /// It is in a block.
    Confirmed,
    /// It is deep enough to count.
    Final,
    /// Policy refused it.
    Denied,
    /// An operator refused it.
    Rejected,
    /// Nobody completed the quorum in time.
    Expired,
    /// It was taken back.
    Cancelled,
    /// It can't be paid.
    Failed,
}

/// A text that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state of a withdrawal, such as awaiting_approval, broadcast or final")]
pub struct UnknownState(String);

impl State {
    /// All of them, in the order in which a withdrawal goes through them; those that end it unpaid last.
    pub const ALL: [Self; 20] = [
        Self::Received,
        Self::Screening,
        Self::AwaitingApproval,
        Self::Holding,
        Self::Approved,
        Self::Planned,
        Self::Signing,
        Self::AwaitingColdSignature,
        Self::Signed,
        Self::Broadcast,
        Self::Replaced,
        Self::Conflicted,
        Self::Reorged,
        Self::Confirmed,
        Self::Final,
        Self::Denied,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Its name in documents and queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Screening => "screening",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Holding => "holding",
            Self::Approved => "approved",
            Self::Planned => "planned",
            Self::Signing => "signing",
            Self::AwaitingColdSignature => "awaiting_cold_signature",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Replaced => "replaced",
            Self::Conflicted => "conflicted",
            Self::Reorged => "reorged",
            Self::Confirmed => "confirmed",
            Self::Final => "final",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether it ends the withdrawal without paying.
    #[must_use]
    pub const fn is_unpaid_end(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed
        )
    }

    /// Whether nothing follows it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Final) || self.is_unpaid_end()
    }

    /// Whether a withdrawal in this state is at `wanted` or has gone through it: who polls may miss a short state.
    #[must_use]
    pub fn has_reached(self, wanted: Self) -> bool {
        if self.is_unpaid_end() || wanted.is_unpaid_end() {
            return self == wanted;
        }
        self.rank() >= wanted.rank()
    }

    fn rank(self) -> Option<usize> {
        let settled = match self {
            // Back on the way: none is further than the network.
            Self::Replaced | Self::Conflicted | Self::Reorged => Self::Broadcast,
            other => other,
        };
        Self::ALL.iter().position(|state| *state == settled)
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name_everywhere() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert!("Final".parse::<State>().is_err());
    }

    #[test]
    fn a_state_that_was_passed_counts_as_reached() {
        assert!(State::Confirmed.has_reached(State::Broadcast));
        assert!(State::Final.has_reached(State::AwaitingApproval));
        assert!(!State::Approved.has_reached(State::Broadcast));
        assert!(!State::Reorged.has_reached(State::Confirmed));
        assert!(State::Denied.has_reached(State::Denied));
        assert!(!State::Denied.has_reached(State::Broadcast));
        assert!(!State::Final.has_reached(State::Denied));
    }
}
