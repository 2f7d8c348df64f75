//! The API's edge: authenticate, validate, store, wait. Nothing is decided here, and no handler writes.

mod cold;
mod comparison;
mod connection;
mod enrolments;
mod freeze;
mod health;
mod hsm;
mod journal;
mod openapi;
mod path;
mod policy;
mod prices;
mod proposals;
mod replays;
mod reply;
mod router;
mod signed;
mod transactions;
mod wallets;
mod withdrawals;

use std::sync::Arc;

use custodyd_hsm::Hsm;
use metrics_exporter_prometheus::PrometheusHandle;

pub(crate) use comparison::Comparisons;
pub use connection::{Limits, serve, serve_within};
pub use replays::Replays;
pub use router::router;

use crate::{
    clock::Clock,
    console::Console,
    engine::{Inquiries, Pulse},
    intake::Intake,
    standing::Standing,
    store::Store,
};

/// What handlers share.
#[derive(Debug, Clone)]
pub struct AppState {
    /// Who may speak, under which policy.
    pub standing: Standing,
    /// The way to the engine.
    pub intake: Intake,
    /// What reads are served from.
    pub store: Store,
    /// The engine's health, when it runs in this process.
    pub pulse: Option<Arc<Pulse>>,
    /// The vault itself, to be asked, when the engine runs in this process.
    pub vault: Option<Inquiries>,
    /// The console's sessions.
    pub console: Arc<Console>,
    /// The HSM, when the engine runs in this process.
    pub hsm: Option<Arc<dyn Hsm>>,
    /// The journal's public key, hex.
    pub journal_key: String,
    /// The time.
    pub clock: Clock,
    /// How far a request's `created` may be off, seconds.
    pub max_skew_s: u64,
    /// What /metrics shows.
    pub metrics: PrometheusHandle,
    /// Nonces of reads seen lately.
    pub replays: Arc<Replays>,
}
