//! Health for machines. Unsigned, and silent about money unless the configuration says otherwise.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use custodyd_policy::OperatorId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, reply, scrape::Scrapes};
use crate::{
    alerts::{Alerts, Fact},
    condition::Condition,
    problem::Problem,
    telemetry::{
        self,
        page::Page,
        process,
        reading::{Reading, write_backlog},
    },
};

/// Longest wait for what a scrape asks the engine or the database; what doesn't answer is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// What watches a daemon.
#[derive(Debug, Clone, Default)]
pub struct Monitoring {
    /// Where facts go that somebody may have to hear of.
    pub alerts: Alerts,
    /// Whether `/metrics` shows what wallets hold.
    pub balances: bool,
    /// Pages of metrics that are being made.
    pub scrapes: Arc<Scrapes>,
}

impl Monitoring {
    /// Hands in what the refusal of something tells that never reached the engine, and gives it back.
    pub(crate) fn told(&self, refused: Problem, operator: &OperatorId, target: &str) -> Problem {
        let fact = Fact::of_answer(&refused, operator, target);
        self.alerts.see(fact.into_iter().collect());
        refused
    }
}

/// The process serves.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = LifeView)))]
pub(super) async fn healthz() -> Response {
    reply::raw(200, r#"{"status":"ok"}"#.to_owned())
}

/// Everything that a withdrawal needs works; otherwise which part does not.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = HealthView), (status = 503, body = HealthView))
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Response {
    let Condition { trouble, degraded } = Condition::read(&state).await;
    let (status, word) = if trouble.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let view = HealthView {
        status: word.to_owned(),
        trouble: trouble.into_keys().collect(),
        degraded: degraded.into_keys().collect(),
    };
    reply::typed(
        status,
        "application/json",
        serde_json::to_string(&view).unwrap_or_default(),
    )
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(()),
    responses((status = 200, content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let page = state.monitoring.scrapes.page(|| measured(&state)).await;
    reply::typed(StatusCode::OK, "text/plain; version=0.0.4", page)
}

/// What is measured now.
async fn measured(state: &AppState) -> String {
    if let Some(hsm) = &state.hsm {
        telemetry::record_hsm(&hsm.members());
    }
    state.console.sweep(state.clock.now());
    let mut page = Page::default();
    process::write(&mut page);
    if let Some(pulse) = &state.pulse {
        let trouble = pulse.trouble();
        // Of a key that is given up, its name is no label.
        let parts = trouble.keys().map(|part| match part.split_once(' ') {
            Some((first, _)) => first,
            None => part,
        });
        for part in parts.collect::<BTreeSet<_>>() {
            page.gauge("custodyd_trouble", &[("part", part)], 1);
        }
    }
    let backlog = state.store.backlog(state.standing.vault().as_str());
    if let Ok(Ok(backlog)) = tokio::time::timeout(PATIENCE, backlog).await {
        write_backlog(&mut page, &backlog, state.clock.now());
    }
    if let Some(vault) = &state.vault
        && let Ok(Ok(reading)) = tokio::time::timeout(PATIENCE, vault.ask(Reading::of)).await
    {
        reading.write(&mut page, state.monitoring.balances);
    }
    state.metrics.render() + &page.into_text()
}

/// A process that serves.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the shape of an answer, for the description")]
pub(super) struct LifeView {
    /// `ok`
    status: String,
}

/// Health.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    /// `ok`, `ready` or `not ready`.
    status: String,
    /// Names of the parts that don't work; the log says what is wrong with them.
    trouble: Vec<String>,
    /// Parts that don't work while others do their work: `hsm:` and a token's name, `screening`, `prices`, `alerts`, `feed`
    /// or `webhooks`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<String>,
}
