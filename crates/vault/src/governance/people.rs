//! Changes of who may speak to a vault. No two speakers have a key in common, and nobody is left without one.

use std::collections::BTreeSet;

use custodyd_policy::{ClientId, OperatorId};

use super::draft::Draft;
use crate::{ChangeFault, Client, Credential, Ed25519Key, Scope};

/// Operators of a vault at most.
pub(crate) const MAX_OPERATORS: usize = 256;
/// Credentials of one operator at most.
pub(crate) const MAX_CREDENTIALS: usize = 16;
/// Clients of a vault at most.
const MAX_CLIENTS: usize = 1_024;

impl Draft<'_> {
    pub(super) fn add_operator(
        &mut self,
        id: &OperatorId,
        credentials: &[Credential],
    ) -> Result<(), ChangeFault> {
        if self.operators.contains_key(id) {
            return Err(ChangeFault::OperatorExists(id.clone()));
        }
        at_most(self.operators.len(), MAX_OPERATORS, "operators")?;
        if credentials.is_empty() {
            return Err(ChangeFault::NoCredential(id.clone()));
        }
        self.operators.insert(id.clone(), Vec::new());
        for credential in credentials {
            self.add_credential(id, credential)?;
        }
        Ok(())
    }

    pub(super) fn remove_operator(&mut self, id: &OperatorId) -> Result<(), ChangeFault> {
        self.voided.insert(id.clone());
        // Whoever is sent away doesn't come back by a door that was left open.
        self.invitations
            .retain(|_, invitation| invitation.operator != *id);
        match self.operators.remove(id) {
            Some(_) => Ok(()),
            None => Err(ChangeFault::UnknownOperator(id.clone())),
        }
    }

    pub(super) fn add_credential(
        &mut self,
        id: &OperatorId,
        credential: &Credential,
    ) -> Result<(), ChangeFault> {
        self.check_key_is_free(credential)?;
        let held = self
            .operators
            .get_mut(id)
            .ok_or_else(|| ChangeFault::UnknownOperator(id.clone()))?;
        at_most(held.len(), MAX_CREDENTIALS, "credentials of one operator")?;
        held.push(credential.clone());
        Ok(())
    }

    pub(super) fn revoke_credential(
        &mut self,
        id: &OperatorId,
        credential: &Credential,
    ) -> Result<(), ChangeFault> {
        let held = self
            .operators
            .get_mut(id)
            .ok_or_else(|| ChangeFault::UnknownOperator(id.clone()))?;
        if !held.contains(credential) {
            return Err(ChangeFault::UnknownCredential(
                id.clone(),
                Box::new(credential.clone()),
            ));
        }
        held.retain(|key| key != credential);
        if held.is_empty() {
            return Err(ChangeFault::NoCredential(id.clone()));
        }
        self.voided.insert(id.clone());
        Ok(())
    }

    pub(super) fn add_client(
        &mut self,
        id: &ClientId,
        key: &Ed25519Key,
        scopes: &BTreeSet<Scope>,
    ) -> Result<(), ChangeFault> {
        if self.clients.contains_key(id) {
            return Err(ChangeFault::ClientExists(id.clone()));
        }
        at_most(self.clients.len(), MAX_CLIENTS, "clients")?;
        self.check_key_is_free(&(*key).into())?;
        let scopes = some_scopes(id, scopes)?;
        self.clients
            .insert(id.clone(), Client { key: *key, scopes });
        Ok(())
    }

    pub(super) fn remove_client(&mut self, id: &ClientId) -> Result<(), ChangeFault> {
        match self.clients.remove(id) {
            Some(_) => Ok(()),
            None => Err(ChangeFault::UnknownClient(id.clone())),
        }
    }

    pub(super) fn set_client_scopes(
        &mut self,
        id: &ClientId,
        scopes: &BTreeSet<Scope>,
    ) -> Result<(), ChangeFault> {
        let scopes = some_scopes(id, scopes)?;
        self.client(id)?.scopes = scopes;
        Ok(())
    }

    pub(super) fn rotate_client_key(
        &mut self,
        id: &ClientId,
        key: &Ed25519Key,
    ) -> Result<(), ChangeFault> {
        self.client(id)?;
        self.check_key_is_free(&(*key).into())?;
        self.client(id)?.key = *key;
        Ok(())
    }

    fn client(&mut self, id: &ClientId) -> Result<&mut Client, ChangeFault> {
        self.clients
            .get_mut(id)
            .ok_or_else(|| ChangeFault::UnknownClient(id.clone()))
    }

    /// The same key for two speakers would let one act as the other.
    pub(super) fn check_key_is_free(&self, key: &Credential) -> Result<(), ChangeFault> {
        let operators = self.operators.iter();
        let mut operators = operators.filter(|(_, keys)| keys.iter().any(|k| k.clashes(key)));
        let is_clients = |client: &Client| Credential::from(client.key) == *key;
        let mut clients = self.clients.iter().filter(|(_, client)| is_clients(client));
        let operator = operators.next().map(|(id, _)| format!("operator {id}"));
        let client = || clients.next().map(|(id, _)| format!("client {id}"));
        let mut invitations = self.invitations.keys();
        let invited = || {
            let own = invitations.find(|invitation| Credential::from(**invitation) == *key);
            own.map(|_| "an invitation".to_owned())
        };
        match operator.or_else(client).or_else(invited) {
            None => Ok(()),
            Some(owner) => Err(ChangeFault::KeyTaken(Box::new(key.clone()), owner)),
        }
    }
}

fn some_scopes(id: &ClientId, scopes: &BTreeSet<Scope>) -> Result<BTreeSet<Scope>, ChangeFault> {
    if scopes.is_empty() {
        Err(ChangeFault::NoScopes(id.clone()))
    } else {
        Ok(scopes.clone())
    }
}

pub(super) fn at_most(present: usize, most: usize, what: &'static str) -> Result<(), ChangeFault> {
    if present < most {
        Ok(())
    } else {
        Err(ChangeFault::TooMany { what, most })
    }
}
