//! Proposals.
use custodyd_policy::Timestamp;

use super::{ReplayFault, Touch};
use crate::{Event, Vault};

impl Vault {
    pub(super) fn governed(&mut self, event: &Event, _at: Timestamp) -> Result<Vec<Touch>, ReplayFault> {
        Err(self.impossible(event.kind()))
    }
}
