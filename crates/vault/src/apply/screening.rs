//! Screening: somebody else looks at a payout before people do. They can end it, and never let it go.

use custodyd_policy::{Facts, Timestamp, WithdrawalId};

use super::{ReplayFault, Touch};
use crate::{Screened, Vault, WithdrawalState};

impl Vault {
    /// Until when a payout that policy allows is screened; nothing for one that needs no screening, or had it.
    pub(super) fn screened_until(
        &self,
        id: &WithdrawalId,
        facts: &Facts,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, ReplayFault> {
        let passed = self
            .withdrawals
            .get(id)
            .is_some_and(|w| matches!(w.screened, Some(Screened::Passed { .. })));
        let terms = self.policy.destinations().screening.as_ref();
        match terms.filter(|terms| !passed && terms.required_for.contains(&facts.class)) {
            None => Ok(None),
            Some(terms) => at
                .checked_add_ms(terms.deadline_ms)
                .map(Some)
                .ok_or_else(|| self.impossible("a time is out of range")),
        }
    }

    pub(super) fn screening_passed(
        &mut self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_screening(id)?;
        self.withdrawal_mut(id)?.screened = Some(Screened::Passed { at });
        let state = self.after_votes(id, at)?;
        self.move_withdrawal(id, state, at)
    }

    /// As final as a policy's denial, and nothing counts towards the limits any more.
    pub(super) fn screening_refused(
        &mut self,
        id: &WithdrawalId,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.only_screening(id)?;
        let reason = reason.to_owned();
        self.withdrawal_mut(id)?.screened = Some(Screened::Refused { at, reason });
        self.give_back(id)?;
        self.move_withdrawal(id, WithdrawalState::Denied, at)
    }

    fn only_screening(&self, id: &WithdrawalId) -> Result<(), ReplayFault> {
        self.only_from(id, "screened", |state| {
            matches!(state, WithdrawalState::Screening { .. })
        })
    }
}
