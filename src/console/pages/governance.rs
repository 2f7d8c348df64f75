//! Governance: what is proposed and what became of it, who may speak, where may be paid, from which wallets, and the policy in force. What is
//! changed here is proposed, never done: the quorum that the policy names agrees first.

mod check;
mod coverage;
mod form;
mod people;
mod places;
mod policy;
mod proposal;
mod wallets;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    response::Response,
    routing::{get, post},
};
use custodyd_policy::{OperatorId, Timestamp};

pub(super) use coverage::{Rated, SourceLine};
pub use people::show as people;
#[cfg(test)]
pub(super) use people::{Everybody, Page as PeoplePage};
pub use places::show as places;
#[cfg(test)]
pub(super) use places::{Page as PlacesPage, Places};
#[cfg(test)]
pub(super) use policy::Page as PolicyPage;
pub use policy::{Checks, show as policy};
pub use proposal::show as proposal;
#[cfg(test)]
pub(super) use proposal::{Page as ProposalPage, Shown};
pub use wallets::show as wallets;
#[cfg(test)]
pub(super) use wallets::{Page as WalletsPage, Wallets};

use super::{Fault, Frame, Section, page};
use crate::{
    console::{
        Viewer,
        words::{Moment, spoken},
    },
    http::AppState,
    store::{Cursor, ProposalRow},
    view::ProposalView,
};

/// A part of governance, as its tabs name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tab {
    pub(super) href: &'static str,
    pub(super) title: &'static str,
    /// Whether it is the one that is shown.
    pub(super) here: bool,
}

/// All of them.
pub(super) type Tabs = [Tab; 5];

/// The parts of governance, the one at `shown` marked.
pub(super) fn tabs(shown: &str) -> Tabs {
    [
        ("/console/governance", "Proposals"),
        ("/console/governance/people", "People and clients"),
        ("/console/governance/places", "Destinations"),
        ("/console/governance/wallets", "Wallets"),
        ("/console/governance/policy", "Policy"),
    ]
    .map(|(href, title)| Tab {
        href,
        title,
        here: href == shown,
    })
}

/// Proposals on a page.
const PAGE: u32 = 25;

/// Proposals, people, destinations and the policy, under `/console`.
pub(super) fn router() -> Router<AppState> {
    type Asked = Query<BTreeMap<String, String>>;
    Router::new()
        .route(
            "/governance",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    show(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/governance/people",
            get(|State(state): State<AppState>, viewer: Viewer| async move {
                people(&state, &viewer.operator).await
            }),
        )
        .route(
            "/governance/places",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    places(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/governance/wallets",
            get(|State(state): State<AppState>, viewer: Viewer| async move {
                wallets(&state, &viewer.operator).await
            }),
        )
        .route("/governance/check", post(check::check))
        .route(
            "/governance/policy",
            get(|State(state): State<AppState>, viewer: Viewer| async move {
                policy(&state, &viewer.operator).await
            }),
        )
        .route(
            "/governance/{id}",
            get(
                |State(state): State<AppState>, viewer: Viewer, Path(id): Path<String>| async move {
                    proposal(&state, &viewer.operator, &id).await
                },
            ),
        )
}

#[derive(Template)]
#[template(path = "governance.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) tabs: Tabs,
    pub(super) open: Vec<Line>,
    pub(super) done: Vec<Line>,
    pub(super) next: Option<String>,
}

/// A proposal in a list.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) summary: Vec<String>,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) kinds: String,
    pub(super) state: String,
    pub(super) class: &'static str,
    pub(super) approvals: usize,
    /// When it ends or takes effect by itself.
    pub(super) due: Option<(&'static str, Moment)>,
    pub(super) at: Moment,
}

/// Changes of a proposal that a list tells of.
const MOST_TOLD: usize = 3;

impl Line {
    pub(super) fn of(view: &ProposalView, now: Timestamp) -> Self {
        let mut summary: Vec<String> = view.summary.iter().take(MOST_TOLD).cloned().collect();
        if let Some(more) = view
            .summary
            .len()
            .checked_sub(MOST_TOLD)
            .filter(|more| *more > 0)
        {
            summary.push(format!("and {more} more"));
        }
        let kinds: Vec<&str> = view.kinds.iter().map(|kind| kind.as_str()).collect();
        let moment = |ms: u64| Moment::of(Timestamp::from_ms(ms), now);
        let takes_effect = view.takes_effect_at.map(|at| ("takes effect", moment(at)));
        let due = takes_effect.or(view.expires_at.map(|at| ("voted on until", moment(at))));
        Self {
            id: view.id.clone(),
            summary,
            reason: view.reason.clone(),
            by: view.proposed_by.clone(),
            kinds: kinds.join(", "),
            state: spoken(&view.state),
            class: state_class(&view.state),
            approvals: view.approvals.len(),
            due,
            at: moment(view.created_at),
        }
    }
}

/// How a state is marked.
pub(super) fn state_class(state: &str) -> &'static str {
    match state {
        "voting" | "delaying" => "open",
        "enacted" => "well",
        "vetoed" | "refused" => "ill",
        _ => "over",
    }
}

/// `GET /console/governance`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let cursor: Option<Cursor> = query
        .get("after")
        .filter(|text| !text.is_empty())
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Fault::malformed("The place to go on after is not one that a page named."))?;
    let (frame, now) = Frame::with(state, operator, Section::Governance, |_, now| now).await?;
    let vault = state.standing.vault().as_str();
    let mut open = Vec::new();
    if cursor.is_none() {
        for wanted in ["voting", "delaying"] {
            let listed = state
                .store
                .proposals(vault, Some(wanted), None, 100)
                .await?;
            open.extend(lines(&listed.rows, now)?);
        }
    }
    let listed = state
        .store
        .proposals(vault, None, cursor.as_ref(), PAGE)
        .await?;
    let mut done = lines(&listed.rows, now)?;
    done.retain(|line| line.class != "open");
    page(&Page {
        tabs: tabs("/console/governance"),
        frame,
        open,
        done,
        next: listed
            .next
            .map(|next| format!("/console/governance?after={next}")),
    })
}

fn lines(rows: &[ProposalRow], now: Timestamp) -> Result<Vec<Line>, Fault> {
    let line = |row: &ProposalRow| {
        let view = serde_json::from_str(&row.document).map_err(|_| Fault::internal())?;
        Ok(Line::of(&view, now))
    };
    rows.iter().map(line).collect()
}
