//! `/v1/transactions`: what was signed, what it does, how deep it is.

use axum::{extract::State, response::Response};
use custodyd_policy::ClientId;
use custodyd_vault::{Scope, TransactionId};

use super::{AppState, path::Id, reply, signed::Signed};
use crate::{directory::Speaker, problem::Problem, view::TransactionView};

/// A transaction: decoded effects, raw bytes, confirmations. A client sees those that pay its own withdrawals and nobody
/// else's, an operator all.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", tag = "transactions", params(("id" = String, Path)),
    responses((status = 200, body = TransactionView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id<TransactionId>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Withdraw])?;
    let missing = || Problem::not_found(format!("there is no transaction {id}"));
    let row = state
        .store
        .transaction(state.standing.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?
        .ok_or_else(missing)?;
    let mut view: TransactionView =
        serde_json::from_str(&row.document).map_err(|_| Problem::internal())?;
    if let Speaker::Client(client) = &signed.speaker
        && !pays_only(&state, client, &view).await?
    {
        return Err(missing());
    }
    let live = state
        .pulse
        .as_ref()
        .filter(|_| row.state == "confirmed")
        .and_then(|pulse| pulse.confirmations(&row.id));
    let Some(confirmations) = live else {
        return Ok(reply::raw(200, row.document));
    };
    view.confirmations = confirmations;
    Ok(reply::raw(
        200,
        serde_json::to_string(&view).map_err(|_| Problem::internal())?,
    ))
}

/// Whether each withdrawal that the transaction pays is this client's.
async fn pays_only(
    state: &AppState,
    client: &ClientId,
    view: &TransactionView,
) -> Result<bool, Problem> {
    for id in &view.withdrawals {
        let row = state
            .store
            .withdrawal(state.standing.vault().as_str(), id)
            .await
            .map_err(reply::unavailable)?;
        if row.is_none_or(|row| row.client != client.as_str()) {
            return Ok(false);
        }
    }
    Ok(!view.withdrawals.is_empty())
}
