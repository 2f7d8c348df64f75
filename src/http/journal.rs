//! `/v1/journal`: the events themselves, and the signed head, for whoever keeps a copy. Operators only: events hold
//! everybody's requests.

use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    AppState,
    policy::{limit, query},
    reply,
    signed::Signed,
};
use crate::problem::Problem;

/// Beyond it JSON numbers are not exact (RFC 8785 §3.2.2.3).
const MAX_ROW: u64 = 9_007_199_254_740_991;

/// Which rows to give.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the shape of the query, for the description; it is read field by field"
)]
pub(super) struct RowsQuery {
    /// Only rows after this one.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    after: Option<u64>,
    /// At most so many: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Journal rows, in order.
#[utoipa::path(
    get, path = "/v1/journal", tag = "journal", params(RowsQuery),
    responses((status = 200, body = RowsView), (status = "4XX", body = Problem))
)]
pub(super) async fn rows(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only("the journal")?;
    let mut query = query(&signed.request.target, &["after", "limit"])?;
    let after = query
        .remove("after")
        .map_or(Ok(0), |text| text.parse::<u64>());
    let after = after.ok().filter(|after| *after <= MAX_ROW);
    let after = after.ok_or_else(|| Problem::malformed("after is a row's number"))?;
    let limit = limit(query.remove("limit"))?;
    let rows = state
        .store
        .journal(state.standing.vault().as_str(), after, limit)
        .await
        .map_err(reply::unavailable)?;
    let rows: Result<Vec<_>, _> = rows
        .iter()
        .map(|row| {
            Ok::<_, serde_json::Error>(RowView {
                seq: row.seq,
                at: row.at_ms,
                kind: row.kind.clone(),
                event: serde_json::from_str(&row.event)?,
                prev_hash: hex::encode(row.prev_hash),
                hash: hex::encode(row.hash),
            })
        })
        .collect();
    let rows = rows.map_err(|_| Problem::internal())?;
    Ok(reply::raw(
        200,
        serde_json::to_string(&RowsView { rows }).map_err(|_| Problem::internal())?,
    ))
}

/// The last signed head: keep it, and a journal that was cut or rewritten can't pass for this one.
#[utoipa::path(
    get, path = "/v1/journal/checkpoint", tag = "journal",
    responses((status = 200, body = CheckpointView), (status = 404, description = "the journal is empty"), (status = "4XX", body = Problem))
)]
pub(super) async fn checkpoint(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only("the journal")?;
    let head = state
        .store
        .last_head(state.standing.vault().as_str())
        .await
        .map_err(reply::unavailable)?;
    let head = head.ok_or_else(|| Problem::not_found("the journal is empty"))?;
    let view = CheckpointView {
        vault: head.vault,
        seq: head.seq,
        at: head.at_ms,
        hash: hex::encode(head.hash),
        signature: hex::encode(head.signature),
        journal_key: state.journal_key.clone(),
    };
    Ok(reply::raw(
        200,
        serde_json::to_string(&view).map_err(|_| Problem::internal())?,
    ))
}

/// A row of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowView {
    seq: u64,
    at: u64,
    kind: String,
    #[schema(value_type = Object)]
    event: serde_json::Value,
    prev_hash: String,
    hash: String,
}

/// Rows of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowsView {
    rows: Vec<RowView>,
}

/// A signed head.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckpointView {
    vault: String,
    seq: u64,
    at: u64,
    hash: String,
    /// P-256, r ‖ s, hex.
    signature: String,
    /// The key that signed, compressed SEC1, hex.
    journal_key: String,
}
