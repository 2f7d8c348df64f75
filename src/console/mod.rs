//! The console: pages for operators, rendered here, without anything from elsewhere.
//!
//! A session lets an operator look. Whatever they do is signed by their passkey, over exactly what would happen, and goes the
//! way of every other request: inbox, engine, journal.

pub mod assets;
pub mod pages;
pub mod plot;
mod session;
mod viewer;
pub mod words;

use axum::{Router, routing::get};

pub use session::{Lifetime, Session, Sessions};
pub(crate) use viewer::Viewer;

use crate::http::{AppState, Comparisons};

/// What the console's handlers share beside the API's state.
#[derive(Debug)]
pub struct Console {
    sessions: Sessions,
    audits: pages::journal::Audits,
    comparisons: Comparisons,
    checks: pages::governance::Checks,
}

impl Console {
    /// A console whose sessions last so long.
    pub fn new(lifetime: Lifetime) -> Self {
        Self {
            sessions: Sessions::new(lifetime),
            audits: pages::journal::Audits::default(),
            comparisons: Comparisons::default(),
            checks: pages::governance::Checks::default(),
        }
    }

    /// What proposed policies mean beside the one in force.
    pub(crate) fn comparisons(&self) -> &Comparisons {
        &self.comparisons
    }

    /// What is odd about the policy in force.
    pub(crate) fn checks(&self) -> &pages::governance::Checks {
        &self.checks
    }

    /// Audits of the journal that were asked for here.
    pub(crate) fn audits(&self) -> &pages::journal::Audits {
        &self.audits
    }
}

/// Every page of the console, under `/console`.
pub(crate) fn router() -> Router<AppState> {
    let pages = pages::router().route("/static/{name}", get(assets::serve));
    Router::new().nest("/console", pages)
}
