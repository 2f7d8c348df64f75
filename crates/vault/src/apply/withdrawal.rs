//! Payouts: judged, voted on, moved; their timers, queues and limits are kept in step here and nowhere else.

use std::sync::Arc;

use custodyd_policy::{Facts, Outcome, Timestamp, Verdict, WithdrawalId};

use super::{ReplayFault, Touch};
use crate::{Decision, Request, Statement, Vault, Vote, Withdrawal, WithdrawalState};

/// How soon policy is asked again about a payout that it had doubts about.
const FIRST_DOUBT_MS: u64 = 60_000;
/// How late at the latest.
const LONGEST_DOUBT_MS: u64 = 3_600_000;

impl Vault {
    pub(super) fn requested(
        &mut self,
        id: &WithdrawalId,
        request: &Arc<Request>,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.withdrawals.contains_key(id) {
            return Err(self.impossible("the withdrawal exists"));
        }
        let key = request.idempotency_key.clone();
        let keys = self.idempotency.entry(request.initiator.clone());
        if keys.or_default().insert(key, *id).is_some() {
            return Err(self.impossible("the idempotency key was used"));
        }
        let asset = request.amount.asset();
        let wallet = self
            .wallets
            .values()
            .find(|w| w.network.asset() == asset)
            .ok_or_else(|| self.missing(asset))?;
        let withdrawal = Withdrawal {
            id: *id,
            seq: self.seq,
            request: Arc::clone(request),
            wallet: wallet.id.clone(),
            class: self.classify(&request.destination, at),
            facts: None,
            screened: None,
            admitted_at: None,
            verdict: None,
            votes: Default::default(),
            state: WithdrawalState::Received,
            created_at: at,
            updated_at: at,
        };
        self.withdrawals.insert(*id, withdrawal);
        Ok(vec![Touch::Withdrawal(*id)])
    }

    pub(super) fn judged(
        &mut self,
        id: &WithdrawalId,
        facts: &Arc<Facts>,
        verdict: &Arc<Verdict>,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_from(id, "judged", |state| {
            matches!(state, WithdrawalState::Received) || state.is_cancellable()
        })?;
        let withdrawal = self.withdrawal_mut(id)?;
        let place = (withdrawal.seq, *id);
        withdrawal.wallet = facts.wallet.clone();
        withdrawal.class = facts.class;
        withdrawal.facts = Some(Arc::clone(facts));
        withdrawal.verdict = Some(Arc::clone(verdict));
        self.unjudged.remove(&place);
        let state = match &verdict.outcome {
            Outcome::Deny => {
                self.give_back(id)?;
                WithdrawalState::Denied
            }
            Outcome::HoldForLimit { until } => {
                self.give_back(id)?;
                WithdrawalState::HoldingForLimit { until: *until }
            }
            Outcome::Allow { .. } => {
                self.admit(id, facts)?;
                match self.screened_until(id, facts, at)? {
                    Some(until) => WithdrawalState::Screening { until },
                    None => self.after_votes(id, at)?,
                }
            }
        };
        self.move_withdrawal(id, state, at)
    }

    /// Where the votes so far put an allowed withdrawal.
    pub(super) fn after_votes(
        &self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<WithdrawalState, ReplayFault> {
        let withdrawal = self.withdrawals.get(id).ok_or_else(|| self.missing(id))?;
        let late = || self.impossible("a time is out of range");
        if !self.is_approved(withdrawal) {
            return Ok(match withdrawal.state {
                WithdrawalState::AwaitingApproval { expires_at } => {
                    WithdrawalState::AwaitingApproval { expires_at }
                }
                _ => WithdrawalState::AwaitingApproval {
                    expires_at: at
                        .checked_add_ms(self.policy.approval_ttl_ms())
                        .ok_or_else(late)?,
                },
            });
        }
        match withdrawal.hold_ms() {
            0 => Ok(WithdrawalState::Approved { blocked: None }),
            hold => Ok(WithdrawalState::Holding {
                until: at.checked_add_ms(hold).ok_or_else(late)?,
            }),
        }
    }

    /// Where a payout stands after a vote was taken out: back before people if it lacks one now.
    pub(super) fn count_again(
        &mut self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let withdrawal = self.withdrawals.get(id).ok_or_else(|| self.missing(id))?;
        let held = matches!(withdrawal.state, WithdrawalState::Holding { .. });
        let went_on = held || withdrawal.state.may_be_planned();
        if went_on && !self.is_approved(withdrawal) {
            let state = self.after_votes(id, at)?;
            return self.move_withdrawal(id, state, at);
        }
        Ok(vec![Touch::Withdrawal(*id)])
    }

    pub(super) fn voted(
        &mut self,
        statement: &Statement,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let id = &statement.withdrawal;
        let again = self
            .withdrawal_mut(id)?
            .votes
            .contains_key(&statement.operator);
        match statement.decision {
            Decision::Cancel => {}
            _ if again => return Err(self.impossible("the person decided before")),
            _ => self.only_from(id, "voted on", |state| {
                matches!(state, WithdrawalState::AwaitingApproval { .. })
            })?,
        }
        let vote = Vote {
            decision: statement.decision,
            at,
        };
        self.withdrawal_mut(id)?
            .votes
            .insert(statement.operator.clone(), vote);
        match statement.decision {
            Decision::Approve => {
                let state = self.after_votes(id, at)?;
                self.move_withdrawal(id, state, at)
            }
            Decision::Reject => self.ended(id, WithdrawalState::Rejected, at),
            Decision::Cancel => self.ended(id, WithdrawalState::Cancelled, at),
        }
    }

    /// Ends a withdrawal of which no transaction exists, and gives its limits back.
    pub(super) fn ended(
        &mut self,
        id: &WithdrawalId,
        state: WithdrawalState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_from(id, "ended", WithdrawalState::is_cancellable)?;
        self.give_back(id)?;
        self.move_withdrawal(id, state, at)
    }

    pub(super) fn expired(
        &mut self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_from(id, "expired", |state| {
            matches!(state, WithdrawalState::AwaitingApproval { .. })
        })?;
        self.ended(id, WithdrawalState::Expired, at)
    }

    pub(super) fn hold_ended(
        &mut self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_from(id, "released from its hold", |state| {
            matches!(state, WithdrawalState::Holding { .. })
        })?;
        self.move_withdrawal(id, WithdrawalState::Approved { blocked: None }, at)
    }

    pub(super) fn planning_blocked(
        &mut self,
        id: &WithdrawalId,
        reason: &str,
        doubted: bool,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_from(id, "blocked", |state| state.may_be_planned())?;
        let reason = reason.to_owned();
        let state = if doubted {
            let since = match self.withdrawal_mut(id)?.state {
                WithdrawalState::Doubted { since, .. } => since,
                _ => at,
            };
            // As long again as it has waited: what doesn't change soon is asked about ever more rarely.
            let pause = at
                .saturating_ms_since(since)
                .clamp(FIRST_DOUBT_MS, LONGEST_DOUBT_MS);
            let until = at
                .checked_add_ms(pause)
                .ok_or_else(|| self.impossible("a time is out of range"))?;
            WithdrawalState::Doubted {
                reason,
                since,
                until,
            }
        } else {
            WithdrawalState::Approved {
                blocked: Some(reason),
            }
        };
        self.move_withdrawal(id, state, at)
    }

    /// Faults unless the withdrawal is in a state from which the event can follow.
    pub(super) fn only_from(
        &self,
        id: &WithdrawalId,
        what: &str,
        from: impl Fn(&WithdrawalState) -> bool,
    ) -> Result<(), ReplayFault> {
        let withdrawal = self.withdrawals.get(id).ok_or_else(|| self.missing(id))?;
        if from(&withdrawal.state) {
            Ok(())
        } else {
            let state = self.withdrawal_state_name(withdrawal);
            Err(self.impossible(&format!("{id} is {state}, it can't be {what}")))
        }
    }

    /// Moves a withdrawal and keeps timers and the wallet's queues in step.
    pub(super) fn move_withdrawal(
        &mut self,
        id: &WithdrawalId,
        state: WithdrawalState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let missing = self.missing(id);
        let withdrawal = self
            .withdrawals
            .get_mut(id)
            .ok_or_else(|| missing.clone())?;
        if let Some(due) = withdrawal.due() {
            self.timers.remove(&(due, *id));
        }
        withdrawal.state = state;
        withdrawal.updated_at = at;
        if let Some(due) = withdrawal.due() {
            self.timers.insert((due, *id));
        }
        let wallet = self.wallets.get_mut(&withdrawal.wallet).ok_or(missing)?;
        let place = (withdrawal.seq, *id);
        wallet.ready.remove(&place);
        wallet.blocked.remove(&place);
        match &withdrawal.state {
            WithdrawalState::Approved { blocked: None } => wallet.ready.insert(place),
            WithdrawalState::Approved { blocked: Some(_) } => wallet.blocked.insert(place),
            _ => false,
        };
        if !withdrawal.state.is_cancellable() {
            self.unjudged.remove(&place);
        }
        if matches!(withdrawal.state, WithdrawalState::Screening { .. }) {
            self.screening.insert(*id);
        } else {
            self.screening.remove(id);
        }
        if matches!(withdrawal.state, WithdrawalState::AwaitingApproval { .. }) {
            self.awaiting.insert(*id);
        } else {
            self.awaiting.remove(id);
        }
        Ok(vec![Touch::Withdrawal(*id)])
    }
}
