//! Metrics of the HSM's tokens.

use super::Metric;

const TOKEN: &[&str] = &["token"];

pub(super) const METRICS: &[Metric] = &[
    Metric::gauge(
        "custodyd_hsm_up",
        TOKEN,
        "1 if the token takes work, 0 if it is out",
    ),
    Metric::gauge(
        "custodyd_hsm_recovering",
        TOKEN,
        "1 while a token that was out is tried with little work",
    ),
    Metric::gauge(
        "custodyd_hsm_missing_keys",
        TOKEN,
        "Keys that it was asked for lately and lacks, while another token may have them",
    ),
    Metric::gauge("custodyd_hsm_queued", TOKEN, "Calls that wait"),
    Metric::gauge(
        "custodyd_hsm_stuck_workers",
        TOKEN,
        "Threads inside the library beyond their deadline",
    ),
    Metric::counter(
        "custodyd_hsm_signatures_total",
        TOKEN,
        "Signatures made, verified and handed out",
    ),
    Metric::counter(
        "custodyd_hsm_bad_signatures_total",
        TOKEN,
        "Signatures that did not verify and were thrown away",
    ),
    Metric::counter(
        "custodyd_hsm_failures_total",
        &["token", "class"],
        "Calls that failed: retryable, fatal, misconfigured",
    ),
    Metric::counter(
        "custodyd_hsm_retries_total",
        TOKEN,
        "Attempts that failed and were tried again",
    ),
    Metric::counter(
        "custodyd_hsm_relogins_total",
        TOKEN,
        "Logins after the first",
    ),
    Metric::counter(
        "custodyd_hsm_sessions_opened_total",
        TOKEN,
        "Sessions opened",
    ),
    Metric::counter(
        "custodyd_hsm_stuck_calls_total",
        TOKEN,
        "Calls given up at their deadline inside the library",
    ),
    Metric::counter(
        "custodyd_hsm_restarts_total",
        TOKEN,
        "Worker processes started after the first",
    ),
    Metric::counter(
        "custodyd_hsm_canary_total",
        &["token", "verdict"],
        "Tests of a token's nonces: sound, biased, not_possible, failed; only with hsm.canary_s",
    )
    .later(),
    Metric::gauge(
        "custodyd_hsm_orphan_keys",
        &[],
        "Keys on the tokens, at the last start, that the vault does not know",
    ),
];
