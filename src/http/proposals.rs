//! `/v1/proposals`: what operators want changed, and what others say to it. Operators only: a proposal shows who guards
//! what.

use axum::{Extension, extract::State, response::Response};
use custodyd_vault::{Change, ProposalId, line_diff};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{AppState, comparison::Comparisons, large::Large, path::Id, reply, signed::Signed};
use crate::{
    problem::Problem,
    request::{GovernanceBody, ProposalBody},
    standing::PolicyDocument,
    store::Cursor,
    view::{PolicyDiffView, ProposalView},
};

/// Largest proposal, bytes: a policy, or a block list.
const PROPOSAL_LIMIT: usize = 1024 * 1024;
/// Proposals taken in at a time.
const MOST_PROPOSALS: usize = 8;
const WHOSE: &str = "governance";

/// How proposals come in.
pub(super) fn incoming() -> Large {
    let full = "other proposals are being taken in; try again in a moment";
    Large::new(PROPOSAL_LIMIT, MOST_PROPOSALS, WHOSE, full)
}

/// An operator proposes changes. The answer names who has to approve, and how long others may then still veto.
#[utoipa::path(
    post, path = "/v1/proposals", tag = "proposals", request_body = ProposalBody,
    responses((status = 201, body = ProposalView), (status = "4XX", body = Problem))
)]
pub(super) async fn create(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(state.submit(signed).await)
}

/// An operator approves what they signed. Nobody approves what they proposed.
#[utoipa::path(
    post, path = "/v1/proposals/{id}/approvals", tag = "proposals", request_body = GovernanceBody,
    params(("id" = String, Path)),
    responses((status = 200, body = ProposalView), (status = "4XX", body = Problem))
)]
pub(super) async fn approve(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(state.submit(signed).await)
}

/// An operator ends a proposal for good: one who is asked, or whoever made it.
#[utoipa::path(
    post, path = "/v1/proposals/{id}/vetoes", tag = "proposals", request_body = GovernanceBody,
    params(("id" = String, Path)),
    responses((status = 200, body = ProposalView), (status = "4XX", body = Problem))
)]
pub(super) async fn veto(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(state.submit(signed).await)
}

/// A proposal, and what a policy in it would change.
#[utoipa::path(
    get, path = "/v1/proposals/{id}", tag = "proposals", params(("id" = String, Path)),
    responses((status = 200, body = ProposalDocument), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id<ProposalId>,
    Extension(comparisons): Extension<Comparisons>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    let row = state
        .store
        .proposal(state.standing.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?
        .ok_or_else(|| Problem::not_found(format!("there is no proposal {id}")))?;
    let view: ProposalView =
        serde_json::from_str(&row.document).map_err(|_| Problem::internal())?;
    let in_force = state.standing.now();
    let proposed = proposed_policy(&view, &in_force.policy);
    let diff = proposed.map(|source| line_diff(&in_force.policy.source, source));
    let meaning = match proposed {
        Some(source) => Some(comparisons.compare(&in_force.policy, source).await),
        None => None,
    };
    let (policy_diff, policy_diff_fault) = match &meaning {
        Some(Ok(difference)) => (Some(difference.as_ref()), None),
        Some(Err(fault)) => (None, Some(fault.as_str())),
        None => (None, None),
    };
    let document = ProposalDocument {
        proposal: &view,
        diff,
        policy_diff,
        policy_diff_fault,
    };
    let text = serde_json::to_string(&document).map_err(|_| Problem::internal())?;
    Ok(reply::raw(200, text))
}

/// The policy in a proposal. Only of one that was made under the policy in force: what another one was compared with is
/// no longer in force, and such a proposal is void or has taken effect.
fn proposed_policy<'a>(view: &'a ProposalView, in_force: &PolicyDocument) -> Option<&'a str> {
    if view.policy != in_force.hash {
        return None;
    }
    view.changes.iter().find_map(|change| match change {
        Change::SetPolicy { source } => Some(source.as_str()),
        _ => None,
    })
}

/// States to list by; docs/ARCHITECTURE.md says what each means.
const STATES: [&str; 9] = [
    "voting",
    "delaying",
    "enacted",
    "vetoed",
    "withdrawn",
    "expired",
    "stale",
    "proposer_removed",
    "refused",
];

/// Which proposals to list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the shape of the query, for the description; it is read field by field"
)]
pub(super) struct ListQuery {
    /// Only those in this state.
    #[param(
        pattern = "^(voting|delaying|enacted|vetoed|withdrawn|expired|stale|proposer_removed|refused)$"
    )]
    state: Option<String>,
    /// Where the list before ended: `next` of the page before, as it is.
    #[param(pattern = "^(0|[1-9][0-9]{0,17})[.][A-Za-z0-9_-]{1,64}$")]
    cursor: Option<String>,
    /// At most so many: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Proposals, newest first.
#[utoipa::path(
    get, path = "/v1/proposals", tag = "proposals", params(ListQuery),
    responses((status = 200, body = ProposalsView), (status = "4XX", body = Problem))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    let mut query = super::policy::query(&signed.request.target, &["state", "cursor", "limit"])?;
    let cursor: Option<Cursor> = super::policy::cursor(query.remove("cursor"))?;
    let limit = super::policy::limit(query.remove("limit"))?;
    let wanted = super::policy::state(query.remove("state"), &STATES)?;
    let page = state
        .store
        .proposals(
            state.standing.vault().as_str(),
            wanted.as_deref(),
            cursor.as_ref(),
            limit,
        )
        .await
        .map_err(reply::unavailable)?;
    let documents: Vec<&str> = page.rows.iter().map(|row| row.document.as_str()).collect();
    reply::page(&documents, page.next.as_ref())
}

/// A proposal as it is shown alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProposalDocument<'a> {
    #[serde(flatten)]
    proposal: &'a ProposalView,
    /// What a policy in it would change of the one in force, line by line. Null without one, and once another is in force.
    diff: Option<String>,
    /// The same by meaning: requests whose verdict changes, with both verdicts. Null where `diff` is, and where
    /// `policy_diff_fault` says why there is none.
    policy_diff: Option<&'a PolicyDiffView>,
    /// Why there is no `policy_diff`: it takes longer than an answer may, or is too large.
    policy_diff_fault: Option<&'a str>,
}

/// A page of proposals.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct ProposalsView {
    /// The page.
    items: Vec<ProposalView>,
    /// The next page's cursor; null at the end.
    next: Option<String>,
}
