//! Logs and metrics. No secret and no request body ever goes into either.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, filter::ParseError, util::TryInitError};

use crate::config::Log;

/// Why telemetry can't start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter can't be read.
    #[error("log.filter: {0}")]
    Filter(#[from] ParseError),
    /// Another subscriber is there.
    #[error("logging: {0}")]
    Log(#[from] TryInitError),
    /// Another recorder is there.
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
}

/// Upper bounds of the latency histogram's buckets, seconds.
const LATENCY_BUCKETS: [f64; 10] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0,
];

/// Starts logging to standard error, and metrics.
///
/// # Errors
/// The filter can't be read, or the process has these already.
pub fn start(log: &Log) -> Result<PrometheusHandle, TelemetryError> {
    start_log(log)?;
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("custodyd_http_seconds".to_owned()),
            &LATENCY_BUCKETS,
        )?
        .install_recorder()?;
    describe();
    Ok(handle)
}

/// Starts logging to standard error, which is all that an HSM's worker process needs.
///
/// # Errors
/// The filter can't be read, or the process logs already.
pub fn start_log(log: &Log) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = EnvFilter::try_new(log.filter())?;
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if log.json {
        base.json().finish().try_init()?;
    } else {
        base.with_ansi(false).finish().try_init()?;
    }
    Ok(())
}

/// What each metric counts, as /metrics tells it. None of them names a person, an amount or an address.
fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    for (name, meaning) in [
        (
            "custodyd_http_requests_total",
            "Requests answered, by method, route and status",
        ),
        (
            "custodyd_journal_events_total",
            "Events written to the journal",
        ),
        ("custodyd_commits_total", "Group commits of the journal"),
        (
            "custodyd_batches_failed_total",
            "Batches given up and replayed from the journal",
        ),
        (
            "custodyd_effects_failed_total",
            "Effects that failed and will be tried again, by the part that failed",
        ),
    ] {
        describe_counter!(name, Unit::Count, meaning);
    }
    describe_histogram!(
        "custodyd_http_seconds",
        Unit::Seconds,
        "Time from a request's head to its answer, by route"
    );
}
