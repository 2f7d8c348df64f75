//! Proposals.
use custodyd_policy::Timestamp;

use crate::{DecideProposal, Event, Propose, Rejection, Vault};

impl Vault {
    pub(super) fn decide_propose(&self, asked: &Propose, _now: Timestamp) -> Result<Vec<Event>, Rejection> {
        Err(Rejection::UnknownProposal(asked.id.clone()))
    }

    pub(super) fn decide_proposal(&self, asked: &DecideProposal, _now: Timestamp) -> Result<Vec<Event>, Rejection> {
        Err(Rejection::UnknownProposal(asked.statement.proposal.clone()))
    }
}
