//! Proposals: made by an operator, agreed to by others, and put into effect when their delay is over.

use custodyd_policy::{OperatorId, Timestamp, may_approve};

use crate::{
    ChangeFault, DecideProposal, Event, GOVERNANCE_DOMAIN, GovernanceDecision, GovernanceStatement,
    OperatorSignature, Proposal, ProposalEnd, ProposalId, ProposalState, Propose, Rejection, Vault,
    decide::{MAX_EXACT, is_plain_text, is_statement_nonce},
    governance::Draft,
};

/// Open proposals at most.
const MAX_OPEN: usize = 64;
/// Open proposals of one operator at most, so that nobody alone keeps the others from proposing.
const MAX_OPEN_OF_ONE: usize = 8;

impl Vault {
    pub(super) fn decide_propose(
        &self,
        asked: &Propose,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        self.check_operator(&asked.operator)?;
        if asked.vault != self.id {
            return Err(Rejection::OtherVault(asked.vault.clone()));
        }
        if self.proposals.contains_key(&asked.id) {
            return Err(Rejection::Taken(asked.id.to_string()));
        }
        if asked.reason.trim().is_empty() || !is_plain_text(&asked.reason, 500) {
            return Err(Rejection::ReasonForm);
        }
        self.check_room(&asked.operator)?;
        let draft = Draft::after(self, &asked.id, &asked.changes)?;
        self.check_terms(&draft, &asked.operator)?;
        if now.checked_add_ms(self.policy.approval_ttl_ms()).is_none() {
            return Err(Rejection::ProposalNotNow("beyond time", "proposed"));
        }
        Ok(vec![Event::Proposed {
            proposal: asked.id.clone(),
            changes: asked.changes.clone(),
            reason: asked.reason.clone(),
            operator: asked.operator.clone(),
            policy: self.policy.hash(),
            evidence: asked.evidence.clone(),
        }])
    }

    fn check_room(&self, operator: &OperatorId) -> Result<(), Rejection> {
        let open = self.open_proposals().count();
        let own = self.open_proposals().filter(|p| p.by == *operator).count();
        let too_many = |open, of| Err(Rejection::TooManyProposals { open, of });
        if own >= MAX_OPEN_OF_ONE {
            too_many(own, format!(" by operator {operator}"))
        } else if open >= MAX_OPEN {
            too_many(open, String::new())
        } else {
            Ok(())
        }
    }

    /// Somebody may make all these changes at once, and whoever that takes is there, beside the proposer.
    fn check_terms(&self, draft: &Draft<'_>, proposer: &OperatorId) -> Result<(), Rejection> {
        let fault = |fault| Rejection::Changes(Box::new(fault));
        let (require, _) = self
            .policy
            .change_terms(&draft.kinds)
            .map_err(|kind| fault(ChangeFault::NotGoverned(kind)))?;
        let others = self.operators.keys().filter(|id| *id != proposer);
        let others = others.cloned().collect();
        if self.policy.satisfied(&require, &others).is_err() {
            return Err(fault(ChangeFault::Unmeetable {
                place: "this proposal".to_owned(),
                require,
                without_proposer: true,
            }));
        }
        Ok(())
    }

    pub(super) fn decide_proposal(
        &self,
        asked: &DecideProposal,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let (sender, signature) = (&asked.operator, &asked.signature);
        let proposal = self.check_governance_statement(sender, &asked.statement, signature, now)?;
        let DecideProposal {
            operator,
            statement,
            signature,
            evidence,
        } = asked.clone();
        match (statement.decision, &proposal.state) {
            (GovernanceDecision::Approve, ProposalState::Voting { expires_at }) => {
                if *expires_at <= now {
                    // The timer that says so may only be due.
                    return Err(Rejection::ProposalNotNow("expired", "approved"));
                }
                self.check_asked(proposal, statement.decision, &operator)?;
                if proposal.approvals.contains_key(&operator) {
                    return Err(Rejection::ApprovedAlready(operator));
                }
                let passed = self.passed_with(proposal, operator, now)?;
                let approved = Event::ProposalApproved {
                    statement,
                    signature,
                    evidence,
                };
                Ok([approved].into_iter().chain(passed).collect())
            }
            (GovernanceDecision::Veto, _) if proposal.is_open() => {
                self.check_asked(proposal, statement.decision, &operator)?;
                Ok(vec![Event::ProposalVetoed {
                    statement,
                    signature,
                    evidence,
                }])
            }
            (GovernanceDecision::Approve, _) => {
                Err(Rejection::ProposalNotNow(proposal.state_name(), "approved"))
            }
            (GovernanceDecision::Veto, _) => {
                Err(Rejection::ProposalNotNow(proposal.state_name(), "vetoed"))
            }
        }
    }

    /// The event that starts the delay, if this approval completes the quorum.
    fn passed_with(
        &self,
        proposal: &Proposal,
        operator: OperatorId,
        now: Timestamp,
    ) -> Result<Option<Event>, Rejection> {
        let mut approvers = proposal.approvers();
        approvers.insert(operator);
        let required = &proposal.requirements;
        if self.policy.satisfied(required, &approvers).is_err() {
            return Ok(None);
        }
        let until = now
            .checked_add_ms(proposal.delay_ms)
            .ok_or(Rejection::ProposalNotNow("beyond time", "approved"))?;
        let proposal = proposal.id.clone();
        Ok(Some(Event::ProposalPassed { proposal, until }))
    }

    /// Whether this person's decision on a proposal is asked for: nobody approves their own, and anybody takes back their own.
    ///
    /// # Errors
    /// It isn't.
    pub fn check_asked(
        &self,
        proposal: &Proposal,
        decision: GovernanceDecision,
        operator: &OperatorId,
    ) -> Result<(), Rejection> {
        let own = *operator == proposal.by;
        let asked = may_approve(self.policy.groups(), &proposal.requirements, operator);
        match decision {
            GovernanceDecision::Approve if own => Err(Rejection::OwnProposal(operator.clone())),
            GovernanceDecision::Veto if own => Ok(()),
            _ if asked => Ok(()),
            _ => Err(Rejection::NotAsked(operator.clone())),
        }
    }

    /// The proposal that a statement is about, if the statement names its changes and the policy in force, is good at `now`,
    /// and whoever sent it signed it.
    ///
    /// # Errors
    /// Names the member that is another, or what else is wrong.
    pub fn check_governance_statement(
        &self,
        sender: &OperatorId,
        statement: &GovernanceStatement,
        signature: &OperatorSignature,
        now: Timestamp,
    ) -> Result<&Proposal, Rejection> {
        let id = &statement.proposal;
        let proposal = self
            .proposals
            .get(id)
            .ok_or_else(|| Rejection::UnknownProposal(id.clone()))?;
        if statement.operator != *sender {
            let (sender, signer) = (sender.clone(), statement.operator.clone());
            return Err(Rejection::StatementSender { sender, signer });
        }
        let keys = self.operators.get(&statement.operator).ok_or_else(|| {
            Rejection::UnknownPrincipal(format!("operator {}", statement.operator))
        })?;
        let differs = [
            (statement.domain != GOVERNANCE_DOMAIN, "domain"),
            (statement.vault != self.id, "vault"),
            (statement.changes != proposal.digest, "changes"),
            (statement.policy != self.policy.hash(), "policy"),
            (!is_statement_nonce(&statement.nonce), "nonce"),
            (statement.expires_at.as_ms() > MAX_EXACT, "expiry"),
        ];
        if let Some((_, field)) = differs.into_iter().find(|(wrong, _)| *wrong) {
            return Err(Rejection::ProposalStatementDiffers(field));
        }
        if statement.expires_at <= now {
            return Err(Rejection::StatementExpired(statement.expires_at));
        }
        if !statement.is_signed_by(keys, self.console.as_ref(), signature) {
            return Err(Rejection::StatementSignature(statement.operator.clone()));
        }
        Ok(proposal)
    }

    /// The first proposal whose time has come: it takes effect, or ends. One at a time, since each changes what the next
    /// one meets.
    pub(super) fn decide_due_proposal(&self, now: Timestamp) -> Vec<Event> {
        let due = self.proposal_timers.first().filter(|(at, _)| *at <= now);
        let Some(proposal) = due.and_then(|(_, id)| self.proposals.get(id)) else {
            return Vec::new();
        };
        let id = &proposal.id;
        match proposal.state {
            ProposalState::Voting { .. } => vec![ended(id, ProposalEnd::Expired)],
            ProposalState::Delaying { .. } => self.enactment(proposal),
            _ => Vec::new(),
        }
    }

    fn enactment(&self, proposal: &Proposal) -> Vec<Event> {
        let id = &proposal.id;
        let draft = match Draft::after(self, id, &proposal.changes) {
            Ok(draft) => draft,
            Err(refused) => {
                let reason = refused.to_string();
                return vec![ended(id, ProposalEnd::Refused { reason })];
            }
        };
        let why = |other: &Proposal| {
            if draft.changes_policy() {
                let policy = draft.policy.hash();
                Some(ProposalEnd::Stale { policy })
            } else {
                let gone = draft.voided.contains(&other.by);
                gone.then_some(ProposalEnd::ProposerRemoved)
            }
        };
        let enacted = Event::ProposalEnacted {
            proposal: id.clone(),
        };
        let others = self.open_proposals().filter(|other| other.id != *id);
        let others = others.filter_map(|other| Some(ended(&other.id, why(other)?)));
        [enacted].into_iter().chain(others).collect()
    }
}

fn ended(proposal: &ProposalId, why: ProposalEnd) -> Event {
    Event::ProposalEnded {
        proposal: proposal.clone(),
        why,
    }
}
