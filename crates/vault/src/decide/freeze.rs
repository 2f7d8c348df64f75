//! Stopping is one person's right; going on takes the quorum that the policy names.

use custodyd_policy::{OperatorId, Timestamp, may_approve};

use crate::{Event, Evidence, FreezeScope, Rejection, Vault, decide::is_plain_text};

/// How far a signer's clock may be behind.
const SIGNERS_CLOCK_MS: u64 = 5_000;

impl Vault {
    pub(super) fn decide_freeze(
        &self,
        scope: &FreezeScope,
        reason: &str,
        operator: &OperatorId,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        self.check_operator(operator)?;
        if let FreezeScope::Wallet(wallet) = scope
            && !self.wallets.contains_key(wallet)
        {
            return Err(Rejection::UnknownWallet(wallet.clone()));
        }
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
        self.check_operator(operator)?;
        let name = match scope {
            FreezeScope::Vault => format!("vault {}", self.id),
            FreezeScope::Wallet(wallet) => format!("wallet {wallet}"),
        };
        let freeze = self.frozen.get(scope).ok_or(Rejection::NotFrozen(name))?;
        // The signature's clock has whole seconds, and is the operator's.
        if signed_at.as_ms().saturating_add(SIGNERS_CLOCK_MS) < freeze.at.as_ms() {
            return Err(Rejection::VoteTooOld(operator.clone()));
        }
        let required = self.policy.governance().unfreeze.as_slice();
        if !may_approve(self.policy.groups(), required, operator) {
            return Err(Rejection::NotEligible(operator.clone()));
        }
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

    pub(super) fn check_operator(&self, operator: &OperatorId) -> Result<(), Rejection> {
        if self.operators.contains_key(operator) {
            Ok(())
        } else {
            Err(Rejection::UnknownPrincipal(format!("operator {operator}")))
        }
    }
}
