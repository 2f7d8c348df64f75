//! `/v1/cold`: bundles out to the air-gapped signer, and back.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};

use super::{AppState, reply, signed::Signed};
use crate::{problem::Problem, request::ExportBody, view::ExportView};

/// Plans the approved cold withdrawals and prepares a bundle of them.
#[utoipa::path(
    post, path = "/v1/cold/exports", tag = "cold", request_body = ExportBody,
    responses((status = 202, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn export(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// An export.
#[utoipa::path(
    get, path = "/v1/cold/exports/{id}", tag = "cold", params(("id" = String, Path)),
    responses((status = 200, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    _signed: Signed,
) -> Result<Response, Problem> {
    let row = state
        .store
        .export(state.directory.vault().as_str(), &id)
        .await
        .map_err(reply::unavailable)?;
    let row =
        row.ok_or_else(|| Problem::not_found(format!("there is no export {}", id.escape_debug())))?;
    Ok(reply::raw(200, row.document))
}

/// Its bundle, as a .tar.
#[utoipa::path(
    get, path = "/v1/cold/exports/{id}/bundle", tag = "cold", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-tar", body = Vec<u8>), (status = "4XX", body = Problem))
)]
pub(super) async fn bundle(
    State(state): State<AppState>,
    Path(id): Path<String>,
    _signed: Signed,
) -> Result<Response, Problem> {
    let bytes = state
        .store
        .bundle(state.directory.vault().as_str(), &id)
        .await
        .map_err(reply::unavailable)?;
    let Some(bytes) = bytes else {
        let export = state
            .store
            .export(state.directory.vault().as_str(), &id)
            .await
            .map_err(reply::unavailable)?;
        return Err(match export {
            Some(_) => Problem::new(
                409,
                "not-built",
                "The bundle is not built yet",
                "ask again in a moment",
            ),
            None => Problem::not_found(format!("there is no export {}", id.escape_debug())),
        });
    };
    Ok(reply::typed(StatusCode::OK, "application/x-tar", bytes))
}

/// The signed bundle, as a .tar.
#[utoipa::path(
    post, path = "/v1/cold/imports", tag = "cold",
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses((status = 200, body = ExportView), (status = "4XX", body = Problem))
)]
pub(super) async fn import(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}
