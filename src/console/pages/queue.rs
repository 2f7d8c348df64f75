//! The queue: what waits for whoever looks, riskiest and oldest first; what waits for others; what is held. Which payouts are
//! on a page is read off an index; what is shown of each comes from the engine.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::Response;
use custodyd_policy::{OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::Vault;

use super::{Fault, Frame, Section, answered, ask, payout::Payout, rendered};
use crate::{
    console::copies,
    http::AppState,
    store::{Cursor, Filter, QueueFor, QueueSpot, WithdrawalRow},
};

/// Payouts on a page at most.
const PAGE: u32 = 40;
/// Bytes of a page at most: where payouts carry so much that it would be larger, fewer of them are on it.
const MOST_BYTES: usize = 100_000;
/// Proposals that are counted.
const MOST_PROPOSALS: u32 = 50;

/// A part of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What waits for whoever looks.
    Mine,
    /// What waits for others alone.
    Others,
    /// What any operator may still cancel while it is held.
    Held,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::Others => "others",
            Self::Held => "held",
        }
    }
}

/// The database's queue isn't as long as the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptOut {
    /// Payouts that wait for people, as the engine knows.
    pub(super) known: u64,
    /// Those that the database's queue has.
    pub(super) listed: u64,
    /// Those that were altered, as far as was looked.
    pub(super) altered: Vec<WithdrawalId>,
}

/// Payouts that are looked at for those that the database's queue lacks.
const MOST_SOUGHT: usize = 400;
/// Times that both are counted until no commit comes between.
const COUNTED_AGAIN: u32 = 5;

#[derive(Template)]
#[template(path = "queue.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) part: Part,
    pub(super) payouts: Vec<Payout>,
    /// Rows of this part of the queue that the daemon didn't write, and that are none of the payouts above.
    pub(super) invented: Vec<WithdrawalId>,
    /// What waits, and isn't in the database's queue.
    pub(super) kept_out: Option<KeptOut>,
    pub(super) mine: u64,
    pub(super) others: u64,
    /// The policy in force, SHA-256 in hex: part of what each code stands for.
    pub(super) policy: String,
    /// The address of the page that goes on.
    pub(super) next: Option<String>,
    pub(super) proposals: usize,
}

/// `GET /console/queue`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let part = match query.get("part").map(String::as_str) {
        None | Some("mine") => Part::Mine,
        Some("others") => Part::Others,
        Some("held") => Part::Held,
        Some(_) => return Err(Fault::malformed("There is no such part of the queue.")),
    };
    let after = query.get("after").map(String::as_str);
    let vault = state.standing.vault().as_str();
    let (places, next) = match part {
        Part::Mine => waiting(state, operator, QueueFor::Them, after).await?,
        Part::Others => waiting(state, operator, QueueFor::Others, after).await?,
        Part::Held => held(state, after).await?,
    };
    let ids: Vec<WithdrawalId> = places.iter().map(|place| place.id).collect();
    let count = state.store.queue_count(vault, operator.as_str()).await?;
    let voting = state
        .store
        .proposals(vault, Some("voting"), None, MOST_PROPOSALS);
    let proposals = voting.await?.rows.len();
    let stored = copies::all_stored(state, &ids).await?;
    let (viewer, listed) = (operator.clone(), ids.clone());
    let question = move |vault: &Vault, now| {
        let known: Vec<_> = listed.iter().map(|id| copies::known(vault, id)).collect();
        let payouts = payouts(vault, &listed, part, &viewer, now);
        let policy = vault.policy().hash().to_string();
        (payouts, known, policy, waiting_in(vault))
    };
    let (frame, (payouts, known, policy, waiting)) =
        Frame::with(state, operator, Section::Queue, question).await?;
    let kept_out = match waiting == count.all {
        true => None,
        false => kept_out(state, operator).await?,
    };
    let suspects = copies::suspects(&ids, &known, &stored);
    let altered = copies::altered(state, suspects).await?;
    let (payouts, invented) = marked(payouts, altered.into_keys().collect());
    let next = next.map(|after| address(part, &after));
    let page = Page {
        frame,
        part,
        payouts,
        invented,
        kept_out,
        mine: count.theirs,
        others: count.all.saturating_sub(count.theirs),
        policy,
        next,
        proposals,
    };
    Ok(answered(page.fitted(&places)?))
}

impl Page {
    /// The page as text, without as many of its last payouts as make it too large. The next page begins with those; a page has one
    /// payout at least.
    pub(super) fn fitted(mut self, places: &[Place]) -> Result<String, Fault> {
        loop {
            let text = rendered(&self)?;
            let shown = self.payouts.len();
            let fitting = shown.saturating_mul(MOST_BYTES).checked_div(text.len());
            let fitting = fitting.unwrap_or(shown).max(1);
            if fitting >= shown {
                return Ok(text);
            }
            self.payouts.truncate(fitting);
            let last = self.payouts.last().map(|payout| &payout.id);
            let place = |place: &&Place| last == Some(&place.id.to_string());
            let last = places.iter().find(place);
            self.next = last.map(|last| address(self.part, &last.after));
        }
    }
}

/// A payout's place in a part of the queue.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: WithdrawalId,
    /// How a page that goes on behind it names it.
    pub(super) after: String,
}

fn address(part: Part, after: &str) -> String {
    format!("/console/queue?part={}&after={after}", part.name())
}

/// What is shown of these payouts. One that moved on since it was looked up belongs to the queue no more.
pub(super) fn payouts(
    vault: &Vault,
    ids: &[WithdrawalId],
    part: Part,
    viewer: &OperatorId,
    now: Timestamp,
) -> Vec<Payout> {
    let state = match part {
        Part::Mine | Part::Others => "awaiting_approval",
        Part::Held => "holding",
    };
    ids.iter()
        .filter_map(|id| vault.withdrawals().get(id))
        .filter(|withdrawal| withdrawal.state_name() == state)
        .map(|withdrawal| Payout::of(vault, withdrawal, viewer, now))
        .collect()
}

fn waiting_in(vault: &Vault) -> u64 {
    u64::try_from(vault.awaiting_approval().len()).unwrap_or(u64::MAX)
}

/// Counts again what waits and what is listed, with nothing committed in between, and looks which payouts make the difference. Where
/// commits follow each other too fast to tell, nothing is said.
async fn kept_out(state: &AppState, operator: &OperatorId) -> Result<Option<KeptOut>, Fault> {
    let vault = state.standing.vault().as_str();
    for _ in 0..COUNTED_AGAIN {
        let asked = ask(state, |vault, _| {
            let ids = vault.awaiting_approval().iter().take(MOST_SOUGHT);
            (waiting_in(vault), ids.copied().collect(), vault.seq())
        });
        let (known, ids, before): (u64, Vec<WithdrawalId>, u64) = asked.await?;
        let listed = state.store.queue_count(vault, operator.as_str()).await?.all;
        if known == listed {
            return Ok(None);
        }
        let after = ask(state, |vault, _| vault.seq()).await?;
        if before == after {
            let altered = copies::altered(state, ids).await?.into_keys();
            let altered = altered.collect();
            return Ok(Some(KeptOut {
                known,
                listed,
                altered,
            }));
        }
    }
    Ok(None)
}

/// The payouts, with those marked that were altered, and what else was.
pub(super) fn marked(
    payouts: Vec<Payout>,
    mut altered: BTreeSet<WithdrawalId>,
) -> (Vec<Payout>, Vec<WithdrawalId>) {
    let mark = |payout: Payout| {
        let id = payout.id.parse().ok();
        match id.is_some_and(|id| altered.remove(&id)) {
            true => payout.altered(),
            false => payout,
        }
    };
    let payouts = payouts.into_iter().map(mark).collect();
    (payouts, altered.into_iter().collect())
}

/// The places of a page's payouts, and behind which one the next page goes on. A row whose id is none was not written by this
/// program; the audit names it.
type Places = (Vec<Place>, Option<String>);

async fn waiting(
    state: &AppState,
    operator: &OperatorId,
    part: QueueFor,
    after: Option<&str>,
) -> Result<Places, Fault> {
    let vault = state.standing.vault().as_str();
    let after = after.map(spot).transpose()?;
    let one_more = PAGE.saturating_add(1);
    let mut spots = state
        .store
        .queue(vault, operator.as_str(), part, after.as_ref(), one_more)
        .await?;
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = spots.len() > shown;
    spots.truncate(shown);
    let after = |spot: &QueueSpot| format!("{}.{}.{}", spot.rank, spot.created_seq, spot.id);
    let next = spots.last().filter(|_| more).map(after);
    let place = |spot: &QueueSpot| {
        let (id, after) = (spot.id.parse().ok()?, after(spot));
        Some(Place { id, after })
    };
    Ok((spots.iter().filter_map(place).collect(), next))
}

async fn held(state: &AppState, after: Option<&str>) -> Result<Places, Fault> {
    let filter = Filter {
        state: Some("holding".to_owned()),
        ..Filter::default()
    };
    let cursor: Option<Cursor> = after
        .map(|text| text.parse().map_err(|_| not_ours()))
        .transpose()?;
    let vault = state.standing.vault().as_str();
    let page = state
        .store
        .withdrawals(vault, &filter, cursor.as_ref(), PAGE)
        .await?;
    let next = page.next.map(|next| next.to_string());
    let place = |row: &WithdrawalRow| {
        // As a cursor is written.
        let after = format!("{}.{}", row.created_seq, row.id);
        let id = row.id.parse().ok()?;
        Some(Place { id, after })
    };
    Ok((page.rows.iter().filter_map(place).collect(), next))
}

fn spot(text: &str) -> Result<QueueSpot, Fault> {
    let mut parts = text.splitn(3, '.');
    let mut number = || {
        parts
            .next()?
            .parse::<u64>()
            .ok()
            .filter(|n| i64::try_from(*n).is_ok())
    };
    let (rank, seq) = (number(), number());
    let id = parts.next().and_then(|id| id.parse::<WithdrawalId>().ok());
    match (rank, seq, id) {
        (Some(rank), Some(created_seq), Some(id)) => Ok(QueueSpot {
            id: id.to_string(),
            rank,
            created_seq,
        }),
        _ => Err(not_ours()),
    }
}

fn not_ours() -> Fault {
    Fault::malformed("The place to go on after is not one that a page named.")
}
