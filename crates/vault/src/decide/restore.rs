//! An older copy of the database was put in place, and somebody says so: the vault stops until a quorum knows.

use crate::{Event, Rejection, Vault, decide::is_plain_text};

impl Vault {
    /// `last_seen` is the newest event that this machine knew of before; what lies between is lost.
    pub(super) fn decide_restore(
        &self,
        last_seen: u64,
        reason: &str,
    ) -> Result<Vec<Event>, Rejection> {
        if reason.trim().is_empty() || !is_plain_text(reason, 500) {
            return Err(Rejection::ReasonForm);
        }
        if last_seen <= self.seq {
            return Err(Rejection::NothingLost(self.seq));
        }
        Ok(vec![Event::RestoreAccepted {
            last_seen,
            reason: reason.to_owned(),
        }])
    }
}
