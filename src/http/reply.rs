//! Answers: JSON as the engine or the store wrote it, and problems as RFC 9457 has them.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{problem::Problem, store::StoreError};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        raw(self.status, body)
    }
}

/// A document that is JSON already.
pub(super) fn raw(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if status.is_client_error() || status.is_server_error() {
        "application/problem+json"
    } else {
        "application/json"
    };
    typed(status, kind, body)
}

/// A body of a given type.
pub(super) fn typed(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let headers: [(HeaderName, HeaderValue); 1] =
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, headers, body.into()).into_response()
}

/// The database doesn't answer: never a denial, never a 404.
pub(super) fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "the database did not answer a read");
    Problem::unavailable("the database does not answer")
}
