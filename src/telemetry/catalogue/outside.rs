//! Metrics of nodes, the console, webhooks and alerts: what faces the world outside.

use super::Metric;

pub(super) const METRICS: &[Metric] = &[
    Metric::gauge(
        "custodyd_node_up",
        &["network"],
        "1 if the last that was asked of the network's node was answered",
    ),
    Metric::gauge(
        "custodyd_node_height",
        &["network"],
        "Height of the best block that the node told",
    ),
    Metric::gauge(
        "custodyd_node_answer_timestamp_seconds",
        &["network"],
        "Unix time of the node's last good answer",
    )
    .within("seconds"),
    Metric::gauge(
        "custodyd_node_tip_timestamp_seconds",
        &["network"],
        "Unix time at which the height was last seen to change",
    )
    .within("seconds"),
    Metric::counter(
        "custodyd_node_failures_total",
        &["network"],
        "Questions to the node that failed",
    ),
    Metric::gauge(
        "custodyd_fee_rate",
        &["network", "part"],
        "The last fee quote. rate: satoshis per 1,000 virtual bytes; base_fee and tip: wei per gas",
    )
    .later(),
    Metric::gauge(
        "custodyd_fee_quote_age_seconds",
        &["network"],
        "Age of the last fee quote; a network that was never asked is absent",
    )
    .within("seconds")
    .later(),
    Metric::gauge(
        "custodyd_console_sessions",
        &[],
        "Living sessions of the console",
    ),
    Metric::counter(
        "custodyd_console_logins_total",
        &["result"],
        "Logins at the console: taken, refused, throttled",
    ),
    Metric::counter(
        "custodyd_console_acts_total",
        &["kind", "result"],
        "Acts handed in at the console, act, approval or governance: taken, refused",
    ),
    Metric::counter(
        "custodyd_console_enrolments_total",
        &["result"],
        "Passkeys that somebody tried to enrol: taken, refused",
    ),
    Metric::counter(
        "custodyd_console_copied_passkeys_total",
        &[],
        "Passkeys refused at the console because their signature counter went back",
    ),
    Metric::gauge("custodyd_event_streams", &[], "Streams of events that are open").later(),
    Metric::counter(
        "custodyd_webhook_deliveries_total",
        &["endpoint", "outcome"],
        "Tries to tell an endpoint of an event: delivered, refused, late, unreachable, unsigned, gone, unread; and given_up, pruned where there are no more",
    )
    .later(),
    Metric::gauge(
        "custodyd_webhook_pending",
        &["endpoint"],
        "Events in memory that an endpoint was not told yet",
    )
    .later(),
    Metric::gauge(
        "custodyd_webhook_oldest_seconds",
        &["endpoint"],
        "How long the oldest of them waits; 0 when there is none",
    )
    .within("seconds")
    .later(),
    Metric::gauge(
        "custodyd_webhook_disabled",
        &["endpoint"],
        "1 if the endpoint wanted no more (HTTP 410)",
    )
    .later(),
    Metric::counter("custodyd_alerts_total", &["kind"], "Alerts raised"),
    Metric::gauge("custodyd_alert_active", &["kind"], "Alerts that hold now"),
    Metric::counter(
        "custodyd_alert_deliveries_total",
        &["result"],
        "Attempts to deliver an alert: delivered, failed, given_up",
    ),
    Metric::gauge(
        "custodyd_alert_queue",
        &[],
        "Alerts that wait for their delivery",
    ),
    Metric::counter(
        "custodyd_alert_facts_dropped_total",
        &[],
        "Facts that alerts would have looked at, and that found their queue full",
    ),
];
