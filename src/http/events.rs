//! `GET /v1/events`: the feed as it is committed, for as long as somebody listens.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use custodyd_vault::Scope;
use futures_util::StreamExt as _;
use utoipa::IntoParams;

use super::{AppState, reply, signed::Signed};
use crate::{
    directory::Speaker,
    feed::{Audience, Follower, Refusal, follow},
    problem::Problem,
};

/// Where to begin, and with what.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the shape of the query, for the description; it is read field by field"
)]
pub(super) struct EventsQuery {
    /// Begins with the event after this one; with what comes from now on if absent. The header Last-Event-ID counts where this is
    /// absent, and must say the same where it isn't: it is not signed.
    after: Option<u64>,
    /// Only this type, such as `withdrawal.final`.
    r#type: Option<String>,
}

/// Events as they happen: server-sent events. A client hears of its own withdrawals, an operator of everything.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "the id of the last event that was heard")),
    responses((status = 200, body = String, content_type = "text/event-stream"),
        (status = 410, body = Problem, description = "what comes next is no longer kept"),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(super) async fn events(
    State(state): State<AppState>,
    headers: HeaderMap,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read, Scope::Withdraw])?;
    let mut query = super::policy::query(&signed.request.target, &["after", "type"])?;
    let after = begin(&headers, query.remove("after"))?;
    let mut audience = match &signed.speaker {
        Speaker::Client(id) => Audience::client(id.as_str()),
        Speaker::Operator(_) => Audience::default(),
        Speaker::Invitation(_) => {
            return Err(Problem::forbidden("an invitation is for enrolling alone"));
        }
    };
    audience.types.extend(query.remove("type"));
    let follower = Follower {
        name: signed.speaker.to_string(),
        audience,
        still: still_speaks(&state, signed),
    };
    open(&state, follower, after).await
}

/// A stream for somebody whom the caller knows, from the event after `after` on.
///
/// # Errors
/// 429 when there are too many, 410 and 409 when `after` is too old or not there, 503 without a database.
pub(crate) async fn open(
    state: &AppState,
    follower: Follower,
    after: Option<u64>,
) -> Result<Response, Problem> {
    let vault = state.standing.vault().as_str();
    let frames = follow(&state.feed, &state.store, vault, follower, after).await;
    let frames = frames.map_err(|refusal| match refusal {
        Refusal::Full(_) => Problem::new(429, "streams", "Too many streams", refusal.to_string()),
        Refusal::Gone { .. } => {
            Problem::new(410, "events-gone", "No longer kept", refusal.to_string())
        }
        Refusal::Ahead { .. } => {
            Problem::new(409, "events-ahead", "No such event", refusal.to_string())
        }
        Refusal::Store(error) => reply::unavailable(error),
    })?;
    let body = Body::from_stream(frames.map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // What reads along the way must hand each event on at once (nginx).
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// Where to begin. The signature covers `after` and not the header, which whoever stands between could change: so the header counts
/// where nothing else is said, for those who send it by themselves when they come back, and never against what was signed.
///
/// # Errors
/// Not a number, or two of them.
fn begin(headers: &HeaderMap, query: Option<String>) -> Result<Option<u64>, Problem> {
    let (header, query) = (
        last_heard(headers)?,
        number("the query parameter after", query)?,
    );
    if header.is_some() && query.is_some() && header != query {
        return Err(Problem::malformed(
            "the header Last-Event-ID is not signed, and says something else than the query parameter after; \
             leave the header out, or the parameter",
        ));
    }
    Ok(header.or(query))
}

fn last_heard(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all("last-event-id").iter();
    let text = values.next();
    if values.next().is_some() {
        return Err(Problem::malformed("the header Last-Event-ID came twice"));
    }
    let text = text.map(|value| value.to_str().unwrap_or_default().to_owned());
    number("the header Last-Event-ID", text)
}

fn number(place: &str, text: Option<String>) -> Result<Option<u64>, Problem> {
    text.map(|text| {
        let number = text.parse().ok().filter(|n| i64::try_from(*n).is_ok());
        number.ok_or_else(|| Problem::malformed(format!("{place} is not an event's number")))
    })
    .transpose()
}

/// Whether the key that signed is still its speaker's, and the scope too: asked again whenever who may speak has changed.
fn still_speaks(state: &AppState, signed: Signed) -> Box<dyn Fn() -> bool + Send + Sync> {
    let standing = state.standing.clone();
    let seen = Mutex::new(standing.now());
    Box::new(move || {
        let now = standing.now();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&seen, &now) {
            return true;
        }
        // Its age doesn't matter any more.
        let known = now.directory.authenticate_stored(&signed.request);
        let scopes = &[Scope::Read, Scope::Withdraw];
        let may = known.is_ok_and(|known| {
            let speaker = &known.speaker;
            *speaker == signed.speaker && now.directory.check_scope(speaker, scopes).is_ok()
        });
        if may {
            *seen = now;
        }
        may
    })
}
