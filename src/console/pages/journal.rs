//! The journal: what happened, newest first, found by kind, by what it is about, by who did it and by day; one entry with the
//! proof that it is in the chain; and the audit of all of it.

mod audits;
mod entry;
mod search;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::Vault;

pub use audits::Audits;
#[cfg(test)]
pub(super) use audits::Found;
pub(super) use audits::Verification;
pub(super) use entry::Proof;
#[cfg(test)]
pub(super) use entry::Step;
pub(super) use search::{Line, Wanted};

use super::{Fault, Frame, Section, page};
use crate::{
    console::{
        Viewer,
        words::{Moment, spoken},
    },
    http::AppState,
    journal::JournalKey,
};

/// Names that are offered to choose from; any other can be written into the page's address.
const MOST_NAMES: usize = 200;

/// The journal, under `/console`.
pub(super) fn router() -> Router<AppState> {
    type Asked = Query<BTreeMap<String, String>>;
    Router::new()
        .route(
            "/journal",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    show(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/journal/verification",
            post(|State(state): State<AppState>, _: Viewer| async move { verify(&state) }),
        )
        .route(
            "/journal/{seq}",
            get(
                |State(state): State<AppState>, viewer: Viewer, Path(seq): Path<String>| async move {
                    entry(&state, &viewer.operator, &seq).await
                },
            ),
        )
}

#[derive(Template)]
#[template(path = "journal.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) wanted: Wanted,
    pub(super) kinds: Vec<(String, String)>,
    pub(super) people: Vec<String>,
    pub(super) lines: Vec<Line>,
    pub(super) next: Option<String>,
    /// Whether entries that match may lie beyond those that were looked through.
    pub(super) cut: bool,
    pub(super) verification: Verification,
    pub(super) journal_key: String,
}

/// `GET /console/journal`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let wanted = Wanted::read(query)?;
    let (frame, (people, now)) = Frame::with(state, operator, Section::Journal, |vault, now| {
        (people(vault), now)
    })
    .await?;
    let vault = state.standing.vault().as_str();
    let found = search::search(&state.store, vault, &wanted, now).await?;
    let kinds = search::KINDS
        .iter()
        .map(|kind| ((*kind).to_owned(), spoken(kind)));
    page(&Page {
        next: found.next.map(|before| wanted.address(before)),
        cut: found.cut,
        lines: found.lines,
        kinds: kinds.collect(),
        people,
        wanted,
        verification: state.console.looks.audits.now(now),
        journal_key: state.journal_key.clone(),
        frame,
    })
}

fn people(vault: &Vault) -> Vec<String> {
    let operators = vault.operators().keys().map(|id| format!("operator/{id}"));
    let clients = vault.clients().keys().map(|id| format!("client/{id}"));
    operators.chain(clients).take(MOST_NAMES).collect()
}

#[derive(Template)]
#[template(path = "entry.html")]
pub(super) struct EntryPage {
    pub(super) frame: Frame,
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) at: Moment,
    pub(super) subjects: Vec<String>,
    /// The event over several lines, for reading; not what was hashed.
    pub(super) readable: String,
    /// Exactly what was hashed.
    pub(super) canonical: String,
    pub(super) proof: Proof,
    pub(super) before: Option<u64>,
    pub(super) after: Option<u64>,
}

/// `GET /console/journal/{seq}`.
///
/// # Errors
/// No such entry; engine or database don't answer.
pub async fn entry(state: &AppState, operator: &OperatorId, seq: &str) -> Result<Response, Fault> {
    let absent = || Fault::missing("The journal has no entry of that number.");
    let seq: u64 = seq.parse().map_err(|_| absent())?;
    let (frame, now) = Frame::with(state, operator, Section::Journal, |_, now| now).await?;
    let vault = state.standing.vault().as_str();
    let before = seq.checked_sub(1).ok_or_else(absent)?;
    let rows = state.store.journal(vault, before, 1).await?;
    let row = rows
        .into_iter()
        .find(|row| row.seq == seq)
        .ok_or_else(absent)?;
    let key = pinned(&state.journal_key)?;
    let proof = entry::prove(&state.store, vault, &row, &key).await?;
    let readable = serde_json::from_str::<serde_json::Value>(&row.event)
        .and_then(|event| serde_json::to_string_pretty(&event));
    page(&EntryPage {
        seq,
        kind: spoken(&row.kind),
        at: Moment::of(Timestamp::from_ms(row.at_ms), now),
        subjects: search::subjects_of(&row),
        readable: readable.unwrap_or_else(|error| format!("not JSON: {error}")),
        canonical: row.event.clone(),
        before: (before > 0).then_some(before),
        after: (seq < frame.seq).then(|| seq.saturating_add(1)),
        proof,
        frame,
    })
}

/// `POST /console/journal/verification`: begins an audit of the whole journal, if none is under way. It reads and changes
/// nothing, so a session suffices.
///
/// # Errors
/// The pinned key can't be read: a fault of the program.
pub fn verify(state: &AppState) -> Result<Response, Fault> {
    let key = pinned(&state.journal_key)?;
    let vault = state.standing.vault().to_string();
    let anchor = state.console.anchor.clone();
    state
        .console
        .looks
        .audits
        .begin(state.store.clone(), vault, key, anchor, state.clock.clone());
    Ok(StatusCode::ACCEPTED.into_response())
}

fn pinned(hex_key: &str) -> Result<JournalKey, Fault> {
    let bytes = hex::decode(hex_key).map_err(|_| Fault::internal())?;
    JournalKey::from_sec1(&bytes).map_err(|_| Fault::internal())
}
