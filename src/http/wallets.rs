//! `/v1/wallets`: balances, tiers, states, addresses.

use axum::{extract::State, response::Response};
use custodyd_policy::WalletId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, path::Id, reply, signed::Signed};
use crate::{
    problem::Problem,
    view::{KeyView, WalletView},
};

/// The vault's wallets.
#[utoipa::path(
    get, path = "/v1/wallets", tag = "wallets",
    responses((status = 200, body = WalletsView), (status = "4XX", body = Problem))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    _signed: Signed,
) -> Result<Response, Problem> {
    let mut documents = Vec::new();
    let mut after = String::new();
    loop {
        let rows = state
            .store
            .wallets(state.directory.vault().as_str(), &after, 200)
            .await
            .map_err(reply::unavailable)?;
        let Some(last) = rows.last() else { break };
        after = last.id.clone();
        documents.extend(rows.into_iter().map(|row| row.document));
    }
    Ok(reply::raw(
        200,
        format!("{{\"items\":[{}],\"next\":null}}", documents.join(",")),
    ))
}

/// A wallet.
#[utoipa::path(
    get, path = "/v1/wallets/{id}", tag = "wallets", params(("id" = String, Path)),
    responses((status = 200, body = WalletView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id<WalletId>,
    _signed: Signed,
) -> Result<Response, Problem> {
    let row = state
        .store
        .wallet(state.directory.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?;
    let row = row.ok_or_else(|| Problem::not_found(format!("there is no wallet {id}")))?;
    Ok(reply::raw(200, row.document))
}

/// One more receiving address of an online Bitcoin-family wallet: a key of its own in the HSM.
#[utoipa::path(
    post, path = "/v1/wallets/{id}/addresses", tag = "wallets", params(("id" = String, Path)),
    responses((status = 202, body = KeyView, description = "asked of the HSM"), (status = "4XX", body = Problem))
)]
pub(super) async fn add_address(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// All wallets.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct WalletsView {
    /// In order of name.
    items: Vec<WalletView>,
    /// Always null: one page holds them all.
    next: Option<String>,
}
