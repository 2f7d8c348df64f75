//! `/v1/enrolments`: somebody who was invited brings the credential they will sign with.

use axum::{extract::State, response::Response};

use super::{AppState, signed::Signed};
use crate::{problem::Problem, request::EnrolmentBody};

/// Brings a credential. Signed with the invitation's key, under the key id `invitation/<public key>`; the invitation is used
/// up by it.
#[utoipa::path(
    post, path = "/v1/enrolments", tag = "operators", request_body = EnrolmentBody,
    responses((status = 201, body = EnrolmentBody), (status = "4XX", body = Problem))
)]
pub(super) async fn create(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}
