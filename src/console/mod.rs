//! The console: pages for operators, rendered here, without anything from elsewhere.
//!
//! A session lets an operator look. Whatever they do is signed by their passkey, over exactly what would happen, and goes the
//! way of every other request: inbox, engine, journal.

mod session;
mod viewer;

use axum::Router;

pub use session::{Lifetime, Session, Sessions};
pub(crate) use viewer::Viewer;

use crate::http::AppState;

/// What the console's handlers share beside the API's state.
#[derive(Debug)]
pub struct Console {
    sessions: Sessions,
}

impl Console {
    /// A console whose sessions last so long.
    pub fn new(lifetime: Lifetime) -> Self {
        Self {
            sessions: Sessions::new(lifetime),
        }
    }
}

/// Every page of the console, under `/console`.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
}
