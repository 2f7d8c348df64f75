//! Invitations: how a credential that nobody has seen yet gets in without another vote. A quorum agrees to *who* may bring
//! one and until when; the invitation's private half, which only the person invited has, then signs *which*.

use std::collections::BTreeMap;

use custodyd_passkey::RelyingParty;
use custodyd_policy::{OperatorId, Timestamp};

use super::{draft::Draft, people};
use crate::{ChangeFault, Ed25519Key, decide::MAX_EXACT};

/// Invitations that may be open at a time.
const MAX_INVITATIONS: usize = 256;

/// Somebody may bring a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// As whom.
    pub operator: OperatorId,
    /// Until when.
    pub until: Timestamp,
}

/// Open invitations by their public half.
pub type Invitations = BTreeMap<Ed25519Key, Invitation>;

impl Draft<'_> {
    pub(super) fn invite(
        &mut self,
        operator: &OperatorId,
        invitation: &Ed25519Key,
        until: Timestamp,
    ) -> Result<(), ChangeFault> {
        self.check_key_is_free(&(*invitation).into())?;
        people::at_most(self.invitations.len(), MAX_INVITATIONS, "invitations")?;
        if until.as_ms() > MAX_EXACT {
            return Err(ChangeFault::InvitationTime);
        }
        let operator = operator.clone();
        let invited = Invitation { operator, until };
        self.invitations.insert(*invitation, invited);
        Ok(())
    }

    pub(super) fn uninvite(&mut self, invitation: &Ed25519Key) -> Result<(), ChangeFault> {
        match self.invitations.remove(invitation) {
            Some(_) => Ok(()),
            None => Err(ChangeFault::UnknownInvitation(Box::new(*invitation))),
        }
    }

    pub(super) fn set_console(&mut self, console: &RelyingParty) -> Result<(), ChangeFault> {
        if self.console.as_ref() == Some(console) {
            return Err(ChangeFault::SameConsole);
        }
        self.console = Some(console.clone());
        Ok(())
    }
}
