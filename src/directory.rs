//! Who may speak: the vault's clients and operators with their public keys.

use std::{collections::BTreeMap, sync::LazyLock};

use custodyd_httpsig::{HttpSigError, Principal, SignedRequest, Verified};
use custodyd_policy::{ClientId, Initiator, OperatorId, VaultId};
use custodyd_vault::{Client, Ed25519Key, Scope, Vault};
use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::problem::Problem;

/// Whoever signed a request, verified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// A service.
    Client(ClientId),
    /// A person.
    Operator(OperatorId),
}

impl From<Speaker> for Initiator {
    fn from(speaker: Speaker) -> Self {
        match speaker {
            Speaker::Client(id) => Self::Client(id),
            Speaker::Operator(id) => Self::Operator(id),
        }
    }
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
    clients: BTreeMap<ClientId, Client>,
    operators: BTreeMap<OperatorId, Vec<Ed25519Key>>,
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
    /// Those who may speak to a vault.
    pub fn new(
        vault: VaultId,
        clients: BTreeMap<ClientId, Client>,
        operators: BTreeMap<OperatorId, Vec<Ed25519Key>>,
    ) -> Self {
        Self {
            vault,
            clients,
            operators,
        }
    }

    /// Refuses a client what none of `scopes` lets it do. Operators need no scope: groups and quorums decide what they do.
    ///
    /// # Errors
    /// 403 of the type `scope`.
    pub fn check_scope(&self, speaker: &Speaker, scopes: &[Scope]) -> Result<(), Problem> {
        let Speaker::Client(id) = speaker else {
            return Ok(());
        };
        let client = self.clients.get(id);
        if client.is_some_and(|client| scopes.iter().any(|scope| client.may(*scope))) {
            return Ok(());
        }
        let wanted: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        Err(Problem::new(
            403,
            "scope",
            "Outside of the client's scopes",
            format!("client {id} lacks the scope {}", wanted.join(" or ")),
        ))
    }

    /// The vault they speak to.
    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// Who signed this request. `verify` checks it against one key; with several keys, one of them must hold.
    ///
    /// # Errors
    /// Unauthenticated. What is wrong with the request's form or time is told to anyone; whether a name is known is told to nobody:
    /// an unknown one is checked in the same way, against a key that nobody has.
    pub fn authenticate(
        &self,
        request: &SignedRequest,
        verify: impl Fn(&VerifyingKey) -> Result<Verified, HttpSigError>,
    ) -> Result<(Speaker, Verified), Problem> {
        let refuse = |e: HttpSigError| Problem::unauthenticated(e.to_string());
        let principal = request
            .parameters()
            .and_then(|p| p.principal())
            .map_err(refuse)?;
        let (speaker, keys) = match self.find(&principal) {
            Some((speaker, keys)) if !keys.is_empty() => (Some(speaker), keys),
            _ => (None, std::slice::from_ref(&*NOBODY)),
        };
        for key in keys {
            match (verify(&key.verifying_key()), &speaker) {
                (Ok(verified), Some(speaker)) => return Ok((speaker.clone(), verified)),
                (Ok(_), None) | (Err(HttpSigError::BadSignature { .. }), _) => {}
                (Err(e), _) => return Err(refuse(e)),
            }
        }
        Err(Problem::unauthenticated(
            "the key id is not known here, or the signature is not its key's",
        ))
    }

    fn find(&self, principal: &Principal) -> Option<(Speaker, &[Ed25519Key])> {
        match principal {
            Principal::Client(id) => {
                let id: ClientId = id.parse().ok()?;
                let client = self.clients.get(&id)?;
                Some((Speaker::Client(id), std::slice::from_ref(&client.key)))
            }
            Principal::Operator(id) => {
                let id: OperatorId = id.parse().ok()?;
                let keys = self.operators.get(&id)?;
                Some((Speaker::Operator(id), keys))
            }
        }
    }
}

/// What unknown names are checked against, so that they take as long as known ones. Its private half is no secret, and a
/// signature that it holds for still speaks for nobody.
static NOBODY: LazyLock<Ed25519Key> =
    LazyLock::new(|| SigningKey::from_bytes(&[0; 32]).verifying_key().into());

#[cfg(test)]
mod tests {
    use custodyd_httpsig::{UnsignedRequest, sign};

    use super::*;

    fn signed(keyid: &str, created: u64, key: &SigningKey) -> SignedRequest {
        let request = UnsignedRequest {
            method: "GET",
            authority: "localhost",
            target: "/v1/wallets",
            content_type: None,
            idempotency_key: None,
            body: b"",
        };
        sign(&request, keyid, "0123456789abcdef", created, key)
            .unwrap()
            .attach(&request)
    }

    #[test]
    fn an_unknown_name_and_a_wrong_signature_are_refused_alike() {
        let key = |byte| SigningKey::from_bytes(&[byte; 32]);
        let shop = Client {
            key: key(1).verifying_key().into(),
            scopes: [Scope::Read].into(),
        };
        let directory = Directory {
            vault: "main".parse().unwrap(),
            clients: BTreeMap::from([("shop".parse().unwrap(), shop)]),
            operators: BTreeMap::from([(
                "alice".parse().unwrap(),
                vec![key(2).verifying_key().into(), key(3).verifying_key().into()],
            )]),
        };
        let ask = |keyid: &str, created, byte| {
            let request = signed(keyid, created, &key(byte));
            directory.authenticate(&request, |key| request.verify(key, 1_000, 300))
        };
        let (speaker, verified) = ask("operator/alice", 1_000, 3).unwrap();
        assert_eq!(
            (speaker.to_string(), verified.keyid.as_str()),
            ("operator/alice".to_owned(), "operator/alice")
        );
        let wrong = ask("client/shop", 1_000, 2).unwrap_err();
        assert_eq!(wrong.status, 401);
        for (keyid, byte) in [
            ("client/nobody", 9),
            ("operator/nobody", 9),
            // Signed with the key that stands in for nobody's.
            ("client/nobody", 0),
            // A client's name is not an operator's, and the other way round.
            ("operator/shop", 1),
            ("client/alice", 2),
        ] {
            assert_eq!(ask(keyid, 1_000, byte).unwrap_err(), wrong, "{keyid}");
        }
        // Nor does an old signature tell whether the name is known.
        let stale = ask("client/shop", 1, 1).unwrap_err();
        assert_ne!(stale, wrong);
        assert_eq!(ask("client/nobody", 1, 9).unwrap_err(), stale);
    }

    #[test]
    fn a_client_does_what_its_scopes_name_and_an_operator_needs_none() {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key().into();
        let scopes = [Scope::Read, Scope::Prices].into();
        let directory = Directory::new(
            "main".parse().unwrap(),
            BTreeMap::from([("feed".parse().unwrap(), Client { key, scopes })]),
            BTreeMap::new(),
        );
        let feed = Speaker::Client("feed".parse().unwrap());
        assert_eq!(directory.check_scope(&feed, &[Scope::Prices]), Ok(()));
        assert_eq!(
            directory.check_scope(&feed, &[Scope::Withdraw, Scope::Read]),
            Ok(())
        );
        let refused = directory
            .check_scope(&feed, &[Scope::Withdraw])
            .unwrap_err();
        assert_eq!(
            (refused.status, refused.kind.as_str()),
            (403, "urn:custodyd:problem:scope")
        );
        let gone = Speaker::Client("gone".parse().unwrap());
        assert!(directory.check_scope(&gone, &[Scope::Read]).is_err());
        let alice = Speaker::Operator("alice".parse().unwrap());
        assert_eq!(directory.check_scope(&alice, &[Scope::Withdraw]), Ok(()));
    }
}
