//! What is to be signed, stated from what the engine knows: never from what a page says about itself.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use custodyd_passkey::CredentialId;
use custodyd_policy::{OperatorId, Timestamp, VaultId, WithdrawalId};
use custodyd_vault::{
    ACT_DOMAIN, APPROVAL_DOMAIN, ActStatement, Decision, GOVERNANCE_DOMAIN, GovernanceDecision,
    GovernanceStatement, ProposalId, Rejection, Statement, Vault,
};
use serde::{Deserialize, Serialize};

use super::{super::begun::random, copy, target::Target};
use crate::{
    console::{posted::Posted, viewer::Viewer},
    http::AppState,
    problem::Problem,
    request::check_idempotency_key,
    stored_request::Stated,
};

/// How long a statement is good: time to read it, and to find the key.
const LIFE_MS: u64 = 5 * 60 * 1_000;
/// Longest target, bytes.
const TARGET_LIMIT: usize = 2_048;

/// What somebody is about to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::console) struct PrepareBody {
    kind: Kind,
    method: String,
    target: String,
    /// SHA-256 of the body, hex; the body itself comes once, with the signature.
    #[serde(default)]
    body_sha256: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A decision on a withdrawal.
    Approval,
    /// A decision on a proposal.
    Governance,
    /// Anything else.
    Act,
}

/// What the passkey is asked to sign.
#[derive(Debug, Serialize)]
struct Prepared<'a> {
    stated: Stated,
    #[serde(with = "crate::console::base64url")]
    challenge: [u8; 32],
    rp_id: &'a str,
    /// The operator's passkeys.
    credentials: Vec<CredentialId>,
    /// The short code of a withdrawal's effects, to be compared with what is shown.
    code: Option<String>,
}

/// `POST /console/acts/prepare`
pub(in crate::console) async fn prepare(
    State(state): State<AppState>,
    viewer: Viewer,
    Posted(body): Posted<PrepareBody>,
) -> Result<Response, Problem> {
    if body.target.len() > TARGET_LIMIT {
        return Err(Problem::malformed("the target is too long"));
    }
    let in_force = state.standing.now();
    let console = in_force.directory.console().ok_or_else(Problem::internal)?;
    let operator = viewer.operator;
    let credentials = in_force.directory.passkeys(&operator).map(|p| p.id.clone());
    let credentials = credentials.collect();
    let maker = Maker {
        operator,
        nonce: hex::encode(random::<16>()?),
    };
    let stated = match body.kind {
        Kind::Act => maker.act(body, state.standing.vault(), state.clock.now())?,
        kind => maker.decision(&state, kind, &body).await?,
    };
    copy::check(&state, &stated).await?;
    let code = match &stated {
        Stated::Approval(statement) => Some(statement.code()),
        _ => None,
    };
    let prepared = Prepared {
        challenge: stated.challenge(),
        rp_id: console.id(),
        credentials,
        code,
        stated,
    };
    Ok(Json(prepared).into_response())
}

/// Who states, under which nonce.
struct Maker {
    operator: OperatorId,
    nonce: String,
}

impl Maker {
    fn act(self, body: PrepareBody, vault: &VaultId, now: Timestamp) -> Result<Stated, Problem> {
        Target::named(&body.method, &body.target)?;
        if let Some(key) = &body.idempotency_key {
            check_idempotency_key(key)?;
        }
        let body_sha256 = body.body_sha256.unwrap_or_else(|| EMPTY.to_owned());
        let is_hash = |text: &str| {
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_hash(&body_sha256) {
            return Err(Problem::malformed("body_sha256 is 64 hex digits"));
        }
        if body
            .content_type
            .as_ref()
            .is_some_and(|kind| kind.len() > 100)
        {
            return Err(Problem::malformed("the content type is too long"));
        }
        Ok(Stated::Act(ActStatement {
            domain: ACT_DOMAIN.to_owned(),
            vault: vault.clone(),
            method: body.method,
            target: body.target,
            content_type: body.content_type,
            idempotency_key: body.idempotency_key,
            body_sha256,
            created_at: now,
            expires_at: later(now),
            nonce: self.nonce,
            operator: self.operator,
        }))
    }

    async fn decision(
        self,
        state: &AppState,
        kind: Kind,
        body: &PrepareBody,
    ) -> Result<Stated, Problem> {
        let decided = Decided::read(kind, body)?;
        let inquiries = state.vault.as_ref();
        let inquiries = inquiries
            .ok_or_else(|| Problem::unavailable("the engine does not run in this process"))?;
        let asked = inquiries.ask(move |vault, now| self.decide(vault, decided, now));
        Ok(asked.await??)
    }

    fn decide(self, vault: &Vault, decided: Decided, now: Timestamp) -> Result<Stated, Rejection> {
        let (policy, expires_at) = (vault.policy().hash(), later(now));
        match decided {
            Decided::Withdrawal(id, decision) => {
                let withdrawal = vault.withdrawals().get(&id);
                let withdrawal = withdrawal.ok_or(Rejection::UnknownWithdrawal(id))?;
                Ok(Stated::Approval(Statement {
                    domain: APPROVAL_DOMAIN.to_owned(),
                    vault: vault.id().clone(),
                    withdrawal: id,
                    effects: vault.stated_effects(withdrawal),
                    decision,
                    policy,
                    expires_at,
                    nonce: self.nonce,
                    operator: self.operator,
                }))
            }
            Decided::Proposal(id, decision) => {
                let proposal = vault.proposals().get(&id);
                let proposal = proposal.ok_or_else(|| Rejection::UnknownProposal(id.clone()))?;
                Ok(Stated::Governance(GovernanceStatement {
                    domain: GOVERNANCE_DOMAIN.to_owned(),
                    vault: vault.id().clone(),
                    changes: proposal.digest.clone(),
                    proposal: id,
                    decision,
                    policy,
                    expires_at,
                    nonce: self.nonce,
                    operator: self.operator,
                }))
            }
        }
    }
}

/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn later(now: Timestamp) -> Timestamp {
    Timestamp::from_ms(now.as_ms().saturating_add(LIFE_MS))
}

/// What is decided on, and how.
enum Decided {
    Withdrawal(WithdrawalId, Decision),
    Proposal(ProposalId, GovernanceDecision),
}

impl Decided {
    fn read(kind: Kind, body: &PrepareBody) -> Result<Self, Problem> {
        let unknown = || {
            let (method, target) = (&body.method, &body.target);
            Problem::not_found(format!("{method} {target} is no decision"))
        };
        let parts: Vec<&str> = body.target.split('/').collect();
        match (kind, body.method.as_str(), parts.as_slice()) {
            (Kind::Approval, "POST", ["", "v1", "withdrawals", id, verb]) => {
                let decision = match *verb {
                    "approvals" => Decision::Approve,
                    "rejections" => Decision::Reject,
                    "cancellation" => Decision::Cancel,
                    _ => return Err(unknown()),
                };
                Ok(Self::Withdrawal(
                    id.parse().map_err(|_| unknown())?,
                    decision,
                ))
            }
            (Kind::Governance, "POST", ["", "v1", "proposals", id, verb]) => {
                let decision = match *verb {
                    "approvals" => GovernanceDecision::Approve,
                    "vetoes" => GovernanceDecision::Veto,
                    _ => return Err(unknown()),
                };
                Ok(Self::Proposal(id.parse().map_err(|_| unknown())?, decision))
            }
            _ => Err(unknown()),
        }
    }
}
