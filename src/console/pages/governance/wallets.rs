//! The wallets: how each may sign, what its transactions may cost and when they are final; and what is proposed about them.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use custodyd_chain::Network;
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{Addresses, Vault, Wallet, WalletStatus};

use super::{
    Tabs,
    form::{Field, Form, Kind},
    page, tabs,
};
use crate::{
    console::pages::{Fault, Frame, Section},
    http::AppState,
};

/// Wallets that are shown.
const MOST_SHOWN: usize = 200;
/// The most that a fee may be of what is paid, in hundredths of a percent: all of it.
const ALL_OF_IT: u32 = 10_000;
/// More confirmations than anybody waits for.
const DEEPEST: u32 = 1_000_000;

#[derive(Template)]
#[template(path = "wallets.html")]
pub(in crate::console::pages) struct Page {
    pub(in crate::console::pages) frame: Frame,
    pub(in crate::console::pages) tabs: Tabs,
    pub(in crate::console::pages) shown: Wallets,
}

/// The vault's wallets.
#[derive(Debug)]
pub(in crate::console::pages) struct Wallets {
    pub(in crate::console::pages) wallets: Vec<Settings>,
    /// How many are not shown.
    pub(in crate::console::pages) more: usize,
    pub(in crate::console::pages) add: Form,
}

/// One wallet as governance sees it.
#[derive(Debug)]
pub(in crate::console::pages) struct Settings {
    pub(in crate::console::pages) id: String,
    pub(in crate::console::pages) tier: String,
    pub(in crate::console::pages) network: String,
    pub(in crate::console::pages) fee_cap: String,
    pub(in crate::console::pages) fee_share: String,
    pub(in crate::console::pages) confirmations: u32,
    pub(in crate::console::pages) keys_are: &'static str,
    pub(in crate::console::pages) status: WalletStatus,
    pub(in crate::console::pages) forms: Vec<Form>,
}

impl Wallets {
    pub(in crate::console::pages) fn of(vault: &Vault, _: Timestamp) -> Self {
        let all = vault.wallets();
        let networks: BTreeSet<Network> = all.values().map(|wallet| wallet.network).collect();
        Self {
            wallets: all
                .values()
                .take(MOST_SHOWN)
                .map(|w| Settings::of(vault, w))
                .collect(),
            more: all.len().saturating_sub(MOST_SHOWN),
            add: adding(networks.iter().map(ToString::to_string).collect()),
        }
    }
}

fn adding(networks: Vec<String>) -> Form {
    let choice = |options: &[(&str, &str)]| {
        let owned = |(value, words): &(&str, &str)| ((*value).to_owned(), (*words).to_owned());
        Kind::Choice(options.iter().map(owned).collect())
    };
    Form::new("add_wallet", "Add a wallet", "Propose the wallet")
        .noting("The key of a hot or warm wallet is made in the HSM when the proposal takes effect. A cold wallet's is made on the air-gapped machine before.")
        .with(Field::text("id", "Name", 64, "hot-ltc-2").hint("Small letters, digits and hyphens."))
        .with(Field::of(
            "tier",
            "Tier",
            choice(&[
                ("hot", "hot: signs by itself, as the policy lets it"),
                ("warm", "warm: online as well, with more people asked"),
                ("cold", "cold: signs on the air-gapped machine"),
            ]),
        ))
        .with(
            Field::of("network", "Network", Kind::Text(40, "litecoin", networks))
                .hint("As custodyd.toml names it under [[nodes]]; without a node nothing is seen or sent."),
        )
        .with(Field::text("fee_caps.absolute", "A fee is at most", 60, "0.01 LTC").hint("In the network's asset."))
        .with(
            Field::of("fee_caps.relative_bp", "And at most, of what is paid", Kind::Number(0, ALL_OF_IT))
                .hint("In hundredths of a percent: 100 is 1 %."),
        )
        .with(
            Field::of("confirmations", "Final after so many confirmations", Kind::Number(1, DEEPEST)),
        )
        .with(
            Field::text("public_key", "Public key, of a cold wallet only", 66, "")
                .hint("66 hex digits, as coldsign keygen prints them. Compare them with its screen.")
                .optional(),
        )
        .with(Field::of(
            "addresses",
            "Keys of further addresses",
            choice(&[
                ("token", "on the token, as many as it holds"),
                ("wrapped", "in the journal, wrapped by the HSM"),
            ]),
        ))
}

impl Settings {
    fn of(vault: &Vault, wallet: &Wallet) -> Self {
        let id = &wallet.id;
        let caps = &wallet.fee_caps;
        let (whole, hundredths) = (caps.relative_bp / 100, caps.relative_bp % 100);
        let mut forms = vec![
            Form::new("set_wallet", "Change its settings", "Propose it")
                .noting("For what is planned from then on. What is left empty stays; both caps on fees change together.")
                .about("id", id)
                .with(
                    Field::text("fee_caps.absolute", "A fee is at most", 60, "")
                        .hint(format!("Now {}.", caps.absolute))
                        .optional(),
                )
                .with(
                    Field::of("fee_caps.relative_bp", "And at most, of what is paid", Kind::Number(0, ALL_OF_IT))
                        .hint(format!("In hundredths of a percent. Now {}.", caps.relative_bp))
                        .optional(),
                )
                .with(
                    Field::of("confirmations", "Final after so many confirmations", Kind::Number(1, DEEPEST))
                        .hint(format!("Now {}.", wallet.confirmations))
                        .optional(),
                ),
        ];
        if !wallet.retiring {
            forms.push(
                Form::taking("retire_wallet", "Retire", "Propose to retire it")
                    .noting("It pays own wallets only from then on, until it is empty, and nothing is paid to it. There is no way back.")
                    .about("id", id),
            );
        }
        Self {
            id: id.to_string(),
            tier: wallet.tier.to_string(),
            network: wallet.network.to_string(),
            fee_cap: caps.absolute.to_string(),
            fee_share: format!("{whole}.{hundredths:02} %"),
            confirmations: wallet.confirmations,
            keys_are: match wallet.keys_are {
                Addresses::Token => "on the token",
                Addresses::Wrapped => "in the journal, wrapped by the HSM",
            },
            status: vault.wallet_status(wallet),
            forms,
        }
    }
}

/// `GET /console/governance/wallets`.
///
/// # Errors
/// Engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId) -> Result<Response, Fault> {
    let (frame, shown) = Frame::with(state, operator, Section::Governance, Wallets::of).await?;
    page(&Page {
        tabs: tabs("/console/governance/wallets"),
        frame,
        shown,
    })
}
