//! The cold path, step by step: what waits, the bundle that leaves, what to do at the air-gapped machine, and the signed bundle
//! that comes back. Nothing leaves by a session alone: a bundle is downloaded by an act.

mod codes;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use custodyd_policy::{OperatorId, Tier, Timestamp};
use custodyd_vault::{Export, ExportId, ExportState, Vault, Withdrawal, WithdrawalState};
use sha2::{Digest as _, Sha256};

use super::{Fault, Frame, Section, page};
use crate::{
    console::{
        Viewer,
        words::{Figure, Grouped, Moment, id_end, in_fours},
    },
    http::AppState,
};

/// Payouts that are listed as waiting.
const MOST_WAITING: usize = 100;
/// Exports that are shown, of those that came home.
const MOST_HOME: usize = 20;

/// Exports, sums and bundles, under `/console`.
pub(super) fn router() -> Router<AppState> {
    type Asked = Query<BTreeMap<String, String>>;
    Router::new()
        .route(
            "/cold",
            get(
                |State(state): State<AppState>, viewer: Viewer, Query(query): Asked| async move {
                    show(&state, &viewer.operator, &query).await
                },
            ),
        )
        .route(
            "/cold/codes",
            post(|_: Viewer, body: Body| async move {
                codes::codes(body)
                    .await
                    .map_err(IntoResponse::into_response)
            }),
        )
        .route(
            "/cold/joined",
            post(|_: Viewer, body: Body| async move {
                codes::joined(body)
                    .await
                    .map_err(IntoResponse::into_response)
            }),
        )
}

#[derive(Template)]
#[template(path = "cold.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) shown: Shown,
    /// The bundles of exports that wait to be signed, by export.
    pub(super) bundles: BTreeMap<String, Stored>,
    pub(super) most_bytes: usize,
}

/// A bundle as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// SHA-256 of the tar.
    pub(super) sha256: Grouped,
    /// Its length.
    pub(super) bytes: usize,
}

/// What the engine knows of the cold path.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) waiting: Vec<Waiting>,
    pub(super) more_waiting: bool,
    /// Cold wallets, to choose from.
    pub(super) wallets: Vec<String>,
    /// Exports that are out.
    pub(super) out: Vec<Sheet>,
    /// Exports that came home, newest first.
    pub(super) home: Vec<Sheet>,
}

/// A step of the way.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: u8,
    pub(super) title: &'static str,
    pub(super) here: bool,
    pub(super) past: bool,
}

/// A payout that an export would take.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: String,
    /// The end of its id.
    pub(super) short: String,
    pub(super) wallet: String,
    pub(super) amount: Figure,
    pub(super) to: Grouped,
    pub(super) blocked: Option<String>,
}

/// An export, with what people compare.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) id: String,
    /// `requested`, `built` or `imported`.
    pub(super) state: &'static str,
    pub(super) at: Moment,
    /// SHA-256 of the manifest in groups.
    pub(super) manifest: Option<Grouped>,
    /// The code that coldsign shows: its first 16 digits.
    pub(super) code: String,
    pub(super) lines: Vec<Waiting>,
}

impl Waiting {
    fn of(withdrawal: &Withdrawal) -> Self {
        let id = withdrawal.id.to_string();
        Self {
            short: id_end(&id),
            id,
            wallet: withdrawal.wallet.to_string(),
            amount: Figure::from(&withdrawal.request.amount),
            to: in_fours(withdrawal.request.destination.as_str()),
            blocked: match &withdrawal.state {
                WithdrawalState::Approved { blocked } => blocked.clone(),
                _ => None,
            },
        }
    }
}

impl Shown {
    pub(super) fn of(vault: &Vault, now: Timestamp) -> Self {
        let mut waiting = vault.awaiting_export().map(Waiting::of);
        let listed: Vec<Waiting> = waiting.by_ref().take(MOST_WAITING).collect();
        let sheet = |(id, export): (&ExportId, &Export)| Sheet::of(vault, id, export, now);
        let is_home = |export: &Export| export.state == ExportState::Imported;
        let exports = || vault.exports().iter();
        let mut out: Vec<Sheet> = exports().filter(|(_, e)| !is_home(e)).map(sheet).collect();
        let mut home: Vec<(&ExportId, &Export)> = exports().filter(|(_, e)| is_home(e)).collect();
        home.sort_by_key(|(_, export)| std::cmp::Reverse(export.created_at));
        out.reverse();
        Self {
            more_waiting: waiting.next().is_some(),
            waiting: listed,
            wallets: vault
                .wallets()
                .values()
                .filter(|wallet| wallet.tier == Tier::Cold)
                .map(|wallet| wallet.id.to_string())
                .collect(),
            out,
            home: home.into_iter().take(MOST_HOME).map(sheet).collect(),
        }
    }

    /// The steps, the next one marked.
    pub(super) fn steps(&self) -> Vec<Step> {
        let next = match self.out.first().map(|sheet| sheet.state) {
            Some("built") => 3,
            Some(_) => 2,
            None => 1,
        };
        let titles = [
            "Export what waits",
            "Carry it over",
            "Sign it, offline",
            "Bring it back",
        ];
        (1..)
            .zip(titles)
            .map(|(number, title)| Step {
                number,
                title,
                here: number == next,
                past: number < next,
            })
            .collect()
    }
}

impl Sheet {
    fn of(vault: &Vault, id: &ExportId, export: &Export, now: Timestamp) -> Self {
        let transactions = export.transactions.iter();
        let lines = transactions
            .filter_map(|id| vault.transactions().get(id))
            .flat_map(|transaction| &transaction.withdrawals)
            .filter_map(|id| vault.withdrawals().get(id))
            .map(Waiting::of);
        let code = |hash: &String| {
            let Grouped(groups) = in_fours(hash);
            let first: Vec<String> = groups.into_iter().take(4).collect();
            first.join(" ")
        };
        Self {
            id: id.to_string(),
            state: match export.state {
                ExportState::Requested => "requested",
                ExportState::Built => "built",
                ExportState::Imported => "imported",
            },
            at: Moment::of(export.created_at, now),
            manifest: export.manifest_sha256.as_deref().map(in_fours),
            code: export
                .manifest_sha256
                .as_ref()
                .map(code)
                .unwrap_or_default(),
            lines: lines.collect(),
        }
    }
}

/// `GET /console/cold`.
///
/// # Errors
/// Engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    _: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let (frame, shown) = Frame::with(state, operator, Section::Cold, Shown::of).await?;
    let vault = state.standing.vault().as_str();
    let mut bundles = BTreeMap::new();
    for sheet in shown.out.iter().filter(|sheet| sheet.state == "built") {
        if let Some(bytes) = state.store.bundle(vault, &sheet.id).await? {
            let stored = Stored {
                sha256: in_fours(&hex::encode(Sha256::digest(&bytes))),
                bytes: bytes.len(),
            };
            bundles.insert(sheet.id.clone(), stored);
        }
    }
    page(&Page {
        frame,
        shown,
        bundles,
        most_bytes: custodyd_airgap::parts::MAX_BYTES,
    })
}
