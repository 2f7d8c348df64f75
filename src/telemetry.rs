//! Logs and metrics. No secret and no request body ever goes into either.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, filter::ParseError, util::TryInitError};

use custodyd_hsm::{Health, MemberStatus};

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
    describe_hsm();
    describe_histogram!(
        "custodyd_http_seconds",
        Unit::Seconds,
        "Time from a request's head to its answer, by route"
    );
}

/// The HSM's metrics, each by token. Read at each scrape, but for the canary's.
fn describe_hsm() {
    use metrics::{Unit, describe_counter, describe_gauge};
    for (name, meaning) in [
        (
            "custodyd_hsm_signatures_total",
            "Signatures made, verified and handed out",
        ),
        (
            "custodyd_hsm_bad_signatures_total",
            "Signatures that did not verify and were thrown away",
        ),
        ("custodyd_hsm_failures_total", "Calls that failed, by class"),
        (
            "custodyd_hsm_retries_total",
            "Attempts that failed and were tried again",
        ),
        ("custodyd_hsm_relogins_total", "Logins after the first"),
        ("custodyd_hsm_sessions_opened_total", "Sessions opened"),
        (
            "custodyd_hsm_stuck_calls_total",
            "Calls given up at their deadline inside the library",
        ),
        (
            "custodyd_hsm_canary_total",
            "Tests of a token's nonces, by verdict: sound, biased, not_possible, failed",
        ),
        (
            "custodyd_hsm_restarts_total",
            "Worker processes started after the first",
        ),
    ] {
        describe_counter!(name, Unit::Count, meaning);
    }
    for (name, meaning) in [
        (
            "custodyd_hsm_up",
            "1 if the token takes work, 0 if it is out",
        ),
        (
            "custodyd_hsm_recovering",
            "1 while a token that was out is tried with little work",
        ),
        (
            "custodyd_hsm_missing_keys",
            "Keys that it was asked for lately and lacks, while another token may have them",
        ),
        (
            "custodyd_hsm_stuck_workers",
            "Threads inside the library beyond their deadline",
        ),
        ("custodyd_hsm_queued", "Calls that wait"),
    ] {
        describe_gauge!(name, Unit::Count, meaning);
    }
}

/// Brings the HSM's metrics up to date.
pub fn record_hsm(members: &[MemberStatus]) {
    use metrics::{counter, gauge};
    for member in members {
        let (token, counters) = (&member.name, &member.counters);
        for (name, count) in [
            ("custodyd_hsm_signatures_total", counters.signatures),
            ("custodyd_hsm_bad_signatures_total", counters.bad_signatures),
            ("custodyd_hsm_retries_total", counters.retries),
            ("custodyd_hsm_relogins_total", counters.relogins),
            (
                "custodyd_hsm_sessions_opened_total",
                counters.sessions_opened,
            ),
            ("custodyd_hsm_stuck_calls_total", counters.stuck_calls),
            ("custodyd_hsm_restarts_total", member.restarts),
        ] {
            counter!(name, "token" => token.clone()).absolute(count);
        }
        for (class, count) in [
            ("retryable", counters.failures_retryable),
            ("fatal", counters.failures_fatal),
            ("misconfigured", counters.failures_misconfigured),
        ] {
            counter!("custodyd_hsm_failures_total", "token" => token.clone(), "class" => class)
                .absolute(count);
        }
        let out = matches!(member.health, Health::Out { .. });
        for (name, value) in [
            ("custodyd_hsm_up", u64::from(!out)),
            (
                "custodyd_hsm_recovering",
                u64::from(member.health == Health::Recovering),
            ),
            ("custodyd_hsm_missing_keys", member.missing_keys),
            ("custodyd_hsm_stuck_workers", counters.stuck_workers),
            ("custodyd_hsm_queued", counters.queued),
        ] {
            // No more than 32 bits of any of them mean anything.
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            gauge!(name, "token" => token.clone()).set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use custodyd_hsm::Counters;

    use super::*;

    fn member(name: &str, health: Health) -> MemberStatus {
        MemberStatus {
            name: name.into(),
            info: None,
            health,
            counters: Counters {
                signatures: 7,
                failures_fatal: 2,
                ..Counters::default()
            },
            restarts: 1,
            missing_keys: 3,
        }
    }

    #[test]
    fn a_scrape_tells_which_token_is_out() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let reason = "gone".to_owned();
        metrics::with_local_recorder(&recorder, || {
            record_hsm(&[
                member("hsm-a", Health::Up),
                member("hsm-b", Health::Out { reason }),
            ]);
        });
        let page = recorder.handle().render();
        for line in [
            r#"custodyd_hsm_up{token="hsm-a"} 1"#,
            r#"custodyd_hsm_up{token="hsm-b"} 0"#,
            r#"custodyd_hsm_signatures_total{token="hsm-b"} 7"#,
            r#"custodyd_hsm_failures_total{token="hsm-a",class="fatal"} 2"#,
            r#"custodyd_hsm_restarts_total{token="hsm-a"} 1"#,
            r#"custodyd_hsm_missing_keys{token="hsm-a"} 3"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
