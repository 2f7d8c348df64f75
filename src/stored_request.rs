//! A request as it lies in the inbox and, as evidence, in the journal: signed over HTTP by a key (RFC 9421), or stated and
//! signed by a passkey in the console. Either can be verified for ever from its own bytes.

use custodyd_httpsig::SignedRequest;
use custodyd_passkey::Assertion;
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{ActStatement, GovernanceDecision, GovernanceStatement, Rejection, Statement};
use serde::{Deserialize, Serialize};

use crate::{
    json,
    problem::Problem,
    request::{DecisionBody, GovernanceBody, Intent},
};

/// Longest life of an act, milliseconds: one that is signed and never sent doesn't lie about for long.
pub const LONGEST_ACT_MS: u64 = 15 * 60 * 1_000;

/// Bytes of an ordinary request's text without its body.
const ROOM: usize = 768;

/// What a passkey's challenge is the hash of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stated {
    /// A decision on a withdrawal: its effects are stated.
    Approval(Statement),
    /// A decision on a proposal: its changes are stated.
    Governance(GovernanceStatement),
    /// Any other request, byte for byte.
    Act(ActStatement),
}

impl Stated {
    /// The 32 bytes that are the passkey's challenge.
    pub fn challenge(&self) -> [u8; 32] {
        match self {
            Self::Approval(statement) => statement.challenge(),
            Self::Governance(statement) => statement.challenge(),
            Self::Act(act) => act.challenge(),
        }
    }

    /// Who speaks.
    pub fn operator(&self) -> &OperatorId {
        match self {
            Self::Approval(statement) => &statement.operator,
            Self::Governance(statement) => &statement.operator,
            Self::Act(act) => &act.operator,
        }
    }

    /// When it stops being good.
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Approval(statement) => statement.expires_at,
            Self::Governance(statement) => statement.expires_at,
            Self::Act(act) => act.expires_at,
        }
    }

    /// What keeps it from being taken twice.
    pub fn nonce(&self) -> &str {
        match self {
            Self::Approval(statement) => &statement.nonce,
            Self::Governance(statement) => &statement.nonce,
            Self::Act(act) => &act.nonce,
        }
    }
}

/// A request that a passkey signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRequest {
    /// What was signed.
    pub stated: Stated,
    /// The body that an act names by its hash; empty for decisions, which state everything.
    #[serde(with = "base64_text")]
    pub body: Vec<u8>,
    /// The passkey's word on it.
    pub assertion: Assertion,
}

/// A request as it is stored.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are signed over HTTP; each lives for one request"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredRequest {
    /// Signed over HTTP.
    Signed(SignedRequest),
    /// Signed by a passkey.
    Passkey(Box<PasskeyRequest>),
}

/// The parts of a request that say what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// `POST`, …
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body's type.
    pub content_type: Option<&'a str>,
    /// The key under which a repetition is known.
    pub idempotency_key: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> From<&'a SignedRequest> for Asking<'a> {
    fn from(request: &'a SignedRequest) -> Self {
        Self {
            method: &request.method,
            target: &request.target,
            content_type: request.content_type.as_deref(),
            idempotency_key: request.idempotency_key.as_deref(),
            body: &request.body,
        }
    }
}

impl PasskeyRequest {
    /// What it asks for. A decision's statement is all of it; an act names method, target and body.
    ///
    /// # Errors
    /// As [`Intent::read`].
    pub fn intent(&self) -> Result<Intent, Problem> {
        let signature = || self.assertion.clone().into();
        if !matches!(self.stated, Stated::Act(_)) && !self.body.is_empty() {
            return Err(Problem::malformed(
                "a decision has no body beside its statement",
            ));
        }
        match &self.stated {
            Stated::Approval(statement) => {
                let (id, statement) = (statement.withdrawal, statement.clone());
                let signature = signature();
                let body = DecisionBody {
                    statement,
                    signature,
                };
                Ok(Intent::Decide(id, Box::new(body)))
            }
            Stated::Governance(statement) => {
                let (id, statement) = (statement.proposal.clone(), statement.clone());
                let signature = signature();
                let body = GovernanceBody {
                    statement,
                    signature,
                };
                Ok(Intent::DecideProposal(id, Box::new(body)))
            }
            Stated::Act(act) => Intent::read(Asking {
                method: &act.method,
                target: &act.target,
                content_type: act.content_type.as_deref(),
                idempotency_key: act.idempotency_key.as_deref(),
                body: &self.body,
            }),
        }
    }

    /// The path that it asks for, as over HTTP: for logs and measurements.
    pub fn target(&self) -> String {
        match &self.stated {
            Stated::Approval(statement) => format!("/v1/withdrawals/{}", statement.withdrawal),
            Stated::Governance(GovernanceStatement {
                proposal, decision, ..
            }) => match decision {
                GovernanceDecision::Approve => format!("/v1/proposals/{proposal}/approvals"),
                GovernanceDecision::Veto => format!("/v1/proposals/{proposal}/vetoes"),
            },
            Stated::Act(act) => act.target.clone(),
        }
    }

    /// Whether an act is about its body and this vault, and not good for longer than an act may be. Decisions are held against
    /// the withdrawal or the proposal by the vault.
    ///
    /// # Errors
    /// Names the member that is wrong.
    pub fn check_act(&self, vault: &custodyd_policy::VaultId) -> Result<(), Problem> {
        let Stated::Act(act) = &self.stated else {
            return Ok(());
        };
        act.check(vault, &self.body)?;
        let life = act
            .expires_at
            .as_ms()
            .saturating_sub(act.created_at.as_ms());
        if life > LONGEST_ACT_MS {
            return Err(Rejection::ActDiffers("expiry").into());
        }
        Ok(())
    }
}

/// How a stored passkey request begins; a request signed over HTTP begins with its method.
const PASSKEY_PREFIX: &str = "{\"stated\":";

impl StoredRequest {
    /// Reads what [`StoredRequest::to_text`] wrote.
    ///
    /// # Errors
    /// It is neither kind of request.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        if text.starts_with(PASSKEY_PREFIX) {
            serde_json::from_str(text).map(|request| Self::Passkey(Box::new(request)))
        } else {
            serde_json::from_str(text).map(Self::Signed)
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// Never: both are strings in objects.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Signed(request) => {
                let body = request.body.len().saturating_mul(2);
                json::text(request, ROOM.saturating_add(body))
            }
            Self::Passkey(request) => json::text(request, ROOM),
        }
    }

    /// What it asks for.
    ///
    /// # Errors
    /// As [`Intent::read`].
    pub fn intent(&self) -> Result<Intent, Problem> {
        match self {
            Self::Signed(request) => Intent::read(request.into()),
            Self::Passkey(request) => request.intent(),
        }
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Signed(request) => &request.body,
            Self::Passkey(request) => &request.body,
        }
    }

    /// The key under which a repetition is known.
    pub fn idempotency_key(&self) -> Option<&str> {
        match self {
            Self::Signed(request) => request.idempotency_key.as_deref(),
            Self::Passkey(request) => match &request.stated {
                Stated::Act(act) => act.idempotency_key.as_deref(),
                _ => None,
            },
        }
    }

    /// When it was signed, by its signer's clock; the beginning of time if it doesn't say.
    pub fn signed_at(&self) -> Timestamp {
        match self {
            Self::Signed(request) => {
                let seconds = request.parameters().map(|p| p.created).unwrap_or_default();
                Timestamp::from_ms(seconds.saturating_mul(1_000))
            }
            Self::Passkey(request) => match &request.stated {
                Stated::Act(act) => act.created_at,
                _ => Timestamp::default(),
            },
        }
    }
}

/// A body's bytes as base64 text.
mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
