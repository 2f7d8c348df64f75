//! Proposals: made, voted on, passed, ended. Each step is checked again against the policy and the people of its time, so
//! that a journal in which somebody got around them can't be replayed.

use custodyd_policy::{OperatorId, Timestamp};

use super::{ReplayFault, Touch};
use crate::{
    Change, Event, Proposal, ProposalId, ProposalState, Vault, changes_digest, governance::Draft,
};

impl Vault {
    pub(super) fn governed(
        &mut self,
        event: &Event,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        match event {
            Event::Proposed {
                proposal,
                changes,
                reason,
                operator,
                policy,
                ..
            } => {
                if *policy != self.policy.hash() {
                    return Err(self.impossible("another policy is in force"));
                }
                self.proposed(proposal, changes, reason, operator, at)
            }
            Event::ProposalApproved { statement, .. } => {
                let operator = &statement.operator;
                let voting = |p: &Proposal| {
                    matches!(p.state, ProposalState::Voting { .. })
                        && p.by != *operator
                        && !p.approvals.contains_key(operator)
                };
                let proposal = self.proposal_in(&statement.proposal, "approved", voting)?;
                proposal.approvals.insert(operator.clone(), at);
                proposal.updated_at = at;
                Ok(vec![Touch::Proposal(statement.proposal.clone())])
            }
            Event::ProposalVetoed { statement, .. } => {
                let by = statement.operator.clone();
                let state = match self.proposals.get(&statement.proposal) {
                    Some(proposal) if proposal.by == by => ProposalState::Withdrawn,
                    _ => ProposalState::Vetoed { by },
                };
                self.move_proposal(&statement.proposal, state, at)
            }
            Event::ProposalPassed { proposal, until } => {
                let state = ProposalState::Delaying { until: *until };
                self.check_passed(proposal)?;
                self.move_proposal(proposal, state, at)
            }
            Event::ProposalEnacted { proposal } => self.enacted(proposal, at),
            Event::ProposalEnded { proposal, why } => {
                self.move_proposal(proposal, ProposalState::Ended(why.clone()), at)
            }
            other => Err(self.impossible(&format!("{} is no step of a proposal", other.kind()))),
        }
    }

    fn proposed(
        &mut self,
        id: &ProposalId,
        changes: &[Change],
        reason: &str,
        by: &OperatorId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.proposals.contains_key(id) {
            return Err(self.impossible("the proposal exists"));
        }
        let refused = |why: String| self.impossible(&why);
        let draft = Draft::after(self, id, changes).map_err(|e| refused(e.to_string()))?;
        let kinds = draft.kinds;
        let terms = self.policy.change_terms(&kinds);
        let (requirements, delay_ms) =
            terms.map_err(|kind| refused(format!("nobody may change {kind}")))?;
        let expires_at = at
            .checked_add_ms(self.policy.approval_ttl_ms())
            .ok_or_else(|| refused("a time is out of range".to_owned()))?;
        let proposal = Proposal {
            id: id.clone(),
            seq: self.seq,
            changes: changes.to_vec(),
            digest: changes_digest(changes),
            reason: reason.to_owned(),
            by: by.clone(),
            policy: self.policy.hash(),
            kinds,
            requirements,
            delay_ms,
            approvals: Default::default(),
            state: ProposalState::Voting { expires_at },
            created_at: at,
            updated_at: at,
        };
        self.proposal_timers.insert((expires_at, id.clone()));
        self.proposals.insert(id.clone(), proposal);
        Ok(vec![Touch::Proposal(id.clone())])
    }

    /// Faults unless everybody who is asked approved, under the policy that is in force.
    pub(super) fn check_passed(&self, id: &ProposalId) -> Result<(), ReplayFault> {
        let proposal = self.proposals.get(id).ok_or_else(|| self.missing(id))?;
        if self.is_agreed(proposal) {
            Ok(())
        } else {
            Err(self.impossible(&format!("{id} lacks approvals")))
        }
    }

    /// The proposal, if it is as the event needs it.
    fn proposal_in(
        &mut self,
        id: &ProposalId,
        what: &str,
        is_right: impl Fn(&Proposal) -> bool,
    ) -> Result<&mut Proposal, ReplayFault> {
        let missing = self.missing(id);
        let fault = self.impossible(&format!("{id} can't be {what}"));
        let proposal = self.proposals.get_mut(id).ok_or(missing)?;
        if is_right(proposal) {
            Ok(proposal)
        } else {
            Err(fault)
        }
    }

    /// Moves an open proposal and keeps its timer in step.
    pub(super) fn move_proposal(
        &mut self,
        id: &ProposalId,
        state: ProposalState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let proposal = self.proposal_in(id, "moved", Proposal::is_open)?;
        let before = proposal.due();
        proposal.state = state;
        proposal.updated_at = at;
        let after = proposal.due();
        if let Some(due) = before {
            self.proposal_timers.remove(&(due, id.clone()));
        }
        if let Some(due) = after {
            self.proposal_timers.insert((due, id.clone()));
        }
        Ok(vec![Touch::Proposal(id.clone())])
    }
}
