//! What stands before and around every page and act of the console: it is asked under its own name, by its own pages, and
//! what it answers may not be framed, mixed with other sites' content, or run anything but its own scripts.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use custodyd_passkey::RelyingParty;

use super::{login::set_cookie, viewer::session};
use crate::{http::AppState, problem::Problem};

/// Nothing but the console's own files, and nobody around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Everything a browser could ask its user for, less the passkeys that the console is about.
const PERMISSIONS: &str = "publickey-credentials-get=(self), publickey-credentials-create=(self), accelerometer=(), \
                           autoplay=(), bluetooth=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), \
                           gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), \
                           magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), \
                           picture-in-picture=(), screen-wake-lock=(), serial=(), storage-access=(), usb=(), \
                           window-management=(), xr-spatial-tracking=()";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Lets a request of the console's own pages through, and gives its answer what keeps it safe in a browser.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let admitted = match state.standing.now().directory.console() {
        Some(console) => admit(&parts, console),
        None => Err(Problem::not_found(
            "this vault has no console; operators propose one with set_console",
        )),
    };
    let headers = parts.headers.clone();
    let is_file = parts.uri.path().starts_with("/console/static/");
    let mut response = match admitted {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    if !is_file {
        exchange_token(&headers, &state, &mut response);
    }
    response
}

fn admit(parts: &Parts, console: &RelyingParty) -> Result<(), Problem> {
    check_host(&parts.headers, console)?;
    if parts.method.is_safe() {
        return Ok(());
    }
    check_site(&parts.headers, console)?;
    // A form of another site can send neither JSON nor anything but these two without being asked first (Fetch §4.8).
    if parts.uri.path() != "/console/logout" {
        check_json(&parts.headers)?;
    }
    Ok(())
}

/// Under another name the same page would be another site's: a name that points here for a moment (DNS rebinding).
fn check_host(headers: &HeaderMap, console: &RelyingParty) -> Result<(), Problem> {
    let host = one(headers, &header::HOST)?.unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let names = |origin: &String| {
        origin
            .split_once("://")
            .is_some_and(|(_, name)| name == host)
    };
    if console.origins().iter().any(names) {
        return Ok(());
    }
    Err(Problem::new(
        421,
        "host",
        "Not this console's name",
        "open the console under the address that the vault names for it",
    ))
}

/// Another site's page may not ask for anything, whatever cookie comes with it. Browsers say where a request is from, in one
/// way at least.
fn check_site(headers: &HeaderMap, console: &RelyingParty) -> Result<(), Problem> {
    let refused = |detail| {
        Err(Problem::new(
            403,
            "cross-site",
            "Not asked by the console",
            detail,
        ))
    };
    let site = one(headers, &HeaderName::from_static("sec-fetch-site"))?;
    let origin = one(headers, &header::ORIGIN)?;
    match (site, origin) {
        (Some("same-origin"), None | Some("null")) => Ok(()),
        (Some("same-origin") | None, Some(origin)) if console.origins().contains(origin) => Ok(()),
        (None, None) => {
            refused("neither Sec-Fetch-Site nor Origin says that a page of the console asks")
        }
        _ => refused("a page of another site asks"),
    }
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = one(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let title = "Unsupported media type";
    Err(Problem::new(
        415,
        "media-type",
        title,
        "send application/json",
    ))
}

/// A header that may come once at most.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str();
            text.map(Some)
                .map_err(|_| Problem::malformed(format!("the header {name} is not plain ASCII")))
        }
        (Some(_), Some(_)) => Err(Problem::malformed(format!("the header {name} came twice"))),
    }
}

/// A session's token is exchanged on the way out, unless this very answer begins or ends a session.
fn exchange_token(headers: &HeaderMap, state: &AppState, response: &mut Response) {
    if response.headers().contains_key(header::SET_COOKIE) {
        return;
    }
    let Some((token, _)) = session(headers, state) else {
        return;
    };
    match state.console.sessions.rotate(&token, state.clock.now()) {
        Ok(Some(fresh)) => set_cookie(response, &fresh),
        Ok(None) => {}
        Err(problem) => tracing::warn!(detail = problem.detail, "a session keeps its token"),
    }
}
