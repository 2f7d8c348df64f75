//! Who looks at a page.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::COOKIE, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use custodyd_policy::OperatorId;

use crate::http::AppState;

/// An operator with a living session: they may look.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    /// Who.
    pub(crate) operator: OperatorId,
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let in_force = state.standing.now();
        let now = state.clock.now();
        state
            .console
            .session(&cookies(&parts.headers), &in_force.directory, now)
            .map(|(_, session)| Self {
                operator: session.operator,
            })
            .ok_or_else(|| Redirect::to("/console/login").into_response())
    }
}

/// All `Cookie` headers as one (RFC 6265 §5.4; HTTP/2 may split them).
pub(super) fn cookies(headers: &HeaderMap) -> String {
    let values = headers.get_all(COOKIE).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    texts.join("; ")
}
