//! Whether a proposal would be taken, before a passkey is asked for it: read as the API reads it, decided on by the vault as
//! it would be, and forgotten. It changes nothing, so a session suffices; the words of a refusal are the API's.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use custodyd_vault::{Command, ProposalId, Propose};

use crate::{
    console::{Viewer, begun::random, posted},
    http::AppState,
    problem::Problem,
    request::Intent,
    stored_request::Asking,
};

/// Largest proposal that is looked at, bytes: one that a person filled in. A policy or a long block list is judged when it is proposed.
const LIMIT: usize = 32 * 1024;

/// `POST /console/governance/check`
///
/// # Errors
/// What the API would refuse it with.
pub(super) async fn check(
    State(state): State<AppState>,
    viewer: Viewer,
    request: Request,
) -> Result<Response, Problem> {
    let body = posted::read(request.into_body(), LIMIT).await?;
    let asking = Asking {
        method: "POST",
        target: "/v1/proposals",
        content_type: Some("application/json"),
        idempotency_key: None,
        body: &body,
    };
    let Intent::Propose(body) = Intent::read(asking)? else {
        return Err(Problem::internal());
    };
    let command = Command::Propose(Box::new(Propose {
        id: ProposalId::from_bytes(random()?),
        operator: viewer.operator,
        vault: body.vault,
        changes: body.changes,
        reason: body.reason,
        evidence: "".into(),
    }));
    let inquiries = state.vault.as_ref();
    let inquiries =
        inquiries.ok_or_else(|| Problem::unavailable("the engine does not run in this process"))?;
    let decided = inquiries.ask(move |vault, now| vault.decide(&command, now).map(|_| ()));
    decided.await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}
