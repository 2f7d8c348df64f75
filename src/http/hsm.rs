//! `/v1/hsm`: the tokens, and which of them work. Operators only: it names devices.

use axum::{extract::State, response::Response};
use custodyd_hsm::{Health, MemberStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, reply, signed::Signed};
use crate::problem::Problem;

/// The tokens that hold the vault's keys, with their health and what they did.
#[utoipa::path(
    get, path = "/v1/hsm", tag = "hsm",
    responses((status = 200, body = TokensView), (status = "4XX", body = Problem))
)]
pub(super) async fn tokens(
    State(state): State<AppState>,
    signed: Signed,
) -> Result<Response, Problem> {
    signed.operators_only("the HSM")?;
    let hsm = state
        .hsm
        .as_ref()
        .ok_or_else(|| Problem::unavailable("the HSM is not served by this process"))?;
    let tokens = hsm.members().into_iter().map(TokenView::from).collect();
    Ok(reply::raw(
        200,
        serde_json::to_string(&TokensView { tokens }).map_err(|_| Problem::internal())?,
    ))
}

/// The tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokensView {
    /// In the order of the configuration.
    tokens: Vec<TokenView>,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Its name in the configuration.
    name: String,
    /// `up`, `recovering` or `out`.
    health: &'static str,
    /// Why it is out.
    reason: Option<String>,
    /// What it said of itself when it was last open; none before the first time.
    device: Option<DeviceView>,
    /// Keys that it was asked for lately and lacks, while another token may have them.
    missing_keys: u64,
    /// Worker processes started after the first.
    restarts: u64,
    /// Signatures made, verified and handed out.
    signatures: u64,
    /// Signatures that did not verify and were thrown away.
    bad_signatures: u64,
    /// Calls that failed, of whatever class.
    failures: u64,
    /// Attempts that failed and were tried again.
    retries: u64,
    /// Logins after the first.
    relogins: u64,
    /// Calls that wait, now.
    queued: u64,
    /// Threads inside the library beyond their deadline, now.
    stuck_workers: u64,
}

/// What a token says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    label: String,
    serial: String,
    model: String,
    manufacturer: String,
    firmware: String,
}

impl From<MemberStatus> for TokenView {
    fn from(member: MemberStatus) -> Self {
        let (health, reason) = match member.health {
            Health::Up => ("up", None),
            Health::Recovering => ("recovering", None),
            Health::Out { reason } => ("out", Some(reason)),
        };
        let counters = member.counters;
        Self {
            name: member.name,
            health,
            reason,
            device: member.info.map(|info| DeviceView {
                label: info.label,
                serial: info.serial,
                model: info.model,
                manufacturer: info.manufacturer,
                firmware: info.firmware,
            }),
            missing_keys: member.missing_keys,
            restarts: member.restarts,
            signatures: counters.signatures,
            bad_signatures: counters.bad_signatures,
            failures: counters
                .failures_retryable
                .saturating_add(counters.failures_fatal)
                .saturating_add(counters.failures_misconfigured),
            retries: counters.retries,
            relogins: counters.relogins,
            queued: counters.queued,
            stuck_workers: counters.stuck_workers,
        }
    }
}
