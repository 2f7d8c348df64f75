//! Metrics of withdrawals, policy, governance and wallets. Amounts only where the configuration asks for them.

use super::Metric;

pub(super) const METRICS: &[Metric] = &[
    Metric::gauge(
        "custodyd_withdrawals_open",
        &["state"],
        "Withdrawals that something may still become of",
    ),
    Metric::gauge(
        "custodyd_withdrawals_oldest_seconds",
        &["state"],
        "Time since the oldest withdrawal in this state was asked for; 0 when there is none",
    )
    .within("seconds"),
    Metric::counter(
        "custodyd_withdrawals_ended_total",
        &["outcome"],
        "Withdrawals that ended: paid, failed, denied, rejected, expired, cancelled",
    ),
    Metric::counter(
        "custodyd_approvals_total",
        &["decision"],
        "Decisions of operators on withdrawals: approve, reject",
    ),
    Metric::counter(
        "custodyd_verdicts_total",
        &["outcome"],
        "Verdicts of the policy, repetitions included: allow, ask, hold, deny",
    ),
    Metric::counter(
        "custodyd_verdict_reasons_total",
        &["code", "subject"],
        "Reasons of verdicts, with the id of the rule or limit; beyond 256 ids the subject is other",
    )
    .later(),
    Metric::gauge(
        "custodyd_limit_use_ratio",
        &["limit"],
        "Share of a limit that is used in the window that ends now, by the key that uses most of it",
    ),
    Metric::counter(
        "custodyd_screenings_total",
        &["result"],
        "Questions to the screening service: passed, refused, failed",
    ),
    Metric::gauge(
        "custodyd_price_age_seconds",
        &["asset"],
        "Age of the last price; an asset without one is absent",
    )
    .within("seconds")
    .later(),
    Metric::gauge(
        "custodyd_freezes",
        &["scope"],
        "Freezes in force: vault, wallet, asset, client, destination",
    ),
    Metric::gauge(
        "custodyd_keys_compromised",
        &[],
        "Keys that signed twice with one nonce and never sign again",
    ),
    Metric::counter(
        "custodyd_nonce_reuse_total",
        &[],
        "Signatures thrown away because their key had used the nonce before",
    ),
    Metric::gauge(
        "custodyd_proposals_open",
        &["state"],
        "Proposals of changes: voting, delaying",
    ),
    Metric::gauge(
        "custodyd_proposals_oldest_seconds",
        &[],
        "Age of the oldest open proposal; 0 when there is none",
    )
    .within("seconds"),
    Metric::gauge(
        "custodyd_wallet_balance",
        &["wallet", "asset"],
        "What a wallet holds on the chain, in units of the asset; only with metrics.balances. Prometheus keeps floats: for show, not for books",
    )
    .later(),
    Metric::gauge(
        "custodyd_wallet_available",
        &["wallet", "asset"],
        "How much of that no transaction holds back; only with metrics.balances",
    )
    .later(),
    Metric::gauge(
        "custodyd_wallet_nonces_ahead",
        &["wallet"],
        "Account wallets: nonces that the chain counts and this vault never used; not 0 means that somebody else signs with the key",
    )
    .later(),
];
