//! Stop, and go on again.

use axum::{extract::State, response::Response};

use super::{AppState, signed::Signed, wallets::WalletsView};
use crate::{problem::Problem, request::FreezeBody};

/// An operator stops planning, signing and sending, of one wallet or of the whole vault, at once.
#[utoipa::path(
    post, path = "/v1/freeze", tag = "freeze", request_body = FreezeBody,
    responses((status = 200, body = WalletsView), (status = "4XX", body = Problem))
)]
pub(super) async fn freeze(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// An operator votes to go on; the quorum that the policy names lifts the freeze.
#[utoipa::path(
    post, path = "/v1/unfreeze", tag = "freeze", request_body = FreezeBody,
    responses((status = 200, body = WalletsView), (status = "4XX", body = Problem))
)]
pub(super) async fn unfreeze(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}
