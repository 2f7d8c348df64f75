//! Health for machines. Unsigned, and silent about money.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode, response::Response};
use custodyd_hsm::{Health, MemberStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, reply};
use crate::telemetry;

/// The process serves.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = HealthView)))]
pub(super) async fn healthz() -> Response {
    reply::raw(200, r#"{"status":"ok"}"#.to_owned())
}

/// Everything that a withdrawal needs works; otherwise which part does not.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = HealthView), (status = 503, body = HealthView))
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Response {
    let mut trouble = BTreeMap::new();
    match &state.pulse {
        Some(pulse) => {
            trouble.extend(pulse.trouble());
            if !pulse.is_running() {
                trouble.insert("engine".to_owned(), "it is not running".to_owned());
            }
        }
        None => {
            if let Err(error) = state.store.last_head(state.standing.vault().as_str()).await {
                trouble.insert("database".to_owned(), error.to_string());
            }
        }
    }
    // Nobody is asked again before the next payout that wants it, and none would come to a daemon that isn't ready.
    let unscreened = trouble.remove("screening").map(|_| "screening".to_owned());
    let members = state.hsm.iter().flat_map(|hsm| hsm.members());
    let (well, degraded): (Vec<_>, Vec<_>) = members.partition(is_well);
    let up = |member: &MemberStatus| !matches!(member.health, Health::Out { .. });
    if well.is_empty() && !degraded.is_empty() && !degraded.iter().any(up) {
        trouble.insert("hsm".to_owned(), "every token is out".to_owned());
    }
    if let Some(error) = state.store.write_trouble() {
        trouble.insert("database".to_owned(), error);
    }
    let (status, word) = if trouble.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let view = HealthView {
        status: word.to_owned(),
        trouble: trouble.into_keys().collect(),
        degraded: degraded
            .iter()
            .map(|member| format!("hsm:{}", member.name))
            .chain(unscreened)
            .collect(),
    };
    reply::typed(
        status,
        "application/json",
        serde_json::to_string(&view).unwrap_or_default(),
    )
}

fn is_well(member: &MemberStatus) -> bool {
    member.health == Health::Up && member.missing_keys == 0
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    if let Some(hsm) = &state.hsm {
        telemetry::record_hsm(&hsm.members());
    }
    reply::typed(
        StatusCode::OK,
        "text/plain; version=0.0.4",
        state.metrics.render(),
    )
}

/// Health.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    /// `ok`, `ready` or `not ready`.
    status: String,
    /// Names of the parts that don't work; the log says what is wrong with them.
    trouble: Vec<String>,
    /// Parts that don't work while others do their work: `hsm:` and a token's name, or `screening`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<String>,
}
