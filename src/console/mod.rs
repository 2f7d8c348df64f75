//! The console: pages for operators, rendered here, without anything from elsewhere.
//!
//! A session lets an operator look. Whatever they do is signed by their passkey, over exactly what would happen, and goes the
//! way of every other request: inbox, engine, journal.

mod acts;
pub mod assets;
mod base64url;
mod begun;
mod copies;
mod enrol;
mod guard;
mod login;
pub mod pages;
pub mod plot;
mod posted;
mod session;
#[cfg(test)]
mod session_tests;
mod spent;
mod throttle;
mod viewer;
pub mod words;

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use custodyd_policy::Timestamp;
use tokio::sync::Semaphore;

pub use login::LOGIN_DOMAIN;
pub use session::{Lifetime, Session, Sessions};
pub(crate) use viewer::Viewer;

use self::{
    begun::Begun,
    enrol::Enrolling,
    spent::{Counters, Spent},
    throttle::Throttle,
};
use crate::http::AppState;

/// What the console's handlers share beside the API's state. All of it is in memory: a restart ends sessions, and loses nothing
/// that counts.
#[derive(Debug)]
pub struct Console {
    sessions: Sessions,
    /// Each with the name that was asked for.
    logins: Begun<Option<String>>,
    enrolments: Begun<Enrolling>,
    throttle: Throttle,
    counters: Counters,
    spent: Spent,
    bundle_places: Arc<Semaphore>,
    looks: pages::Looks,
    /// Where the last head lies beside the database.
    anchor: Option<PathBuf>,
}

impl Console {
    /// A console whose sessions last so long.
    pub fn new(lifetime: Lifetime) -> Self {
        Self {
            sessions: Sessions::new(lifetime),
            logins: Begun::new(login::LIFE, login::MOST_OPEN),
            enrolments: Begun::new(enrol::LIFE, enrol::MOST_OPEN),
            throttle: Throttle::default(),
            counters: Counters::default(),
            spent: Spent::default(),
            bundle_places: acts::places(),
            looks: pages::Looks::default(),
            anchor: None,
        }
    }

    /// The same, whose audits compare the journal with the anchor in this file.
    #[must_use]
    pub fn anchored(self, anchor: PathBuf) -> Self {
        let anchor = Some(anchor);
        Self { anchor, ..self }
    }

    /// Takes out sessions that ended by themselves; measurements ask for it.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.sessions.sweep(now);
    }
}

/// Every page of the console, under `/console`.
pub(crate) fn router(state: &AppState) -> Router<AppState> {
    let console = pages::router()
        .route("/static/{name}", get(assets::serve))
        .route("/login", get(login::page).post(login::sign_in))
        .route("/login/options", post(login::options))
        .route("/logout", post(login::sign_out))
        .route("/session", get(login::who))
        .route("/acts/prepare", post(acts::prepare))
        .route("/acts", post(acts::act))
        .route("/acts/{id}", get(acts::outcome))
        .route("/enrol", get(enrol::page).post(enrol::enrol))
        .route("/enrol/start", post(enrol::start));
    let guard = from_fn_with_state(state.clone(), guard::guard);
    Router::new().nest("/console", console).layer(guard)
}
