//! The console: pages for operators, rendered here, without anything from elsewhere.
//!
//! A session lets an operator look. Whatever they do is signed by their passkey, over exactly what would happen, and goes the
//! way of every other request: inbox, engine, journal.

mod acts;
mod assets;
mod base64url;
mod begun;
mod enrol;
mod guard;
mod login;
mod posted;
mod session;
mod spent;
mod throttle;
mod viewer;

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::Redirect,
    routing::{get, post},
};
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
    logins: Begun<()>,
    enrolments: Begun<Enrolling>,
    throttle: Throttle,
    counters: Counters,
    spent: Spent,
    bundle_places: Arc<Semaphore>,
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
        }
    }
}

/// Every page of the console, under `/console`.
pub(crate) fn router(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/console", get(|| async { Redirect::to("/console/queue") }))
        .route("/console/static/{name}", get(assets::serve))
        .route("/console/login", get(login::page).post(login::sign_in))
        .route("/console/login/options", post(login::options))
        .route("/console/logout", post(login::sign_out))
        .route("/console/session", get(login::who))
        .route("/console/acts/prepare", post(acts::prepare))
        .route("/console/acts", post(acts::act))
        .route("/console/acts/{id}", get(acts::outcome))
        .route("/console/enrol", get(enrol::page).post(enrol::enrol))
        .route("/console/enrol/start", post(enrol::start))
        .layer(from_fn_with_state(state.clone(), guard::guard))
}
