//! Logs and metrics. No secret and no request body ever goes into either.

pub mod catalogue;
pub mod console;
mod hsm;
pub mod nodes;
pub mod page;
pub mod process;
pub mod reading;
pub mod tally;
pub mod trail;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, filter::ParseError, util::TryInitError};

pub use hsm::record_hsm;

use self::catalogue::Kind;
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

/// Starts logging to standard error, and metrics.
///
/// # Errors
/// The filter can't be read, or the process has these already.
pub fn start(log: &Log) -> Result<PrometheusHandle, TelemetryError> {
    start_log(log)?;
    let mut builder = PrometheusBuilder::new();
    for metric in catalogue::all() {
        if let Kind::Histogram(buckets) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets.bounds())?;
        }
    }
    let handle = builder.install_recorder()?;
    describe();
    begin();
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

/// What each metric tells, as /metrics repeats it.
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    for metric in catalogue::all() {
        let unit = metric.library_unit();
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

/// Counters whose series are known in advance begin at nothing: an alert on the first needs a value before it.
fn begin() {
    use metrics::counter;
    for name in [
        "custodyd_commits_total",
        "custodyd_batches_failed_total",
        "custodyd_nonce_reuse_total",
        "custodyd_alert_facts_dropped_total",
    ] {
        counter!(name).increment(0);
    }
    for (name, label, values) in [
        (
            "custodyd_withdrawals_ended_total",
            "outcome",
            &tally::OUTCOMES[..],
        ),
        (
            "custodyd_approvals_total",
            "decision",
            &["approve", "reject"],
        ),
        ("custodyd_verdicts_total", "outcome", &tally::VERDICTS),
        (
            "custodyd_screenings_total",
            "result",
            &["passed", "refused", "failed"],
        ),
        (
            "custodyd_journal_audits_total",
            "result",
            &["sound", "faulty", "failed"],
        ),
        (
            "custodyd_alert_deliveries_total",
            "result",
            &["delivered", "failed", "given_up"],
        ),
    ] {
        for value in values {
            counter!(name, label => *value).increment(0);
        }
    }
    console::begin();
    metrics::gauge!("custodyd_alert_queue").set(0);
    let started = crate::clock::Clock::system().now().as_seconds();
    metrics::gauge!("custodyd_process_start_timestamp_seconds").set(started as f64);
}
