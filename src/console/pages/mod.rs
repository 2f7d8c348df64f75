//! The console's pages: what surrounds each of them, and how one is answered. A page is rendered on the server from what the
//! engine knows and is whole without a script; it shows, and never acts.

pub mod cold;
mod fault;
pub mod freeze;
pub mod governance;
mod health;
pub mod journal;
mod live;
mod looks;
mod payout;
pub mod queue;
mod trail;
pub mod treasury;
pub mod withdrawal;
pub mod withdrawals;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderValue, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::Vault;

pub use fault::{Fault, ask};
pub use health::Health;
pub use looks::Looks;

use crate::{
    condition::Condition,
    console::{Viewer, assets, words::Moment},
    http::AppState,
};

/// The pages, under `/console`. Each needs a living session.
pub(super) fn router() -> Router<AppState> {
    type Asked = Query<BTreeMap<String, String>>;
    Router::new()
        .route("/events", get(live::events))
        .route("/", get(|| async { Redirect::to("/console/queue") }))
        .route(
            "/queue",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    queue::show(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/withdrawals",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    withdrawals::show(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/withdrawals/{id}",
            get(
                |State(state): State<AppState>, viewer: Viewer, Path(id): Path<String>| async move {
                    withdrawal::show(&state, &viewer.operator, &id).await
                },
            ),
        )
        .route(
            "/freeze",
            get(|State(state): State<AppState>, viewer: Viewer| async move {
                freeze::show(&state, &viewer.operator).await
            }),
        )
        .merge(treasury::router())
        .merge(cold::router())
        .merge(governance::router())
        .merge(journal::router())
}

/// A part of the console, as its navigation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the titles")]
pub enum Section {
    Queue,
    Withdrawals,
    Treasury,
    Cold,
    Governance,
    Journal,
    Freeze,
}

impl Section {
    /// Whether this is the section of that name.
    pub fn is(&self, name: &str) -> bool {
        self.name() == name
    }

    fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Withdrawals => "withdrawals",
            Self::Treasury => "treasury",
            Self::Cold => "cold",
            Self::Governance => "governance",
            Self::Journal => "journal",
            Self::Freeze => "freeze",
        }
    }
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The section's name.
    pub name: &'static str,
    /// Where it is.
    pub href: &'static str,
    /// What it is called.
    pub title: &'static str,
}

macro_rules! entries {
    ($($name:literal $title:literal),*) => {
        [$(Entry { name: $name, href: concat!("/console/", $name), title: $title }),*]
    };
}
/// Freezing has a button of its own.
static ENTRIES: [Entry; 6] = entries![
    "queue" "Queue", "withdrawals" "Withdrawals", "treasury" "Treasury", "cold" "Cold",
    "governance" "Governance", "journal" "Journal"
];

/// A freeze, as every page tells of it.
#[derive(Debug, Clone)]
pub struct Banner {
    /// What is frozen.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Who froze it.
    pub by: String,
    /// Since when.
    pub at: Moment,
}

/// Freezes that every page tells of; the page of freezes lists all.
const MOST_BANNERS: usize = 3;

/// What surrounds every page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The section that the page belongs to.
    pub section: Section,
    /// The vault.
    pub vault: String,
    /// Who looks.
    pub operator: String,
    /// How the parts are.
    pub health: Health,
    /// What is frozen.
    pub frozen: Vec<Banner>,
    /// Payouts that wait for whoever looks.
    pub waiting: u64,
    /// When the state was read.
    pub as_of: Moment,
    /// The journal's last entry then.
    pub seq: u64,
}

/// The part of a frame that the engine knows.
#[derive(Debug)]
struct Surroundings {
    frozen: Vec<Banner>,
    now: Timestamp,
    seq: u64,
}

impl Surroundings {
    fn of(vault: &Vault, now: Timestamp) -> Self {
        let banner = |(scope, freeze): (_, &custodyd_vault::Freeze)| Banner {
            what: freeze::scope_name(scope),
            reason: freeze.reason.clone(),
            by: freeze::frozen_by(freeze),
            at: Moment::of(freeze.at, now),
        };
        Self {
            frozen: vault
                .frozen()
                .iter()
                .take(MOST_BANNERS)
                .map(banner)
                .collect(),
            now,
            seq: vault.seq(),
        }
    }
}

impl Frame {
    /// What surrounds a page of `section` for `operator`, and what `question` makes of the same state of the vault. The
    /// question holds the engine up: it reads a little.
    ///
    /// # Errors
    /// Engine or database don't answer.
    pub async fn with<T: Send + 'static>(
        state: &AppState,
        operator: &OperatorId,
        section: Section,
        question: impl FnOnce(&Vault, Timestamp) -> T + Send + 'static,
    ) -> Result<(Self, T), Fault> {
        let vault = state.standing.vault();
        let counted = state.store.queue_count(vault.as_str(), operator.as_str());
        let count = counted.await?;
        let asked = ask(state, |vault, now| {
            (Surroundings::of(vault, now), question(vault, now))
        });
        let (around, answer) = asked.await?;
        let frame = Self {
            section,
            vault: vault.to_string(),
            operator: operator.to_string(),
            health: Health::from(Condition::read(state).await),
            frozen: around.frozen,
            waiting: count.theirs,
            as_of: Moment::of(around.now, around.now),
            seq: around.seq,
        };
        Ok((frame, answer))
    }

    /// The navigation.
    pub fn sections(&self) -> &'static [Entry] {
        &ENTRIES
    }

    /// The style sheet.
    pub fn style(&self) -> String {
        assets::href("console.css")
    }

    /// The scripts.
    pub fn scripts(&self) -> Vec<String> {
        assets::scripts()
    }

    /// The program's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// A rendered page.
///
/// # Errors
/// A template that can't be rendered: a fault of the program.
pub fn page(template: &impl Template) -> Result<Response, Fault> {
    Ok(answered(rendered(template)?))
}

/// A page's text.
fn rendered(template: &impl Template) -> Result<String, Fault> {
    template.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Fault::internal()
    })
}

/// A page's text as an answer.
fn answered(text: String) -> Response {
    let mut response = Html(text).into_response();
    // Amounts and addresses stay in no cache, and a page that is left is fetched anew.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
