//! `/v1/withdrawals`: ask, try, look, decide.

use axum::{extract::State, response::Response};
use custodyd_policy::{ClientId, WithdrawalId};
use custodyd_vault::Scope;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    AppState,
    path::{Id, RequestId},
    reply,
    signed::Signed,
};
use crate::{
    directory::Speaker,
    problem::Problem,
    request::{DecisionBody, SimulationBody, WithdrawalBody},
    store::Filter,
    view::{VerdictView, WithdrawalView},
};

/// Asks for a payout. The answer says what policy made of it.
#[utoipa::path(
    post, path = "/v1/withdrawals", tag = "withdrawals", request_body = WithdrawalBody,
    params(("Idempotency-Key" = String, Header, pattern = "^[!-~]{1,128}$", example = "order-7", description = "1 to 128 printable characters; asking again under it \
        gives the same withdrawal")),
    responses(
        (status = 201, body = WithdrawalView), (status = 200, body = WithdrawalView, description = "asked before"),
        (status = 202, body = PendingView, description = "stored; the answer will be at Location"),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(super) async fn create(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// What policy would answer; changes nothing.
#[utoipa::path(
    post, path = "/v1/withdrawals/simulate", tag = "withdrawals", request_body = SimulationBody,
    responses((status = 200, body = SimulationView), (status = "4XX", body = Problem))
)]
pub(super) async fn simulate(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// An operator approves what they signed.
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/approvals", tag = "withdrawals", request_body = DecisionBody,
    params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem))
)]
pub(super) async fn approve(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// An operator refuses, for good.
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/rejections", tag = "withdrawals", request_body = DecisionBody,
    params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem))
)]
pub(super) async fn reject(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// The client (without a body) or an operator (with a signed statement) takes it back, as long as nothing is planned.
#[utoipa::path(
    post, path = "/v1/withdrawals/{id}/cancellation", tag = "withdrawals", request_body = Option<DecisionBody>,
    params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem))
)]
pub(super) async fn cancel(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// A withdrawal. A client sees its own, an operator all.
#[utoipa::path(
    get, path = "/v1/withdrawals/{id}", tag = "withdrawals", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id<WithdrawalId>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Withdraw])?;
    let missing = || Problem::not_found(format!("there is no withdrawal {id}"));
    let row = state
        .store
        .withdrawal(state.standing.vault().as_str(), &id.to_string())
        .await
        .map_err(reply::unavailable)?;
    let row = row.ok_or_else(missing)?;
    match &signed.speaker {
        Speaker::Client(client) if client.as_str() != row.client => Err(missing()),
        _ => Ok(reply::raw(200, row.document)),
    }
}

/// States to list by; docs/ARCHITECTURE.md says what each means.
const STATES: [&str; 17] = [
    "received",
    "denied",
    "screening",
    "awaiting_approval",
    "holding",
    "approved",
    "rejected",
    "expired",
    "cancelled",
    "planned",
    "awaiting_cold_signature",
    "signed",
    "broadcast",
    "confirmed",
    "final",
    "conflicted",
    "failed",
];

/// Which withdrawals to list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the shape of the query, for the description; it is read field by field"
)]
pub(super) struct ListQuery {
    /// Only those in this state.
    #[param(
        pattern = "^(received|denied|screening|awaiting_approval|holding|approved|rejected|expired|cancelled|planned|awaiting_cold_signature|signed|broadcast|confirmed|final|conflicted|failed)$"
    )]
    state: Option<String>,
    /// Only those of this client.
    #[param(pattern = "^[a-z0-9-]{1,64}$")]
    client: Option<String>,
    /// Where the list before ended: `next` of the page before, as it is.
    #[param(pattern = "^(0|[1-9][0-9]{0,17})[.][A-Za-z0-9_-]{1,64}$")]
    cursor: Option<String>,
    /// At most so many: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Withdrawals, newest first. A client sees its own, an operator all.
#[utoipa::path(
    get, path = "/v1/withdrawals", tag = "withdrawals", params(ListQuery),
    responses((status = 200, body = WithdrawalsView), (status = "4XX", body = Problem))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Withdraw])?;
    let mut query = super::policy::query(
        &signed.request.target,
        &["state", "client", "cursor", "limit"],
    )?;
    let cursor = super::policy::cursor(query.remove("cursor"))?;
    let limit = super::policy::limit(query.remove("limit"))?;
    let wanted = query.remove("client").map(|id| id.parse::<ClientId>());
    let wanted = wanted
        .transpose()
        .map_err(|fault| Problem::malformed(fault.to_string()))?;
    let client = match &signed.speaker {
        Speaker::Client(client) => Some(client.to_string()),
        Speaker::Operator(_) | Speaker::Invitation(_) => wanted.map(|id| id.to_string()),
    };
    let filter = Filter {
        state: super::policy::state(query.remove("state"), &STATES)?,
        client,
        wallet: None,
    };
    let vault = state.standing.vault().as_str();
    let page = state
        .store
        .withdrawals(vault, &filter, cursor.as_ref(), limit)
        .await
        .map_err(reply::unavailable)?;
    let documents: Vec<&str> = page.rows.iter().map(|row| row.document.as_str()).collect();
    reply::page(&documents, page.next.as_ref())
}

/// The answer to a request that was stored but not answered in time. Only for whoever signed it.
#[utoipa::path(
    get, path = "/v1/requests/{id}", tag = "withdrawals", params(("id" = String, Path)),
    responses((status = 200, body = OwnAnswer, description = "as the request's own answer"),
        (status = 201, body = OwnAnswer, description = "likewise"), (status = 202, body = PendingView),
        (status = "4XX", body = Problem))
)]
pub(super) async fn outcome(
    State(state): State<AppState>,
    Id(id): Id<RequestId>,
    signed: Signed,
) -> Result<Response, Problem> {
    let id = id.as_str();
    let vault = state.standing.vault().as_str();
    let asked = state.store.inbox_asked(vault, id).await;
    let asked = asked
        .map_err(reply::unavailable)?
        .filter(|asked| asked.principal == signed.speaker.to_string())
        .ok_or_else(|| Problem::not_found(format!("there is no request {id}")))?;
    let outcome = state.store.outcome(id).await.map_err(reply::unavailable)?;
    match outcome {
        Some(outcome) => Ok(reply::raw(outcome.status, outcome.body)),
        None if asked.answered => Err(Problem::new(
            410,
            "answered-at-once",
            "The answer is not kept",
            "it was answered at once; a withdrawal that is repeated under its idempotency key is shown again",
        )),
        None => Ok(reply::pending(id)),
    }
}

/// Whatever the request's own answer is: a withdrawal, a proposal, an export, …
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = Object)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct OwnAnswer(serde_json::Value);

/// Stored, not answered yet.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct PendingView {
    /// Where to ask: /v1/requests/{request}.
    request: String,
    /// `pending`
    status: String,
}

/// A page of withdrawals.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct WithdrawalsView {
    /// The page.
    items: Vec<WithdrawalView>,
    /// The next page's cursor; null at the end.
    next: Option<String>,
}

/// What policy would answer.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct SimulationView {
    /// The wallet that would pay.
    wallet: String,
    /// What the destination is taken for.
    destination_class: String,
    /// The verdict.
    verdict: VerdictView,
    /// What was judged.
    #[schema(value_type = Object)]
    facts: serde_json::Value,
    /// Every rule and limit with each of its conditions: what it saw, what it wanted, whether it holds.
    #[schema(value_type = Object)]
    explanation: serde_json::Value,
}
