//! What came of asking somebody else. Silence is a refusal.

use custodyd_policy::{Timestamp, WithdrawalId};

use crate::{Event, Rejection, Vault, WithdrawalState};

/// Characters of a reason that are kept: it comes from outside.
const MOST_REASON: usize = 500;

impl Vault {
    pub(super) fn decide_screening_passed(
        &self,
        id: &WithdrawalId,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let event = match self.screening_ends(id)? {
            until if until <= now => too_late(id),
            _ => Event::ScreeningPassed { id: *id },
        };
        Ok(vec![event])
    }

    pub(super) fn decide_screening_refused(
        &self,
        id: &WithdrawalId,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        self.screening_ends(id)?;
        let plain = reason.chars().flat_map(char::escape_debug);
        Ok(vec![Event::ScreeningRefused {
            id: *id,
            reason: plain.take(MOST_REASON).collect(),
        }])
    }

    fn screening_ends(&self, id: &WithdrawalId) -> Result<Timestamp, Rejection> {
        let withdrawal = self.known_withdrawal(id)?;
        match withdrawal.state {
            WithdrawalState::Screening { until } => Ok(until),
            _ => Err(Rejection::NotNow(
                self.withdrawal_state_name(withdrawal),
                "screened",
            )),
        }
    }
}

/// Nobody answered in time.
pub(super) fn too_late(id: &WithdrawalId) -> Event {
    Event::ScreeningRefused {
        id: *id,
        reason: "the screening gave no answer in time".to_owned(),
    }
}
