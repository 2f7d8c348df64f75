//! Stopping is one person's right; going on takes the quorum that the policy names.

use custodyd_policy::{Initiator, OperatorId, Timestamp, may_approve};

use crate::{
    Event, Evidence, Freeze, FreezeScope, Rejection, Vault,
    decide::{CLOCK_SKEW_MS, is_plain_text},
};

impl Vault {
    pub(super) fn decide_freeze(
        &self,
        scope: &FreezeScope,
        reason: &str,
        operator: &OperatorId,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        self.check_operator(operator)?;
        self.check_scope(scope)?;
        if reason.trim().is_empty() || !is_plain_text(reason, 500) {
            return Err(Rejection::ReasonForm);
        }
        // Once anybody voted to go on, another freeze is news: it stands until a quorum knew of it.
        if self.frozen.get(scope).is_some_and(|f| f.votes.is_empty()) {
            return Ok(Vec::new());
        }
        let (scope, reason, operator) = (scope.clone(), reason.to_owned(), operator.clone());
        Ok(vec![Event::Frozen {
            scope,
            reason,
            operator,
            evidence: evidence.clone(),
        }])
    }

    pub(super) fn decide_unfreeze(
        &self,
        scope: &FreezeScope,
        operator: &OperatorId,
        signed_at: Timestamp,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        let freeze = self.check_unfreeze(scope, operator, signed_at)?;
        let required = self.policy.governance().unfreeze.as_slice();
        let mut votes = freeze.votes.clone();
        if !votes.insert(operator.clone()) {
            return Ok(Vec::new());
        }
        let vote = Event::UnfreezeVoted {
            scope: scope.clone(),
            operator: operator.clone(),
            evidence: evidence.clone(),
        };
        match self.policy.satisfied(required, &votes) {
            Ok(()) => Ok(vec![
                vote,
                Event::Unfrozen {
                    scope: scope.clone(),
                },
            ]),
            Err(_) => Ok(vec![vote]),
        }
    }

    /// The freeze that a vote is about, if this operator is asked and signed the vote after it.
    ///
    /// # Errors
    /// Nothing is frozen there, the vote is older than the freeze, or policy doesn't ask them.
    pub fn check_unfreeze(
        &self,
        scope: &FreezeScope,
        operator: &OperatorId,
        signed_at: Timestamp,
    ) -> Result<&Freeze, Rejection> {
        self.check_operator(operator)?;
        let freeze = self
            .frozen
            .get(scope)
            .ok_or_else(|| Rejection::NotFrozen(self.name_of(scope)))?;
        // The signature's clock has whole seconds, and is the operator's.
        if signed_at.as_ms().saturating_add(CLOCK_SKEW_MS) < freeze.at.as_ms() {
            return Err(Rejection::VoteTooOld(operator.clone()));
        }
        let required = self.policy.governance().unfreeze.as_slice();
        if !may_approve(self.policy.groups(), required, operator) {
            return Err(Rejection::NotEligible(operator.clone()));
        }
        Ok(freeze)
    }

    /// Whether there is anything that a freeze would stop, now or later.
    fn check_scope(&self, scope: &FreezeScope) -> Result<(), Rejection> {
        let there = match scope {
            FreezeScope::Vault => true,
            FreezeScope::Wallet(wallet) if !self.wallets.contains_key(wallet) => {
                return Err(Rejection::UnknownWallet(wallet.clone()));
            }
            FreezeScope::Wallet(_) => true,
            FreezeScope::Asset(asset) => self.wallets.values().any(|w| w.network.asset() == *asset),
            // One that was removed may have asked for what is still to be paid.
            FreezeScope::Client(client) => {
                let by = Initiator::Client(client.clone());
                self.clients.contains_key(client) || self.idempotency.contains_key(&by)
            }
            FreezeScope::Destination(address) => {
                let network = address.network();
                self.wallets.values().any(|w| w.network == network)
            }
        };
        if there {
            Ok(())
        } else {
            Err(Rejection::NothingToFreeze(self.name_of(scope)))
        }
    }

    pub(super) fn check_operator(&self, operator: &OperatorId) -> Result<(), Rejection> {
        if self.operators.contains_key(operator) {
            Ok(())
        } else {
            Err(Rejection::UnknownPrincipal(format!("operator {operator}")))
        }
    }
}
