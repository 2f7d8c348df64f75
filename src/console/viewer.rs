//! Who looks at a page.

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{
        HeaderMap,
        header::{ACCEPT, COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Redirect, Response},
};
use custodyd_policy::OperatorId;

use super::{
    posted::Caller,
    session::{Session, Token, token_in},
};
use crate::{directory::Speaker, http::AppState, problem::Problem};

/// An operator with a living session: they may look.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    /// Who.
    pub(crate) operator: OperatorId,
    session: Session,
}

impl Viewer {
    /// Whether their session still lives: for what stays open longer than a token is good.
    pub(crate) fn still_looks(&self, state: &AppState) -> bool {
        let (in_force, now) = (state.standing.now(), state.clock.now());
        let sessions = &state.console.sessions;
        sessions.still_lives(&self.session, &in_force.directory, now)
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Some((_, session)) = session(&parts.headers, state) else {
            return Err(signed_out(parts));
        };
        let speaker = Speaker::Operator(session.operator.clone());
        Caller::of(parts)
            .and_then(|caller| caller.admit(state, &speaker))
            .map_err(IntoResponse::into_response)?;
        Ok(Self {
            operator: session.operator.clone(),
            session,
        })
    }
}

/// Somebody who opens a page is led to where they sign in; a script is told.
fn signed_out(parts: &Parts) -> Response {
    if !shows_a_page(&parts.headers) {
        return Problem::unauthenticated("sign in to the console; the session is over")
            .into_response();
    }
    let uri = parts.extensions.get::<OriginalUri>();
    let to = uri.and_then(|OriginalUri(uri)| uri.path_and_query());
    Redirect::to(&login_before(to.map_or("", |to| to.as_str()))).into_response()
}

/// The session that a request's cookie is of.
pub(super) fn session(headers: &HeaderMap, state: &AppState) -> Option<(Token, Session)> {
    let token = token_in(&cookies(headers))?;
    let in_force = state.standing.now();
    let (now, active) = (state.clock.now(), is_active(headers));
    let sessions = &state.console.sessions;
    let session = sessions.find(&token, &in_force.directory, active, now)?;
    Some((token, session))
}

/// Whether somebody does something, and no page left open looks for itself.
fn is_active(headers: &HeaderMap) -> bool {
    let listens = headers
        .get(ACCEPT)
        .is_some_and(|accept| accept == "text/event-stream");
    !listens && !headers.contains_key("x-custodyd-live")
}

/// All `Cookie` headers as one (RFC 6265 §5.4; HTTP/2 may split them).
fn cookies(headers: &HeaderMap) -> String {
    let values = headers.get_all(COOKIE).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    texts.join("; ")
}

/// Whether somebody opens a page, and no script asks. Browsers say so; for others their wish for HTML does.
fn shows_a_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Where to sign in, and come back from to a page of the console. Only plain paths are kept: nobody is sent elsewhere by a
/// link.
fn login_before(to: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-');
    if to.starts_with("/console/") && to.bytes().all(plain) {
        format!("/console/login?to={to}")
    } else {
        "/console/login".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_back_to_a_page_of_the_console_only() {
        assert_eq!(
            login_before("/console/withdrawals/wd_01"),
            "/console/login?to=/console/withdrawals/wd_01"
        );
        for elsewhere in [
            "//evil.example/console/",
            "/v1/withdrawals",
            "/console/queue?x=//evil.example",
            "/console/%2e%2e/",
            "",
        ] {
            assert_eq!(login_before(elsewhere), "/console/login", "{elsewhere}");
        }
    }
}
