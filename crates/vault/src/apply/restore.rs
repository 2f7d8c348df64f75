//! What a restore leaves behind: a vault that has forgotten payments, and with them what its limits had given out.

use custodyd_policy::Timestamp;

use super::{ReplayFault, Touch};
use crate::{Freeze, FreezeScope, Vault};

impl Vault {
    /// Nobody's freeze, whatever was frozen before: votes from before don't lift it.
    pub(super) fn restored(
        &mut self,
        last_seen: u64,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if last_seen < self.seq {
            return Err(self.impossible("nothing was lost"));
        }
        let freeze = Freeze {
            reason: format!(
                "the database was restored from an older copy: events {} to {last_seen} are lost, and what they paid is \
                 forgotten ({reason})",
                self.seq
            ),
            by: None,
            at,
            votes: Default::default(),
        };
        Ok(self.freeze(FreezeScope::Vault, freeze))
    }
}
