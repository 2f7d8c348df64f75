//! Who may speak: the vault's clients and operators with their public keys.

use std::collections::BTreeMap;

use custodyd_httpsig::{Principal, SignedRequest, Verified};
use custodyd_policy::{ClientId, OperatorId, VaultId};
use custodyd_vault::{Ed25519Key, Genesis, Vault};

use crate::problem::Problem;

/// Whoever signed a request, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// A service.
    Client(ClientId),
    /// A person.
    Operator(OperatorId),
}

impl std::fmt::Display for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
        }
    }
}

/// The public keys of a vault's speakers.
#[derive(Debug, Clone)]
pub struct Directory {
    vault: VaultId,
    clients: BTreeMap<ClientId, Ed25519Key>,
    operators: BTreeMap<OperatorId, Vec<Ed25519Key>>,
}

impl From<&Genesis> for Directory {
    fn from(genesis: &Genesis) -> Self {
        Self {
            vault: genesis.vault.clone(),
            clients: genesis.clients.clone(),
            operators: genesis.operators.clone(),
        }
    }
}

impl From<&Vault> for Directory {
    fn from(vault: &Vault) -> Self {
        Self {
            vault: vault.id().clone(),
            clients: vault.clients().clone(),
            operators: vault.operators().clone(),
        }
    }
}

impl Directory {
    /// The vault they speak to.
    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// Who signed this request. `verify` checks it against one key; with several keys, one of them must hold.
    ///
    /// # Errors
    /// 401, alike for an unknown name and a wrong signature.
    pub fn authenticate(
        &self,
        request: &SignedRequest,
        verify: impl Fn(
            &ed25519_dalek::VerifyingKey,
        ) -> Result<Verified, custodyd_httpsig::HttpSigError>,
    ) -> Result<(Speaker, Verified), Problem> {
        let refuse = |e: &dyn std::fmt::Display| Problem::unauthenticated(e.to_string());
        let principal = request
            .parameters()
            .and_then(|p| p.principal())
            .map_err(|e| refuse(&e))?;
        let unknown = || Problem::unauthenticated("the key id is not known here");
        let (speaker, keys) = match &principal {
            Principal::Client(id) => {
                let id: ClientId = id.parse().map_err(|_| unknown())?;
                let keys = self
                    .clients
                    .get(&id)
                    .map(std::slice::from_ref)
                    .ok_or_else(unknown)?;
                (Speaker::Client(id), keys)
            }
            Principal::Operator(id) => {
                let id: OperatorId = id.parse().map_err(|_| unknown())?;
                let keys = self
                    .operators
                    .get(&id)
                    .map(Vec::as_slice)
                    .ok_or_else(unknown)?;
                (Speaker::Operator(id), keys)
            }
        };
        let mut last = unknown();
        for key in keys {
            match verify(&key.verifying_key()) {
                Ok(verified) => return Ok((speaker, verified)),
                Err(e) => last = refuse(&e),
            }
        }
        Err(last)
    }
}
