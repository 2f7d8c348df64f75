//! The API's edge: authenticate, validate, store, wait. Nothing is decided here, and no handler writes.

mod access;
mod addresses;
mod admission;
mod bucket;
mod certificate;
mod cold;
mod comparison;
mod connection;
mod enrolments;
mod entrance;
pub(crate) mod events;
mod expiry;
mod forwarded;
mod freeze;
mod health;
mod hsm;
mod journal;
mod large;
mod meters;
mod openapi;
mod path;
mod peer;
mod places;
mod policy;
mod prices;
mod proposals;
mod replays;
mod reply;
mod router;
mod scrape;
mod serving;
mod signed;
mod stall;
mod tls;
mod transactions;
mod wallets;
mod withdrawals;

use std::sync::Arc;

use custodyd_hsm::Hsm;
use metrics_exporter_prometheus::PrometheusHandle;

pub use access::warn_if_unheard;
pub use admission::Admission;
pub use certificate::Certificate;
pub(crate) use comparison::Comparisons;
pub use connection::serve;
pub use entrance::{Entrance, Limits};
pub use health::Monitoring;
pub use peer::{Peer, Visit};
pub use replays::Replays;
pub use router::router;
pub use tls::{Tls, TlsError};

use crate::{
    clock::Clock,
    console::Console,
    engine::{Inquiries, Pulse},
    feed::Feed,
    intake::Intake,
    standing::Standing,
    store::Store,
};

/// What handlers share, behind one pointer: every request takes several copies of it.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Shared>);

impl std::ops::Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl From<Shared> for AppState {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

/// What handlers share.
#[derive(Debug)]
pub struct Shared {
    /// Who may speak, under which policy.
    pub standing: Standing,
    /// The way to the engine.
    pub intake: Intake,
    /// What reads are served from.
    pub store: Store,
    /// What outsiders may hear of, as it is committed.
    pub feed: Feed,
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
    /// What watches this daemon.
    pub monitoring: Monitoring,
    /// How far a request's `created` may be off, seconds.
    pub max_skew_s: u64,
    /// What /metrics shows.
    pub metrics: PrometheusHandle,
    /// Nonces of reads seen lately.
    pub replays: Arc<Replays>,
    /// From where speakers may come, and how fast.
    pub admission: Arc<Admission>,
}
