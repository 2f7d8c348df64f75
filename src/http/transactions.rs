//! `/v1/transactions`: what was signed, what it does, how deep it is.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{AppState, reply, signed::Signed};
use crate::{problem::Problem, view::TransactionView};

/// A transaction: decoded effects, raw bytes, confirmations.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", tag = "transactions", params(("id" = String, Path)),
    responses((status = 200, body = TransactionView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    _signed: Signed,
) -> Result<Response, Problem> {
    let row = state
        .store
        .transaction(state.directory.vault().as_str(), &id)
        .await
        .map_err(reply::unavailable)?;
    let row = row.ok_or_else(|| {
        Problem::not_found(format!("there is no transaction {}", id.escape_debug()))
    })?;
    let live = state
        .pulse
        .as_ref()
        .filter(|_| row.state == "confirmed")
        .and_then(|pulse| pulse.confirmations(&row.id));
    let Some(confirmations) = live else {
        return Ok(reply::raw(200, row.document));
    };
    let mut view: TransactionView =
        serde_json::from_str(&row.document).map_err(|_| Problem::internal())?;
    view.confirmations = confirmations;
    Ok(reply::raw(
        200,
        serde_json::to_string(&view).map_err(|_| Problem::internal())?,
    ))
}
