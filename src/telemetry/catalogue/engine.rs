//! Metrics of the API, the inbox, the engine and the journal.

use super::{Buckets, Metric};

pub(super) const METRICS: &[Metric] = &[
    Metric::counter(
        "custodyd_http_requests_total",
        &["method", "route", "status"],
        "Requests answered",
    ),
    Metric::histogram(
        "custodyd_http_seconds",
        Buckets::Latency,
        &["route"],
        "Time from a request's head to its answer",
    )
    .within("seconds"),
    Metric::counter(
        "custodyd_edge_refused_total",
        &["why"],
        "Connections and requests refused before they were read or answered: address_rate, client_rate, connections, places, handshake, certificate, origin",
    )
    .later(),
    Metric::gauge(
        "custodyd_tls_expires_timestamp_seconds",
        &["file"],
        "Unix time at which the first certificate or revocation list in use ends, of the files of http.tls: certificate, client_ca, client_crl; 0 if that can't be read",
    )
    .within("seconds")
    .later(),
    Metric::gauge(
        "custodyd_inbox_requests",
        &[],
        "Stored requests that the engine has not answered",
    ),
    Metric::gauge(
        "custodyd_inbox_oldest_seconds",
        &[],
        "Age of the oldest of them; 0 when there is none",
    )
    .within("seconds"),
    Metric::counter(
        "custodyd_requests_refused_total",
        &["code"],
        "Stored requests that the engine refused, by the last part of the problem's type",
    )
    .later(),
    Metric::histogram(
        "custodyd_batch_requests",
        Buckets::Batch,
        &[],
        "Stored requests answered by one commit",
    ),
    Metric::histogram(
        "custodyd_batch_events",
        Buckets::Batch,
        &[],
        "Events written by one commit",
    ),
    Metric::histogram(
        "custodyd_commit_seconds",
        Buckets::Latency,
        &[],
        "Time of one commit: the head's signature and the database's transaction",
    )
    .within("seconds"),
    Metric::counter("custodyd_commits_total", &[], "Commits of the journal"),
    Metric::counter(
        "custodyd_batches_failed_total",
        &[],
        "Batches given up and replayed from the journal",
    ),
    Metric::counter(
        "custodyd_journal_events_total",
        &["kind"],
        "Events written to the journal",
    ),
    Metric::gauge(
        "custodyd_journal_seq",
        &[],
        "Number of the journal's last event",
    ),
    Metric::gauge(
        "custodyd_journal_head_timestamp_seconds",
        &[],
        "Unix time of the last signed head",
    )
    .within("seconds"),
    Metric::gauge(
        "custodyd_anchor_seq",
        &[],
        "Number of the event that the anchor beside the database names; it lags behind the journal by moments",
    ),
    Metric::counter(
        "custodyd_journal_audits_total",
        &["result"],
        "Verifications of the whole journal while the daemon runs: sound, faulty, failed",
    ),
    Metric::counter(
        "custodyd_effects_failed_total",
        &["part"],
        "Effects that failed and will be tried again, by the part that failed",
    )
    .later(),
    Metric::gauge(
        "custodyd_trouble",
        &["part"],
        "1 for each part that doesn't work, as /readyz names it",
    )
    .later(),
    Metric::gauge(
        "custodyd_build_info",
        &["version"],
        "1, for the version that runs",
    ),
    Metric::gauge(
        "custodyd_process_resident_bytes",
        &[],
        "Memory that the process holds",
    )
    .within("bytes"),
    Metric::gauge(
        "custodyd_process_open_fds",
        &[],
        "File descriptors that the process holds",
    ),
    Metric::gauge(
        "custodyd_process_most_fds",
        &[],
        "File descriptors that the process may hold",
    ),
    Metric::gauge(
        "custodyd_process_start_timestamp_seconds",
        &[],
        "Unix time at which the process started",
    )
    .within("seconds"),
];
