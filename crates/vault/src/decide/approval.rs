//! People decide. What they signed must be, field by field, what this withdrawal would do.

use custodyd_policy::{ClientId, OperatorId, Timestamp, WithdrawalId, may_approve};

use crate::{
    APPROVAL_DOMAIN, CancelledBy, Decide, Decision, Event, Evidence, OperatorSignature, Rejection,
    Statement, Vault, Withdrawal, WithdrawalState,
    decide::{MAX_EXACT, is_statement_nonce},
};

impl Vault {
    pub(super) fn decide_vote(
        &self,
        asked: &Decide,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let statement = &asked.statement;
        let withdrawal = self.check_statement(&asked.operator, statement, &asked.signature, now)?;
        let operator = &statement.operator;
        if withdrawal.votes.contains_key(operator) && statement.decision != Decision::Cancel {
            return Err(Rejection::AlreadyDecided(operator.clone()));
        }
        if let WithdrawalState::AwaitingApproval { expires_at } = withdrawal.state
            && expires_at <= now
            && statement.decision == Decision::Approve
        {
            // The timer that says so may only be due: after a pause the inbox is read before time moves on.
            return Err(Rejection::NotNow("expired", past(Decision::Approve)));
        }
        let (statement, signature, evidence) = (
            statement.clone(),
            asked.signature.clone(),
            asked.evidence.clone(),
        );
        match (statement.decision, &withdrawal.state) {
            (Decision::Approve, WithdrawalState::AwaitingApproval { .. }) => {
                self.check_eligible(withdrawal, operator)?;
                Ok(vec![Event::Approved {
                    statement,
                    signature,
                    evidence,
                }])
            }
            (Decision::Reject, WithdrawalState::AwaitingApproval { .. }) => {
                self.check_eligible(withdrawal, operator)?;
                Ok(vec![Event::Rejected {
                    statement,
                    signature,
                    evidence,
                }])
            }
            (Decision::Cancel, _) if withdrawal.state.is_cancellable() => {
                let id = withdrawal.id;
                Ok(vec![Event::Cancelled {
                    id,
                    by: CancelledBy::Operator {
                        statement,
                        signature,
                    },
                    evidence,
                }])
            }
            (decision, _) => Err(Rejection::NotNow(
                self.withdrawal_state_name(withdrawal),
                past(decision),
            )),
        }
    }

    pub(super) fn decide_client_cancel(
        &self,
        id: &WithdrawalId,
        client: &ClientId,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        let withdrawal = self.known_withdrawal(id)?;
        if withdrawal.request.initiator.client() != Some(client) {
            return Err(Rejection::OtherClient(*id));
        }
        if !withdrawal.state.is_cancellable() {
            return Err(Rejection::NotNow(
                self.withdrawal_state_name(withdrawal),
                past(Decision::Cancel),
            ));
        }
        let by = CancelledBy::Client(client.clone());
        Ok(vec![Event::Cancelled {
            id: *id,
            by,
            evidence: evidence.clone(),
        }])
    }

    /// The withdrawal that a statement is about, if the statement says what that would do under the policy in force, is good
    /// at `now`, and whoever sent it signed it. Whether they are asked, and whether it is the time for it, is another matter.
    ///
    /// # Errors
    /// Names the member that is another, or what else is wrong.
    pub fn check_statement(
        &self,
        sender: &OperatorId,
        statement: &Statement,
        signature: &OperatorSignature,
        now: Timestamp,
    ) -> Result<&Withdrawal, Rejection> {
        let withdrawal = self.known_withdrawal(&statement.withdrawal)?;
        if statement.operator != *sender {
            let (sender, signer) = (sender.clone(), statement.operator.clone());
            return Err(Rejection::StatementSender { sender, signer });
        }
        let keys = self.operators.get(&statement.operator).ok_or_else(|| {
            Rejection::UnknownPrincipal(format!("operator {}", statement.operator))
        })?;
        let expected = self.stated_effects(withdrawal);
        let differs = [
            (statement.domain != APPROVAL_DOMAIN, "domain"),
            (statement.vault != self.id, "vault"),
            (statement.effects.network != expected.network, "network"),
            (statement.effects.wallet != expected.wallet, "wallet"),
            (
                statement.effects.destination != expected.destination,
                "destination",
            ),
            (statement.effects.amount != expected.amount, "amount"),
            (statement.policy != self.policy.hash(), "policy"),
            (!is_statement_nonce(&statement.nonce), "nonce"),
            (statement.expires_at.as_ms() > MAX_EXACT, "expiry"),
        ];
        if let Some((_, field)) = differs.into_iter().find(|(wrong, _)| *wrong) {
            return Err(Rejection::StatementDiffers(field));
        }
        if statement.expires_at <= now {
            return Err(Rejection::StatementExpired(statement.expires_at));
        }
        if !statement.is_signed_by(keys, self.console.as_ref(), signature) {
            return Err(Rejection::StatementSignature(statement.operator.clone()));
        }
        Ok(withdrawal)
    }

    /// Whether policy asks this person about a withdrawal, and they didn't ask for it themselves.
    ///
    /// # Errors
    /// It doesn't, or they did.
    pub fn check_eligible(
        &self,
        withdrawal: &Withdrawal,
        operator: &OperatorId,
    ) -> Result<(), Rejection> {
        let initiated = withdrawal.request.initiator.operator() == Some(operator);
        if !initiated && may_approve(self.policy.groups(), withdrawal.requirements(), operator) {
            Ok(())
        } else {
            Err(Rejection::NotEligible(operator.clone()))
        }
    }

    pub(super) fn known_withdrawal(&self, id: &WithdrawalId) -> Result<&Withdrawal, Rejection> {
        self.withdrawals
            .get(id)
            .ok_or(Rejection::UnknownWithdrawal(*id))
    }
}

fn past(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Reject => "rejected",
        Decision::Cancel => "cancelled",
    }
}
