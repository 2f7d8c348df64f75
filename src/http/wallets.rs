//! `/v1/wallets`: balances, tiers, states, addresses.

use axum::{extract::State, response::Response};
use custodyd_policy::WalletId;
use custodyd_vault::{KeyId, Scope};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{AppState, path::Id, reply, signed::Signed};
use crate::{
    problem::Problem,
    request::AddressesBody,
    view::{KeyView, WalletView},
};

/// The vault's wallets.
#[utoipa::path(
    get, path = "/v1/wallets", tag = "wallets",
    responses((status = 200, body = WalletsView), (status = "4XX", body = Problem))
)]
pub(super) async fn list(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Addresses])?;
    let mut documents = Vec::new();
    let mut after = String::new();
    loop {
        let rows = state
            .store
            .wallets(state.standing.vault().as_str(), &after, 200)
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
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Addresses])?;
    let row = state
        .store
        .wallet(state.standing.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?;
    let row = row.ok_or_else(|| Problem::not_found(format!("there is no wallet {id}")))?;
    Ok(reply::raw(200, row.document))
}

/// One more receiving address of an online Bitcoin-family wallet, or as many as the body says: each a key of its own, on the
/// HSM or wrapped by it. Without a body the answer is the one key's document, with a body a list.
#[utoipa::path(
    post, path = "/v1/wallets/{id}/addresses", tag = "wallets", params(("id" = String, Path)),
    request_body = Option<AddressesBody>,
    responses((status = 202, body = KeysAsked, description = "asked of the HSM"), (status = "4XX", body = Problem))
)]
pub(super) async fn add_address(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// Which addresses to list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the shape of the query, for the description; it is read field by field"
)]
pub(super) struct AddressQuery {
    /// Where the list before ended: `next` of the page before, as it is.
    #[param(pattern = "^key_[0-9a-f]{32}$")]
    cursor: Option<String>,
    /// At most so many: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A wallet's keys and their addresses, in order of the keys' ids.
#[utoipa::path(
    get, path = "/v1/wallets/{id}/addresses", tag = "wallets",
    params(("id" = String, Path), AddressQuery),
    responses((status = 200, body = AddressesView), (status = "4XX", body = Problem))
)]
pub(super) async fn addresses(
    State(state): State<AppState>,
    Id(id): Id<WalletId>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Addresses])?;
    let mut query = super::policy::query(&signed.request.target, &["cursor", "limit"])?;
    let limit = super::policy::limit(query.remove("limit"))?;
    let after = query.remove("cursor");
    if let Some(Err(_)) = after.as_ref().map(|after| after.parse::<KeyId>()) {
        return Err(Problem::malformed("the cursor is not one of ours"));
    }
    let after = after.unwrap_or_default();
    let rows = state
        .store
        .wallet_keys(state.standing.vault().as_str(), id.as_str(), &after, limit)
        .await
        .map_err(reply::unavailable)?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().filter(|_| full).map(|row| row.id.clone());
    let next = serde_json::to_string(&next).map_err(|_| Problem::internal())?;
    let documents: Vec<String> = rows.into_iter().map(|row| row.document).collect();
    Ok(reply::raw(
        200,
        format!("{{\"items\":[{}],\"next\":{next}}}", documents.join(",")),
    ))
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct AddressesView {
    /// In order of id.
    items: Vec<KeyView>,
    /// The cursor of what comes next.
    next: Option<String>,
}

/// The one key's document, or those of as many as were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) enum KeysAsked {
    /// Asked for without a body.
    One(KeyView),
    /// Asked for with a count.
    Several(AddressesView),
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
