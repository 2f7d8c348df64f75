//! Credentials that people brought, and the counters of passkeys.

use custodyd_passkey::CredentialId;
use custodyd_policy::{OperatorId, Timestamp};

use super::{ReplayFault, Touch};
use crate::{Credential, Ed25519Key, Vault};

impl Vault {
    /// Checked again, so that a journal in which somebody came in uninvited can't be replayed.
    pub(super) fn enrolled(
        &mut self,
        operator: &OperatorId,
        credential: &Credential,
        invitation: &Ed25519Key,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let invited = self.invitations.get(invitation);
        if !invited.is_some_and(|invited| at < invited.until && invited.operator == *operator) {
            return Err(self.impossible(&format!("{operator} was not invited")));
        }
        self.check_credential_is_free(credential)
            .map_err(|taken| self.impossible(&taken.to_string()))?;
        self.invitations.remove(invitation);
        let held = self.operators.entry(operator.clone()).or_default();
        held.push(credential.clone());
        Ok(Vec::new())
    }

    pub(super) fn passkey_counted(
        &mut self,
        credential: &CredentialId,
        counter: u32,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let last = self.counters.insert(credential.clone(), counter);
        if last.is_some_and(|last| last >= counter) || counter == 0 {
            return Err(self.impossible("a passkey's counter went back"));
        }
        Ok(Vec::new())
    }
}
