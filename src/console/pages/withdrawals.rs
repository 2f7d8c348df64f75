//! All payouts, newest first, by state, client and wallet. Read off the table's indexes, a page at a time.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use custodyd_policy::{ClientId, OperatorId, Timestamp, WalletId, WithdrawalId};
use custodyd_vault::Vault;

use super::{Fault, Frame, Section, page};
use crate::{
    console::{
        copies,
        words::{Figure, Grouped, Moment, id_end, in_fours, spoken},
    },
    http::AppState,
    store::{Cursor, Filter, WithdrawalRow},
    view::WithdrawalView,
};

/// Payouts on a page.
const PAGE: u32 = 50;
/// Names that are offered to choose from; any other can be written into the page's address.
const MOST_NAMES: usize = 200;

/// States to choose from, as the API names them.
const STATES: [&str; 17] = [
    "awaiting_approval",
    "holding",
    "screening",
    "approved",
    "planned",
    "awaiting_cold_signature",
    "signed",
    "broadcast",
    "confirmed",
    "final",
    "denied",
    "rejected",
    "expired",
    "cancelled",
    "failed",
    "conflicted",
    "received",
];

#[derive(Template)]
#[template(path = "withdrawals.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Line>,
    pub(super) state: Choice,
    pub(super) client: Choice,
    pub(super) wallet: Choice,
    pub(super) next: Option<String>,
}

/// A filter: what can be chosen, and what is.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) chosen: String,
    pub(super) options: Vec<(String, String)>,
}

/// One payout in the list.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) short: String,
    pub(super) state: String,
    pub(super) class: &'static str,
    pub(super) amount: Figure,
    pub(super) to: Grouped,
    pub(super) network: String,
    pub(super) destination_class: String,
    pub(super) wallet: String,
    pub(super) asked_by: String,
    pub(super) reference: String,
    pub(super) at: Moment,
    /// Whether the database says something else of it than the engine knows.
    pub(super) altered: bool,
}

impl Line {
    pub(super) fn of(row: &WithdrawalRow, now: Timestamp) -> Option<Self> {
        let view: WithdrawalView = serde_json::from_str(&row.document).ok()?;
        Some(Self {
            short: id_end(&view.id),
            class: state_class(&view.state),
            state: spoken(&view.state),
            amount: Figure::of(&view.amount, &view.asset),
            to: in_fours(&view.destination),
            network: view.network,
            destination_class: view.destination_class,
            wallet: view.wallet,
            asked_by: view.client,
            reference: view.reference,
            at: Moment::of(Timestamp::from_ms(view.created_at), now),
            id: view.id,
            altered: false,
        })
    }
}

/// How a state is marked: `open`, `well`, `ill` or `over`.
pub(super) fn state_class(state: &str) -> &'static str {
    match state {
        "final" | "confirmed" => "well",
        "denied" | "rejected" | "failed" | "conflicted" => "ill",
        "expired" | "cancelled" => "over",
        _ => "open",
    }
}

/// `GET /console/withdrawals`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let wanted = |name: &str| query.get(name).filter(|text| !text.is_empty()).cloned();
    let cursor: Option<Cursor> = wanted("after")
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| Fault::malformed("The place to go on after is not one that a page named."))?;
    let filter = filter(wanted("state"), wanted("client"), wanted("wallet"))?;
    let vault = state.standing.vault().as_str();
    let listed = state
        .store
        .withdrawals(vault, &filter, cursor.as_ref(), PAGE);
    let listed = listed.await?;
    let stored = listed.rows.iter().map(|row| row.id.parse().ok());
    let ids: Vec<Option<WithdrawalId>> = stored.collect();
    let question = move |vault: &Vault, now| {
        let clients: Vec<String> = names(vault.clients().keys());
        let known = ids
            .iter()
            .map(|id| id.and_then(|id| copies::known(vault, &id)));
        let known: Vec<_> = known.collect();
        (clients, names(vault.wallets().keys()), known, now)
    };
    let (frame, (clients, wallets, known, now)) =
        Frame::with(state, operator, Section::Withdrawals, question).await?;
    let rows = truthful(state, &listed.rows, known, now).await?;
    let mut next = listed
        .next
        .map(|next| format!("/console/withdrawals?after={next}"));
    for (name, chosen) in [
        ("state", &filter.state),
        ("client", &filter.client),
        ("wallet", &filter.wallet),
    ] {
        if let (Some(next), Some(chosen)) = (&mut next, chosen) {
            next.push_str(&format!("&{name}={chosen}"));
        }
    }
    let states = STATES.iter().map(|name| ((*name).to_owned(), spoken(name)));
    let same = |name: String| (name.clone(), name);
    page(&Page {
        frame,
        rows,
        state: Choice::of(("state", "State"), filter.state, states.collect()),
        client: Choice::of(
            ("client", "Client"),
            filter.client,
            clients.into_iter().map(same).collect(),
        ),
        wallet: Choice::of(
            ("wallet", "Wallet"),
            filter.wallet,
            wallets.into_iter().map(same).collect(),
        ),
        next,
    })
}

/// What is shown of the rows: a row that says something else than the engine knows is marked, and told as the engine knows it.
async fn truthful(
    state: &AppState,
    rows: &[WithdrawalRow],
    known: Vec<Option<WithdrawalRow>>,
    now: Timestamp,
) -> Result<Vec<Line>, Fault> {
    let mut suspects = Vec::new();
    for (row, known) in rows.iter().zip(&known) {
        if known.as_ref() != Some(row) {
            suspects.extend(row.id.parse::<WithdrawalId>().ok());
        }
    }
    let altered = copies::altered(state, suspects).await?;
    let line = |(row, known): (&WithdrawalRow, Option<WithdrawalRow>)| {
        let id: Option<WithdrawalId> = row.id.parse().ok();
        if id.is_some_and(|id| !altered.contains_key(&id)) {
            return Line::of(row, now);
        }
        let told = Line::of(known.as_ref().unwrap_or(row), now)?;
        Some(Line {
            altered: true,
            ..told
        })
    };
    Ok(rows.iter().zip(known).filter_map(line).collect())
}

/// Only what can be in the columns is looked for there.
fn filter(
    state: Option<String>,
    client: Option<String>,
    wallet: Option<String>,
) -> Result<Filter, Fault> {
    let no_such = |what: &str| Fault::malformed(format!("There is no {what} of that name."));
    if state
        .as_deref()
        .is_some_and(|state| !STATES.contains(&state))
    {
        return Err(no_such("state"));
    }
    // Operators ask too: they stand in the column as `operator/` and their name.
    let name = |text: &str| text.strip_prefix("operator/").unwrap_or(text).to_owned();
    if client
        .as_deref()
        .is_some_and(|client| name(client).parse::<ClientId>().is_err())
    {
        return Err(no_such("client"));
    }
    if wallet
        .as_deref()
        .is_some_and(|wallet| wallet.parse::<WalletId>().is_err())
    {
        return Err(no_such("wallet"));
    }
    Ok(Filter {
        state,
        client,
        wallet,
    })
}

fn names<T: ToString>(all: impl Iterator<Item = T>) -> Vec<String> {
    all.take(MOST_NAMES).map(|name| name.to_string()).collect()
}

impl Choice {
    pub(super) fn of(
        (name, title): (&'static str, &'static str),
        chosen: Option<String>,
        options: Vec<(String, String)>,
    ) -> Self {
        Self {
            name,
            title,
            chosen: chosen.unwrap_or_default(),
            options,
        }
    }

    /// Whether this one is chosen.
    pub(super) fn is(&self, value: &str) -> bool {
        self.chosen == value
    }
}
