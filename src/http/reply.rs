//! Answers: JSON as the engine or the store wrote it, and problems as RFC 9457 has them.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    problem::Problem,
    store::{Cursor, StoreError},
};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = raw(self.status, body);
        let more = match self.status {
            // The rest of the request is not read, so the connection can't go on.
            408 | 411 | 413 => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            429 | 503 => {
                let seconds = self.retry_after.unwrap_or(1);
                Some((header::RETRY_AFTER, HeaderValue::from(seconds)))
            }
            _ => None,
        };
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, value);
        }
        response
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

/// A page of documents that are JSON already.
pub(super) fn page(documents: &[&str], next: Option<&Cursor>) -> Result<Response, Problem> {
    let next = next.map(ToString::to_string);
    let next = serde_json::to_string(&next).map_err(|_| Problem::internal())?;
    let items = documents.join(",");
    Ok(raw(200, format!("{{\"items\":[{items}],\"next\":{next}}}")))
}

/// 202: the request is stored, and its answer will be found under its id.
pub(super) fn pending(request: &str) -> Response {
    let document = serde_json::json!({ "request": request, "status": "pending" });
    raw(202, document.to_string())
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
