//! Acts: what an operator does in the console is stated here, signed by their passkey, and goes the way of every other request.
//!
//! A session is needed to ask, and is worth nothing here by itself: the assertion decides, and the engine verifies it again.

mod copy;
mod download;
mod prepare;
mod target;

use std::sync::Arc;

use axum::{
    body::HttpBody as _,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use custodyd_policy::{OperatorId, Timestamp};
use tokio::sync::Semaphore;

pub(super) use self::prepare::prepare;
use self::target::Target;
use super::{posted, viewer::Viewer};
use crate::{
    directory::{Speaker, Sworn},
    engine,
    http::AppState,
    intake::{Submission, Submitted},
    problem::Problem,
    stored_request::{LONGEST_ACT_MS, PasskeyRequest, Stated, StoredRequest},
    telemetry::console::{self, ActKind},
};

/// Largest act, bytes: a proposal of 1 MiB in base64, and its statement.
const ACT_LIMIT: usize = 1_500 * 1024;
/// Largest act that brings a bundle, bytes: 16 MiB in base64.
const BUNDLE_ACT_LIMIT: usize = 22 * 1024 * 1024;
/// Acts with bundles that are taken in at a time: each is in memory several times over.
const MOST_BUNDLES: usize = 2;

/// Places for acts that bring a bundle.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MOST_BUNDLES))
}

/// `POST /console/acts`: an act, signed. Its answer is the API's own.
pub(super) async fn act(
    State(state): State<AppState>,
    viewer: Viewer,
    request: Request,
) -> Result<Response, Problem> {
    let body = request.into_body();
    let large = usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > ACT_LIMIT);
    let _place = if large {
        let places = &state.console.bundle_places;
        let place = places.try_acquire();
        Some(place.map_err(|_| {
            Problem::unavailable("other bundles are being imported; try again in a moment")
        })?)
    } else {
        None
    };
    let limit = if large { BUNDLE_ACT_LIMIT } else { ACT_LIMIT };
    let body = posted::read(body, limit).await?;
    let act: PasskeyRequest = posted::json(&body)?;
    drop(body);
    let now = state.clock.now();
    let sworn = verify(&state, &viewer, &act, now).map_err(|refused| {
        let monitoring = &state.monitoring;
        monitoring.told(refused, &viewer.operator, "/console/acts")
    })?;
    let target = Target::of(&act.stated)?;
    if large && !matches!(target, Target::Import) {
        return Err(Problem::new(
            413,
            "too-large",
            "The body is too large",
            format!("at most {ACT_LIMIT} bytes for this"),
        ));
    }
    let console = &state.console;
    console.check_counter(&state, &sworn, &act.target()).await?;
    copy::check(&state, &act.stated).await?;
    match target {
        Target::Read(download) => {
            let taken = &state.console.spent;
            taken.take(act.stated.nonce(), act.stated.expires_at(), now)?;
            download::serve(&state, &viewer.operator, &download).await
        }
        Target::Write | Target::Import => submit(&state, &viewer.operator, act).await,
    }
}

/// Everything that can be told without the engine, so that nonsense never reaches the inbox.
fn verify(
    state: &AppState,
    viewer: &Viewer,
    act: &PasskeyRequest,
    now: Timestamp,
) -> Result<Sworn, Problem> {
    if *act.stated.operator() != viewer.operator {
        return Err(Problem::forbidden(
            "this is stated by another operator than the one who is signed in",
        ));
    }
    fresh(&act.stated, state.max_skew_s, now)?;
    engine::sworn(&state.standing.now().directory, act)
}

/// Whether a statement is neither over, nor good for longer than anything that is made here.
fn fresh(stated: &Stated, max_skew_s: u64, now: Timestamp) -> Result<(), Problem> {
    let void =
        |detail: String| Problem::new(409, "statement-expired", "The statement is void", detail);
    let expires_at = stated.expires_at();
    if expires_at <= now {
        return Err(void("it expired; begin again".to_owned()));
    }
    let skew = max_skew_s.saturating_mul(1_000);
    let latest = now
        .as_ms()
        .saturating_add(LONGEST_ACT_MS)
        .saturating_add(skew);
    if expires_at.as_ms() > latest {
        return Err(void("it is good for longer than an act may be".to_owned()));
    }
    match stated {
        Stated::Act(act) if act.created_at.as_ms() > now.as_ms().saturating_add(skew) => {
            Err(void("it was made in the future".to_owned()))
        }
        _ => Ok(()),
    }
}

async fn submit(
    state: &AppState,
    operator: &OperatorId,
    act: PasskeyRequest,
) -> Result<Response, Problem> {
    let intent = act.intent()?;
    let kind = intent.kind();
    let stated = match act.stated {
        Stated::Act(_) => ActKind::Act,
        Stated::Approval(_) => ActKind::Approval,
        Stated::Governance(_) => ActKind::Governance,
    };
    let subject = act.target();
    let submission = Submission {
        speaker: Speaker::Operator(operator.clone()),
        nonce: act.stated.nonce().to_owned(),
        request: StoredRequest::Passkey(Box::new(act)),
        intent,
        key: None,
    };
    let vault = state.standing.vault().as_str();
    let submitted = state.intake.submit(vault, submission).await?;
    tracing::info!(%operator, kind, subject, "an act was handed in");
    let refused = matches!(&submitted, Submitted::Answered(outcome) if outcome.status >= 400);
    console::act(stated, !refused);
    Ok(match submitted {
        Submitted::Answered(outcome) => answer(outcome.status, outcome.body),
        Submitted::Pending(id) => pending(&id),
    })
}

/// `GET /console/acts/{id}`: the answer to an act that took longer than its request.
pub(super) async fn outcome(
    State(state): State<AppState>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let unavailable = |error| {
        tracing::error!(%error, "the database did not answer a read");
        Problem::unavailable("the database does not answer")
    };
    let is_id = id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let asked_by = if is_id {
        let vault = state.standing.vault().as_str();
        let asked = state.store.inbox_asked(vault, &id).await;
        asked.map_err(unavailable)?.map(|asked| asked.principal)
    } else {
        None
    };
    if asked_by != Some(format!("operator/{}", viewer.operator)) {
        return Err(Problem::not_found("there is no such act of yours"));
    }
    let outcome = state.store.outcome(&id).await.map_err(unavailable)?;
    Ok(match outcome {
        Some(outcome) => answer(outcome.status, outcome.body),
        None => pending(&id),
    })
}

/// An answer as the engine wrote it.
pub(super) fn answer(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if status.is_client_error() || status.is_server_error() {
        "application/problem+json"
    } else {
        "application/json"
    };
    (
        status,
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        body,
    )
        .into_response()
}

fn pending(id: &str) -> Response {
    let body = serde_json::json!({ "request": id, "status": "pending" });
    let mut response = answer(202, body.to_string());
    if let Ok(location) = HeaderValue::from_str(&format!("/console/acts/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
