//! Time passes: approvals expire, holds end, and what is approved gets planned.

use custodyd_policy::{Tier, Timestamp, WithdrawalId};

use crate::{
    Event, Vault, Wallet, Withdrawal, WithdrawalState, decide::plan::Draft,
    effect::FEE_QUOTE_MAX_AGE_MS,
};

/// Plans made in one decision at most, so that a long queue doesn't hold up the batch.
const PLANS_PER_STEP: usize = 256;

impl Vault {
    /// One step forward: the timers that are due, or else the plans that can be made.
    /// The caller applies it and asks again until nothing comes.
    pub(super) fn decide_advance(&self, now: Timestamp) -> Vec<Event> {
        let mut due = Vec::new();
        for (_, id) in self.timers.iter().take_while(|(at, _)| *at <= now) {
            let Some(withdrawal) = self.withdrawals.get(id) else {
                continue;
            };
            due.extend(self.decide_due(withdrawal, now));
            if matches!(withdrawal.state, WithdrawalState::HoldingForLimit { .. }) {
                // What this one takes of the limit must count before the next is judged.
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
        let fresh = self
            .quote_age(wallet.network, now)
            .is_some_and(|age| age <= FEE_QUOTE_MAX_AGE_MS);
        let Some((quote, _)) = self
            .fees
            .get(&wallet.network)
            .filter(|_| fresh && !self.is_frozen(&wallet.id))
        else {
            return Vec::new();
        };
        let mut draft = Draft::default();
        wallet
            .ready
            .iter()
            .take(PLANS_PER_STEP)
            .filter_map(|(_, id)| self.withdrawals.get(id))
            .map(|withdrawal| self.plan_event(wallet, withdrawal, quote, None, &mut draft))
            .collect()
    }
}
