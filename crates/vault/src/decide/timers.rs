//! Time passes: approvals expire, holds end, and what is approved gets planned.

use custodyd_chain::FeeQuote;
use custodyd_policy::{Tier, Timestamp, WithdrawalId};

use crate::{
    Event, Vault, Wallet, Withdrawal, WithdrawalState, decide::plan::Draft,
    decide::screening::too_late, effect::FEE_QUOTE_MAX_AGE_MS,
};

/// Plans made in one decision at most, so that a long queue doesn't hold up the batch.
const PLANS_PER_STEP: usize = 256;

impl Vault {
    /// One step forward: the timers that are due, or else the plans that can be made.
    /// The caller applies it and asks again until nothing comes.
    pub(super) fn decide_advance(&self, now: Timestamp) -> Vec<Event> {
        if let Some((_, id)) = self.unjudged.first() {
            return self.rejudge(id, now).into_iter().collect();
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

    /// The same request once more, now that a window may have freed.
    fn rejudge(&self, id: &WithdrawalId, now: Timestamp) -> Option<Event> {
        let withdrawal = self.withdrawals.get(id)?;
        let wallet = self.wallets.get(&withdrawal.wallet)?;
        let request = &withdrawal.request;
        let (amount, destination) = (request.amount, &request.destination);
        let facts = self.facts_of(*id, &request.initiator, wallet, amount, destination, now);
        let verdict = self.policy.evaluate(&facts, &self.limits);
        Some(Event::WithdrawalJudged {
            id: *id,
            facts: Box::new(facts),
            verdict,
        })
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
