//! Time passes: approvals expire, holds end, and what is approved gets planned.

use std::sync::Arc;

use custodyd_chain::FeeQuote;
use custodyd_policy::{LimitBook, Outcome, Tier, Timestamp, WithdrawalId};

use crate::{
    Event, Vault, Wallet, Withdrawal, WithdrawalState,
    decide::{plan::Draft, request::Judgement, screening::too_late},
    effect::FEE_QUOTE_MAX_AGE_MS,
};

/// Payouts judged anew in one decision at most, after a policy came into force.
const JUDGED_PER_STEP: usize = 256;
/// Plans made in one decision at most, so that a long queue doesn't hold up the batch.
const PLANS_PER_STEP: usize = 256;

impl Vault {
    /// One step forward: what another policy has yet to judge, then a proposal whose time has come, then the timers that are due, or else the plans that can be made.
    /// The caller applies it and asks again until nothing comes.
    pub(super) fn decide_advance(&self, now: Timestamp) -> Vec<Event> {
        if !self.unjudged.is_empty() {
            return self.judge_anew(now);
        }
        let proposal = self.decide_due_proposal(now);
        if !proposal.is_empty() {
            return proposal;
        }
        let mut due = Vec::new();
        for (_, id) in self.timers.iter().take_while(|(at, _)| *at <= now) {
            let Some(withdrawal) = self.withdrawals.get(id) else {
                continue;
            };
            let event = self.decide_due(withdrawal, now);
            let alone = matches!(
                withdrawal.state,
                WithdrawalState::HoldingForLimit { .. } | WithdrawalState::Doubted { .. }
            ) && event.is_some();
            due.extend(event);
            if alone {
                // What this one takes of a limit or a wallet must count before the next is judged or planned.
                break;
            }
        }
        if !due.is_empty() {
            return due;
        }
        self.wallets
            .values()
            .filter(|w| w.tier != Tier::Cold)
            .flat_map(|w| self.plan_ready(w, now))
            .collect()
    }

    fn decide_due(&self, withdrawal: &Withdrawal, now: Timestamp) -> Option<Event> {
        let id = withdrawal.id;
        match withdrawal.state {
            WithdrawalState::AwaitingApproval { .. } => Some(Event::Expired { id }),
            WithdrawalState::Holding { .. } => Some(Event::HoldEnded { id }),
            WithdrawalState::HoldingForLimit { .. } => self.rejudge(&id, now),
            WithdrawalState::Screening { .. } => Some(too_late(&id)),
            WithdrawalState::Doubted { .. } => self.plan_doubted(withdrawal, now),
            _ => None,
        }
    }

    /// What the policy in force has not judged, in order; what each takes of the limits counts before the next is judged.
    fn judge_anew(&self, now: Timestamp) -> Vec<Event> {
        let mut limits = self.limits.clone();
        let mut judged = Vec::new();
        for (_, id) in self.unjudged.iter().take(JUDGED_PER_STEP) {
            let Some(judgement) = self.judge_again(id, &limits, now) else {
                continue;
            };
            if matches!(judgement.verdict.outcome, Outcome::Allow { .. }) {
                limits.reserve(&self.policy, Arc::clone(&judgement.facts));
            }
            judged.push(judged_event(judgement));
        }
        judged
    }

    /// The same request once more, now that a window may have freed.
    fn rejudge(&self, id: &WithdrawalId, now: Timestamp) -> Option<Event> {
        let judgement = self.judge_again(id, &self.limits, now)?;
        Some(judged_event(judgement))
    }

    fn judge_again(
        &self,
        id: &WithdrawalId,
        limits: &LimitBook,
        now: Timestamp,
    ) -> Option<Judgement> {
        let withdrawal = self.withdrawals.get(id)?;
        let wallet = self.wallets.get(&withdrawal.wallet)?;
        let request = &withdrawal.request;
        let (amount, destination) = (request.amount, &request.destination);
        let facts = self.facts_of(*id, &request.initiator, wallet, amount, destination, now);
        let verdict = self.policy.evaluate(&facts, limits);
        Some(Judgement::new(facts, verdict))
    }

    fn plan_ready(&self, wallet: &Wallet, now: Timestamp) -> Vec<Event> {
        let Some(quote) = self.planning_quote(wallet, now) else {
            return Vec::new();
        };
        let mut draft = Draft::default();
        wallet
            .ready
            .iter()
            .filter_map(|(_, id)| self.withdrawals.get(id))
            .filter(|withdrawal| self.withdrawal_freeze(withdrawal).is_none())
            .take(PLANS_PER_STEP)
            .map(|withdrawal| self.plan_event(wallet, withdrawal, quote, None, &mut draft, now))
            .collect()
    }

    /// Payouts that policy had doubts about, and that it is time to look at again.
    pub(crate) fn doubted_due(&self, now: Timestamp) -> impl Iterator<Item = &Withdrawal> {
        self.timers
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .filter_map(|(_, id)| self.withdrawals.get(id))
            .filter(|w| matches!(w.state, WithdrawalState::Doubted { .. }))
    }

    fn plan_doubted(&self, withdrawal: &Withdrawal, now: Timestamp) -> Option<Event> {
        let wallet = self.wallets.get(&withdrawal.wallet)?;
        let quote = self
            .planning_quote(wallet, now)
            .filter(|_| self.withdrawal_freeze(withdrawal).is_none())?;
        let mut draft = Draft::default();
        Some(self.plan_event(wallet, withdrawal, quote, None, &mut draft, now))
    }

    /// What a transaction costs, if it is known well enough to plan one and the wallet may pay at all.
    fn planning_quote(&self, wallet: &Wallet, now: Timestamp) -> Option<&FeeQuote> {
        let fresh = self
            .quote_age(wallet.network, now)
            .is_some_and(|age| age <= FEE_QUOTE_MAX_AGE_MS);
        let may_pay = wallet.tier != Tier::Cold && !self.is_frozen(&wallet.id);
        self.fees
            .get(&wallet.network)
            .filter(|_| fresh && may_pay)
            .map(|(quote, _)| quote)
    }
}

fn judged_event(judgement: Judgement) -> Event {
    let Judgement { facts, verdict } = judgement;
    Event::WithdrawalJudged {
        id: facts.withdrawal,
        facts,
        verdict,
    }
}
