//! The page that stops everything, and shows what is stopped and who has to agree to go on.

use askama::Template;
use axum::response::Response;
use custodyd_policy::{OperatorId, Timestamp, may_approve};
use custodyd_vault::{Freeze, FreezeScope, Vault};

use super::{Fault, Frame, Section, page};
use crate::{console::words::Moment, http::AppState};

/// Clients and wallets that are offered by name; others are frozen with custodyctl.
const MOST_NAMES: usize = 500;

#[derive(Template)]
#[template(path = "freeze.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) shown: Shown,
}

/// What the page is made of.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) freezes: Vec<Stopped>,
    /// What the policy asks for to go on.
    pub(super) quorum: String,
    pub(super) wallets: Vec<String>,
    pub(super) assets: Vec<String>,
    pub(super) clients: Vec<String>,
}

/// Something that is frozen.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) what: String,
    /// The member of the request's body that names it, and its value; none for the whole vault.
    pub(super) named: Option<(&'static str, String)>,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) at: Moment,
    pub(super) votes: Vec<String>,
    /// `1 of 2 from treasury`, and who could give it.
    pub(super) missing: Vec<(String, String)>,
    /// Whether whoever looks may vote to go on.
    pub(super) may_vote: bool,
}

impl Shown {
    pub(super) fn of(vault: &Vault, viewer: &OperatorId, now: Timestamp) -> Self {
        let quorum: Vec<String> = vault
            .policy()
            .governance()
            .unfreeze
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut assets: Vec<String> = vault
            .wallets()
            .values()
            .map(|wallet| wallet.network.asset().to_string())
            .collect();
        assets.sort();
        assets.dedup();
        let wallets = vault.wallets().keys().map(ToString::to_string);
        let clients = vault.clients().keys().map(ToString::to_string);
        Self {
            freezes: vault
                .frozen()
                .iter()
                .map(|(scope, freeze)| Stopped::of(vault, scope, freeze, viewer, now))
                .collect(),
            quorum: quorum.join(" and "),
            wallets: wallets.take(MOST_NAMES).collect(),
            assets,
            clients: clients.take(MOST_NAMES).collect(),
        }
    }
}

impl Stopped {
    fn of(
        vault: &Vault,
        scope: &FreezeScope,
        freeze: &Freeze,
        viewer: &OperatorId,
        now: Timestamp,
    ) -> Self {
        let policy = vault.policy();
        let required = policy.governance().unfreeze.as_slice();
        let missing = policy.satisfied(required, &freeze.votes).err();
        let missing = missing.unwrap_or_default().into_iter().map(|short| {
            let who: Vec<&str> = short.eligible.iter().map(OperatorId::as_str).collect();
            (short.to_string(), who.join(", "))
        });
        Self {
            what: scope_name(scope),
            named: member(scope),
            reason: freeze.reason.clone(),
            by: frozen_by(freeze),
            at: Moment::of(freeze.at, now),
            votes: freeze.votes.iter().map(ToString::to_string).collect(),
            missing: missing.collect(),
            may_vote: !freeze.votes.contains(viewer)
                && may_approve(policy.groups(), required, viewer),
        }
    }
}

/// What is frozen, in words.
pub fn scope_name(scope: &FreezeScope) -> String {
    match scope {
        FreezeScope::Vault => "the whole vault".to_owned(),
        FreezeScope::Wallet(wallet) => format!("wallet {wallet}"),
        FreezeScope::Asset(asset) => format!("every {asset} wallet"),
        FreezeScope::Client(client) => format!("what client {client} asks for"),
        FreezeScope::Destination(address) => format!("payments to {address}"),
    }
}

/// Who froze it.
pub fn frozen_by(freeze: &Freeze) -> String {
    match &freeze.by {
        Some(operator) => operator.to_string(),
        None => "custodyd itself".to_owned(),
    }
}

fn member(scope: &FreezeScope) -> Option<(&'static str, String)> {
    match scope {
        FreezeScope::Vault => None,
        FreezeScope::Wallet(wallet) => Some(("wallet", wallet.to_string())),
        FreezeScope::Asset(asset) => Some(("asset", asset.to_string())),
        FreezeScope::Client(client) => Some(("client", client.to_string())),
        FreezeScope::Destination(address) => Some(("destination", address.to_string())),
    }
}

/// `GET /console/freeze`.
///
/// # Errors
/// Engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId) -> Result<Response, Fault> {
    let viewer = operator.clone();
    let (frame, shown) = Frame::with(state, operator, Section::Freeze, move |vault, now| {
        Shown::of(vault, &viewer, now)
    })
    .await?;
    page(&Page { frame, shown })
}
