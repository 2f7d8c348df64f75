//! What is in force: who may speak, and under which policy. The engine says so after each commit that changes it, and the
//! API asks for every request, so that a key that was taken away is refused from that commit on.

use std::sync::{Arc, PoisonError, RwLock};

use custodyd_policy::{Policy, VaultId};
use custodyd_vault::Vault;
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Directory;

/// The policy in force, as read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PolicyDocument {
    /// Its TOML.
    pub source: String,
    /// SHA-256 of it, hex.
    pub hash: String,
}

impl From<&Policy> for PolicyDocument {
    fn from(policy: &Policy) -> Self {
        Self {
            source: policy.source().to_owned(),
            hash: policy.hash().to_string(),
        }
    }
}

/// Speakers and policy, as of one commit.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Who may speak.
    pub directory: Directory,
    /// What decides.
    pub policy: PolicyDocument,
}

impl From<&Vault> for InForce {
    fn from(vault: &Vault) -> Self {
        Self {
            directory: Directory::from(vault),
            policy: PolicyDocument::from(vault.policy()),
        }
    }
}

/// A shared view of what is in force. Clones see the same.
#[derive(Debug, Clone)]
pub struct Standing {
    vault: VaultId,
    now: Arc<RwLock<Arc<InForce>>>,
}

impl Standing {
    /// What is in force at the beginning.
    pub fn new(in_force: InForce) -> Self {
        Self {
            vault: in_force.directory.vault().clone(),
            now: Arc::new(RwLock::new(Arc::new(in_force))),
        }
    }

    /// The vault that all of this is about.
    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// What is in force now.
    pub fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on this is in force.
    pub fn set(&self, in_force: InForce) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
    }
}
