//! Who may speak: the vault's clients and operators with their public keys.

use std::{collections::BTreeMap, sync::LazyLock};

use custodyd_httpsig::{
    Algorithm, Checked, Claimed, HttpSigError, PreparedKey, Principal, PublicKey, SignedRequest,
    SigningKey, Verified,
};
use custodyd_passkey::{Assertion, CredentialId, Passkey, RelyingParty};
use custodyd_policy::{ClientId, Initiator, OperatorId, VaultId};
use custodyd_vault::{Client, Credential, Ed25519Key, Rejection, Scope, Vault};

use crate::problem::Problem;

/// Whoever signed a request, verified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// A service.
    Client(ClientId),
    /// A person.
    Operator(OperatorId),
    /// Somebody who was invited to become one, by their invitation: they may enrol, and nothing else.
    Invitation(Ed25519Key),
}

impl Speaker {
    /// As whom they would ask for a withdrawal; who was only invited doesn't.
    pub fn initiator(&self) -> Option<Initiator> {
        match self {
            Self::Client(id) => Some(Initiator::Client(id.clone())),
            Self::Operator(id) => Some(Initiator::Operator(id.clone())),
            Self::Invitation(_) => None,
        }
    }
}

impl std::fmt::Display for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client/{id}"),
            Self::Operator(id) => write!(f, "operator/{id}"),
            Self::Invitation(key) => write!(f, "invitation/{key}"),
        }
    }
}

/// The public keys of a vault's speakers.
#[derive(Debug, Clone)]
pub struct Directory {
    vault: VaultId,
    clients: BTreeMap<ClientId, Service>,
    operators: BTreeMap<OperatorId, Person>,
    invitations: BTreeMap<Ed25519Key, OperatorId>,
    console: Option<RelyingParty>,
}

/// A client, with its key made ready: services sign many requests, people few.
#[derive(Debug, Clone)]
struct Service {
    client: Client,
    key: PreparedKey,
}

impl From<Client> for Service {
    fn from(client: Client) -> Self {
        let key = PreparedKey::new(client.key.verifying_key().into());
        Self { client, key }
    }
}

/// An operator's credentials, those that sign HTTP requests once more by themselves.
#[derive(Debug, Clone)]
struct Person {
    credentials: Vec<Credential>,
    keys: Vec<PublicKey>,
}

impl From<Vec<Credential>> for Person {
    fn from(credentials: Vec<Credential>) -> Self {
        let key = |credential: &Credential| match credential {
            Credential::Ed25519(key) => Some(key.verifying_key().into()),
            Credential::P256(key) => Some(key.verifying_key().into()),
            Credential::Passkey(_) => None,
        };
        let keys = credentials.iter().filter_map(key).collect();
        Self { credentials, keys }
    }
}

impl From<&Vault> for Directory {
    fn from(vault: &Vault) -> Self {
        let operators = vault.operators().clone();
        let mut directory = Self::new(vault.id().clone(), vault.clients().clone(), operators);
        let invited = vault.invitations().iter();
        directory.invitations = invited.map(|(key, i)| (*key, i.operator.clone())).collect();
        directory.console = vault.console().cloned();
        directory
    }
}

/// A request's signature, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Who signed.
    pub speaker: Speaker,
    /// With which of the speaker's keys.
    pub key: PublicKey,
    /// What the signature proves.
    pub verified: Verified,
}

/// A passkey's word, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sworn {
    /// Whose passkey it is.
    pub operator: OperatorId,
    /// Which.
    pub credential: CredentialId,
    /// Its signature counter.
    pub counter: u32,
}

impl Directory {
    /// Those who may speak to a vault.
    pub fn new(
        vault: VaultId,
        clients: BTreeMap<ClientId, Client>,
        operators: BTreeMap<OperatorId, Vec<Credential>>,
    ) -> Self {
        let person = |(id, credentials): (_, Vec<Credential>)| (id, credentials.into());
        let service = |(id, client): (_, Client)| (id, client.into());
        Self {
            vault,
            clients: clients.into_iter().map(service).collect(),
            operators: operators.into_iter().map(person).collect(),
            invitations: BTreeMap::new(),
            console: None,
        }
    }

    /// The same, where passkeys sign for this console.
    #[must_use]
    pub fn with_console(mut self, console: RelyingParty) -> Self {
        self.console = Some(console);
        self
    }

    /// The console that passkeys sign for.
    pub fn console(&self) -> Option<&RelyingParty> {
        self.console.as_ref()
    }

    /// The passkeys of an operator; none for a stranger.
    pub fn passkeys(&self, operator: &OperatorId) -> impl Iterator<Item = &Passkey> {
        let person = self.operators.get(operator);
        let credentials = person.map_or(&[][..], |person| &person.credentials);
        credentials.iter().filter_map(Credential::passkey)
    }

    /// Who holds a passkey.
    pub fn owner(&self, credential: &CredentialId) -> Option<(&OperatorId, &Passkey)> {
        self.operators.keys().find_map(|operator| {
            let passkey = self.passkeys(operator).find(|p| p.id == *credential)?;
            Some((operator, passkey))
        })
    }

    /// Whom an invitation is for.
    pub fn invited(&self, invitation: &Ed25519Key) -> Option<&OperatorId> {
        self.invitations.get(invitation)
    }

    /// Whether one of the operator's passkeys signed this challenge for this vault's console.
    ///
    /// # Errors
    /// 401, with what is wrong with the assertion. Whether the operator or the credential is known is not told.
    pub fn swear(
        &self,
        operator: &OperatorId,
        challenge: &[u8; 32],
        assertion: &Assertion,
    ) -> Result<Sworn, Problem> {
        let console = self.console.as_ref().ok_or(Rejection::NoConsole)?;
        let passkey = self
            .passkeys(operator)
            .find(|passkey| passkey.id == assertion.credential)
            .ok_or_else(|| {
                Problem::unauthenticated("the passkey is not known here, or was revoked")
            })?;
        let presence = assertion
            .verify(passkey, console, challenge)
            .map_err(|fault| Problem::unauthenticated(fault.to_string()))?;
        Ok(Sworn {
            operator: operator.clone(),
            credential: passkey.id.clone(),
            counter: presence.counter,
        })
    }

    /// Refuses a client what none of `scopes` lets it do. Operators need no scope: groups and quorums decide what they do.
    ///
    /// # Errors
    /// 403 of the type `scope`.
    pub fn check_scope(&self, speaker: &Speaker, scopes: &[Scope]) -> Result<(), Problem> {
        let id = match speaker {
            Speaker::Client(id) => id,
            Speaker::Operator(_) => return Ok(()),
            Speaker::Invitation(_) => {
                return Err(Problem::forbidden("an invitation is for enrolling only"));
            }
        };
        let client = self.clients.get(id).map(|service| &service.client);
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

    /// Who signed this request, within `max_skew_s` seconds of `now_s`, Unix seconds.
    ///
    /// # Errors
    /// Unauthenticated. What is wrong with the request's form or time is told to anyone; whether a name is known is told to nobody:
    /// an unknown one is checked in the same way, against a key that nobody has.
    pub fn authenticate(
        &self,
        request: &SignedRequest,
        now_s: u64,
        max_skew_s: u64,
    ) -> Result<Authenticated, Problem> {
        let claimed = request.claimed().map_err(refuse)?;
        self.whose(&claimed, |claimed| {
            claimed.in_time(now_s, max_skew_s)?;
            claimed.checked()
        })
    }

    /// As [`Directory::authenticate`], before the body has come: [`SignedRequest::check_body`] is still to be asked.
    ///
    /// # Errors
    /// The same.
    pub fn authenticate_head(
        &self,
        request: &SignedRequest,
        now_s: u64,
        max_skew_s: u64,
    ) -> Result<Authenticated, Problem> {
        let claimed = request.claimed().map_err(refuse)?;
        self.whose(&claimed, |claimed| {
            claimed.in_time(now_s, max_skew_s)?;
            claimed.checked_head()
        })
    }

    /// As [`Directory::authenticate`], of a request whose time was judged when it came.
    ///
    /// # Errors
    /// The same, but for its time.
    pub fn authenticate_stored(&self, request: &SignedRequest) -> Result<Authenticated, Problem> {
        let claimed = request.claimed().map_err(refuse)?;
        self.whose(&claimed, Claimed::checked)
    }

    /// Whose signature it is. `check` reads the request's form and digest, once; the keys only ever see what it gives, so that to
    /// have several of them costs no more than their signatures.
    fn whose<'a>(
        &self,
        claimed: &'a Claimed<'a>,
        check: impl FnOnce(&'a Claimed<'a>) -> Result<Checked<'a>, HttpSigError>,
    ) -> Result<Authenticated, Problem> {
        let parameters = claimed.parameters();
        let principal = parameters.principal().map_err(refuse)?;
        let checked = check(claimed).map_err(refuse)?;
        let (speaker, mut keys) = self.find(&principal).unzip();
        // A key of another kind can't have signed; to have none of this kind takes as long as to have the wrong one.
        let keys = keys.get_or_insert_default();
        keys.retain(|key| key.key().algorithm() == parameters.algorithm);
        let speaker = speaker.filter(|_| !keys.is_empty());
        if keys.is_empty() {
            keys.push(nobody(&principal, parameters.algorithm));
        }
        for key in keys {
            if let (Ok(verified), Some(speaker)) = (checked.verify(key), &speaker) {
                return Ok(Authenticated {
                    speaker: speaker.clone(),
                    key: *key.key(),
                    verified,
                });
            }
        }
        Err(Problem::unauthenticated(
            "the key id is not known here, or the signature is not its key's",
        ))
    }

    /// Whether the key is one of the speaker's: what it verified under an earlier directory, it would verify under this one.
    pub fn holds(&self, speaker: &Speaker, key: &PublicKey) -> bool {
        match speaker {
            Speaker::Client(id) => {
                let service = self.clients.get(id);
                service.is_some_and(|service| service.key.key() == key)
            }
            Speaker::Operator(id) => {
                let person = self.operators.get(id);
                person.is_some_and(|person| person.keys.contains(key))
            }
            Speaker::Invitation(invitation) => {
                self.invitations.contains_key(invitation)
                    && PublicKey::from(invitation.verifying_key()) == *key
            }
        }
    }

    fn find(&self, principal: &Principal) -> Option<(Speaker, Vec<PreparedKey>)> {
        match principal {
            Principal::Client(id) => {
                let id: ClientId = id.parse().ok()?;
                let service = self.clients.get(&id)?;
                Some((Speaker::Client(id), vec![service.key.clone()]))
            }
            Principal::Operator(id) => {
                let id: OperatorId = id.parse().ok()?;
                let keys = self.operators.get(&id)?.keys.iter().copied();
                Some((Speaker::Operator(id), keys.map(Into::into).collect()))
            }
            Principal::Invitation(key) => {
                let key = Ed25519Key::parse(key).ok()?;
                self.invitations.get(&key)?;
                let own = PublicKey::from(key.verifying_key());
                Some((Speaker::Invitation(key), vec![own.into()]))
            }
        }
    }
}

fn refuse(fault: HttpSigError) -> Problem {
    Problem::unauthenticated(fault.to_string())
}

/// What unknown names are checked against, so that they take as long as known ones: a service's key is prepared, a person's is not.
/// The private halves are no secret, and a signature that holds for them still speaks for nobody.
fn nobody(principal: &Principal, algorithm: Algorithm) -> PreparedKey {
    static SERVICE: LazyLock<PreparedKey> = LazyLock::new(|| PreparedKey::new(ed25519()));
    static PERSON: LazyLock<PreparedKey> = LazyLock::new(|| ed25519().into());
    static CARD: LazyLock<PreparedKey> = LazyLock::new(|| {
        let key = p256::ecdsa::SigningKey::from_slice(&[1; 32]);
        let key = key.expect("0x0101… is below the order of P-256");
        PublicKey::from(*key.verifying_key()).into()
    });
    let key = match (algorithm, principal) {
        (Algorithm::Ed25519, Principal::Client(_)) => &SERVICE,
        (Algorithm::Ed25519, Principal::Operator(_) | Principal::Invitation(_)) => &PERSON,
        (Algorithm::EcdsaP256Sha256, _) => &CARD,
    };
    PreparedKey::clone(key)
}

fn ed25519() -> PublicKey {
    SigningKey::from_bytes(&[0; 32]).verifying_key().into()
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
