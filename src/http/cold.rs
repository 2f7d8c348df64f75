//! `/v1/cold`: bundles out to the air-gapped signer, and back. Operators only: a bundle holds everybody's withdrawals.

use axum::{extract::State, http::StatusCode, response::Response};
use custodyd_vault::ExportId;

use super::{AppState, large::Large, path::Id, reply, signed::Signed};
use crate::{problem::Problem, request::ExportBody, store::ExportRow, view::ExportView};

/// Largest returned bundle, bytes.
const BUNDLE_LIMIT: usize = 16 * 1024 * 1024;
/// Bundles taken in at a time: each is in memory several times over.
const MOST_IMPORTS: usize = 4;
const WHOSE: &str = "the cold path";

/// Plans the approved cold withdrawals and prepares a bundle of them.
#[utoipa::path(
    post, path = "/v1/cold/exports", tag = "cold", request_body = ExportBody,
    responses((status = 202, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn export(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(state.submit(signed).await)
}

/// An export.
#[utoipa::path(
    get, path = "/v1/cold/exports/{id}", tag = "cold", params(("id" = String, Path)),
    responses((status = 200, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Id(id): Id<ExportId>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(reply::raw(200, find(&state, &id).await?.document))
}

/// Its bundle, as a .tar.
#[utoipa::path(
    get, path = "/v1/cold/exports/{id}/bundle", tag = "cold", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-tar", body = Vec<u8>), (status = "4XX", body = Problem))
)]
pub(super) async fn bundle(
    State(state): State<AppState>,
    Id(id): Id<ExportId>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    let bytes = state
        .store
        .bundle(state.standing.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?;
    let Some(bytes) = bytes else {
        find(&state, &id).await?;
        return Err(Problem::new(
            409,
            "not-built",
            "The bundle is not built yet",
            "ask again in a moment",
        ));
    };
    Ok(reply::typed(StatusCode::OK, "application/x-tar", bytes))
}

/// The signed bundle, as a .tar.
#[utoipa::path(
    post, path = "/v1/cold/imports", tag = "cold",
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses((status = 200, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn import(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only(WHOSE)?;
    Ok(state.submit(signed).await)
}

/// How bundles come in.
pub(super) fn bundles() -> Large {
    let full = "other bundles are being imported; try again in a moment";
    Large::new(BUNDLE_LIMIT, MOST_IMPORTS, WHOSE, full)
}

async fn find(state: &AppState, id: &ExportId) -> Result<ExportRow, Problem> {
    state
        .store
        .export(state.standing.vault().as_str(), id.as_str())
        .await
        .map_err(reply::unavailable)?
        .ok_or_else(|| Problem::not_found(format!("there is no export {id}")))
}
