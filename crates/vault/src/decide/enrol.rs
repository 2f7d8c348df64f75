//! Credentials that people bring themselves, and the counters of passkeys.

use custodyd_passkey::CredentialId;
use custodyd_policy::{OperatorId, Timestamp};

use crate::{
    Credential, Enrol, Event, Rejection, Vault,
    governance::{MAX_CREDENTIALS, MAX_OPERATORS},
};

impl Vault {
    /// The request is signed by the invitation; here it has to be good, and the credential nobody's yet.
    pub(super) fn decide_enrol(
        &self,
        asked: &Enrol,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let Enrol {
            operator,
            credential,
            invitation,
            evidence,
        } = asked;
        let invited = self
            .invitations
            .get(invitation)
            .filter(|invited| now < invited.until && invited.operator == *operator)
            .ok_or(Rejection::NotInvited)?;
        if credential.passkey().is_some() && self.console.is_none() {
            return Err(Rejection::NoConsole);
        }
        self.check_credential_is_free(credential)?;
        let held = self.operators.get(&invited.operator);
        let full = match held {
            Some(held) => held.len() >= MAX_CREDENTIALS,
            None => self.operators.len() >= MAX_OPERATORS,
        };
        if full {
            return Err(Rejection::NoRoom(operator.clone()));
        }
        Ok(vec![Event::Enrolled {
            operator: operator.clone(),
            credential: credential.clone(),
            invitation: *invitation,
            evidence: evidence.clone(),
        }])
    }

    /// The same key for two speakers would let one act as the other.
    pub(crate) fn check_credential_is_free(
        &self,
        credential: &Credential,
    ) -> Result<(), Rejection> {
        let clients = self.clients.values().map(|client| client.key);
        let invitations = self.invitations.keys().copied();
        let others = clients.chain(invitations).map(Credential::from);
        let mut taken = self.operators.values().flatten().cloned().chain(others);
        if taken.any(|other| other.clashes(credential)) {
            return Err(Rejection::Taken(format!("the credential {credential}")));
        }
        Ok(())
    }

    /// A counter that doesn't grow tells of a copied passkey (WebAuthn Level 2 §6.1.1): nothing that comes with it counts.
    pub(super) fn decide_count(
        &self,
        operator: &OperatorId,
        credential: &CredentialId,
        counter: u32,
    ) -> Result<Vec<Event>, Rejection> {
        let last = self.counters.get(credential).copied().unwrap_or(0);
        if counter == 0 && last == 0 {
            return Ok(Vec::new());
        }
        if counter <= last {
            return Err(Rejection::PasskeyCopied {
                operator: operator.clone(),
                counter,
                last,
            });
        }
        Ok(vec![Event::PasskeyCounted {
            operator: operator.clone(),
            credential: credential.clone(),
            counter,
        }])
    }
}
