//! Between the verdict on a payout and its plan there may be days. What policy looked at is looked at once more, with the
//! plan's own fee, before anything is reserved; docs/adr/0019 says which facts are read anew, and why the others are not.

use custodyd_chain::Plan;
use custodyd_policy::{Facts, Outcome, Span, Timestamp, Verdict};

use crate::{Vault, Wallet, Withdrawal};

/// What policy says now, and why that doesn't let the payout go.
pub(super) struct Doubt {
    pub(super) reason: String,
    pub(super) verdict: Verdict,
}

impl Vault {
    /// Whether policy, asked about the plan, asks for nothing that the payout hasn't got.
    ///
    /// The limits are not asked: it counts towards them since it was admitted. Nor is the hour another one than that at
    /// which it was judged: a payout that people approved doesn't become unpayable at six o'clock.
    pub(super) fn recheck(
        &self,
        wallet: &Wallet,
        withdrawal: &Withdrawal,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Doubt> {
        let request = &withdrawal.request;
        let fresh = self.facts_of(
            withdrawal.id,
            &request.initiator,
            wallet,
            request.amount,
            &request.destination,
            now,
        );
        let judged_at = withdrawal.facts.as_ref().map_or(now, |facts| facts.at);
        let facts = Facts {
            fee: plan.fee(),
            at: judged_at,
            ..fresh
        };
        let verdict = self.policy.evaluate_admitted(&facts);
        match self.stricter(withdrawal, &verdict) {
            None => Ok(()),
            Some(reason) => Err(Doubt { reason, verdict }),
        }
    }

    /// What this verdict asks for beyond what the payout has.
    fn stricter(&self, withdrawal: &Withdrawal, verdict: &Verdict) -> Option<String> {
        match &verdict.outcome {
            Outcome::Deny | Outcome::HoldForLimit { .. } => {
                let why: Vec<_> = verdict.reasons.iter().map(ToString::to_string).collect();
                Some(format!("policy would refuse it now: {}", why.join("; ")))
            }
            Outcome::Allow {
                requirements,
                hold_ms,
            } => {
                let given = withdrawal.approvers();
                if let Err(missing) = self.policy.satisfied(requirements, &given) {
                    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
                    return Some(format!(
                        "policy asks for more approvals now: {}",
                        missing.join("; ")
                    ));
                }
                let held = withdrawal.hold_ms();
                (*hold_ms > held).then(|| {
                    format!(
                        "policy asks for a hold of {} now, and it was held for {}",
                        Span(*hold_ms),
                        Span(held)
                    )
                })
            }
        }
    }
}
