//! The policy in force and how much of its limits is used; and how queries are read.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use custodyd_vault::Scope;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, reply, signed::Signed, withdrawals::PendingView};
use crate::{problem::Problem, standing::PolicyDocument, store::Cursor, view::LimitView};

/// The policy in force.
#[utoipa::path(
    get, path = "/v1/policy", tag = "policy",
    responses((status = 200, body = PolicyDocument), (status = "4XX", body = Problem))
)]
pub(super) async fn policy(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.within(&state, &[Scope::Read])?;
    Ok(reply::raw(
        200,
        serde_json::to_string(&state.standing.now().policy).map_err(|_| Problem::internal())?,
    ))
}

/// How much of each limit is used now.
#[utoipa::path(
    get, path = "/v1/limits", tag = "policy",
    responses((status = 200, body = LimitsView), (status = 202, body = PendingView), (status = "4XX", body = Problem))
)]
pub(super) async fn limits(State(state): State<AppState>, signed: Signed) -> Response {
    state.submit(signed).await
}

/// All limits.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct LimitsView {
    /// In order of id.
    limits: Vec<LimitView>,
    /// SHA-256 of the policy, hex.
    policy: String,
}

/// Reads a query strictly: known names, each once, plain values.
pub(super) fn query(target: &str, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let mut read = BTreeMap::new();
    let Some((_, query)) = target.split_once('?') else {
        return Ok(read);
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !known.contains(&name) {
            return Err(Problem::malformed(format!(
                "there is no query parameter {:?}",
                name
            )));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(Problem::malformed(format!(
                "the query parameter {name} has no plain value"
            )));
        }
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Problem::malformed(format!(
                "the query parameter {name} came twice"
            )));
        }
    }
    Ok(read)
}

/// Where a list goes on.
pub(super) fn cursor(text: Option<String>) -> Result<Option<Cursor>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|_| Problem::malformed("the cursor is not one of ours"))
    })
    .transpose()
}

/// One of these states, or any.
pub(super) fn state(text: Option<String>, known: &[&str]) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if !known.contains(&text.as_str()) => Err(Problem::malformed(format!(
            "there is no state {text:?} here"
        ))),
        text => Ok(text),
    }
}

/// A page's size: 50 unless stated, 200 at most.
pub(super) fn limit(text: Option<String>) -> Result<u32, Problem> {
    match text.map_or(Ok(50), |text| text.parse::<u32>()) {
        Ok(limit @ 1..=200) => Ok(limit),
        _ => Err(Problem::malformed("limit is 1 to 200")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_known_names_each_once() {
        assert_eq!(query("/v1/x", &["a"]).unwrap().len(), 0);
        assert_eq!(query("/v1/x?a=1", &["a"]).unwrap()["a"], "1");
        for wrong in [
            "/v1/x?b=1",
            "/v1/x?a=1&a=2",
            "/v1/x?a=%00",
            "/v1/x?a=1'or'1",
            "/v1/x?a",
        ] {
            assert!(query(wrong, &["a"]).is_err(), "{wrong}");
        }
        assert!(limit(Some("0".into())).is_err());
        assert!(limit(Some("201".into())).is_err());
    }
}
