//! `GET /console/events`: tells an open page that something changed, and nothing more. The page then fetches itself, so that
//! what it shows is the state and never a sum of messages; after a reconnect it is right whatever it missed.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;

use crate::{
    console::Viewer,
    feed::{Audience, Follower, Refusal, follow},
    http::AppState,
    problem::Problem,
};

/// Events that are told as one at most: whatever waits is one change to look at.
const AT_ONCE: usize = 64;

/// A stream that lasts as long as the session, counted under the operator's name.
///
/// # Errors
/// 429 when too many are open, 503 without a database.
pub(super) async fn events(
    State(state): State<AppState>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let follower = Follower {
        name: format!("console/{}", viewer.operator),
        audience: Audience::default(),
        still: still_looks(&state, viewer),
    };
    let vault = state.standing.vault().as_str();
    let frames = follow(&state.feed, &state.store, vault, follower, None).await;
    let frames = frames.map_err(|refusal| match refusal {
        Refusal::Store(_) => Problem::unavailable("the database does not answer"),
        other => Problem::new(429, "streams", "Too many streams", other.to_string()),
    })?;
    let told = frames
        .ready_chunks(AT_ONCE)
        .map(|frames| Ok::<_, Infallible>(told(&frames)));
    let headers: [(HeaderName, HeaderValue); 2] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // What reads along the way must hand each event on at once (nginx).
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, Body::from_stream(told)).into_response())
}

/// What a page hears of these pieces of the feed: one change if there is any event among them, else a sign of life.
fn told(frames: &[String]) -> String {
    if frames.iter().any(|frame| frame.starts_with("event:")) {
        return "event: change\ndata: change\n\n".to_owned();
    }
    match frames.iter().find(|frame| frame.starts_with("retry:")) {
        Some(retry) => retry.clone(),
        None => ": so far\n\n".to_owned(),
    }
}

/// Whether the session that asked still lives: one that ended hears nothing more.
fn still_looks(state: &AppState, viewer: Viewer) -> Box<dyn Fn() -> bool + Send + Sync> {
    let state = state.clone();
    Box::new(move || viewer.still_looks(&state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_hears_that_something_changed_and_not_what() {
        let event = "event: withdrawal.final\nid: 7\ndata: {\"amount\":\"1 LTC\"}\n\n";
        let life = ": so far\nid: 7\n\n";
        let frames = [life, event, event].map(str::to_owned);
        assert_eq!(told(&frames), "event: change\ndata: change\n\n");
        assert_eq!(told(&[life.to_owned()]), ": so far\n\n");
        assert_eq!(told(&["retry: 1000\n\n".to_owned()]), "retry: 1000\n\n");
    }
}
