//! Where may be paid: the address book, and the block list, which can be long and is searched.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::Response;
use custodyd_chain::{Address, Network};
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::Vault;

use super::{
    Tabs,
    form::{Field, Form, Kind},
    page, tabs,
};
use crate::{
    console::{
        pages::{Fault, Frame, Section},
        words::{Grouped, Moment, in_fours},
    },
    http::AppState,
};

/// Entries of either list on a page.
const PAGE: usize = 50;
/// The longest text that is looked for.
const LONGEST: usize = 120;

#[derive(Template)]
#[template(path = "places.html")]
pub(in crate::console::pages) struct Page {
    pub(in crate::console::pages) frame: Frame,
    pub(in crate::console::pages) tabs: Tabs,
    /// What is looked for.
    pub(in crate::console::pages) sought: String,
    pub(in crate::console::pages) places: Places,
}

/// What was found in both lists.
#[derive(Debug)]
pub(in crate::console::pages) struct Places {
    pub(in crate::console::pages) known: Vec<Place>,
    pub(in crate::console::pages) known_in_all: usize,
    pub(in crate::console::pages) more_known: bool,
    pub(in crate::console::pages) blocked: Vec<Blocked>,
    pub(in crate::console::pages) blocked_in_all: usize,
    pub(in crate::console::pages) more_blocked: bool,
    pub(in crate::console::pages) add: Form,
    pub(in crate::console::pages) block: Form,
}

/// An address that is never paid.
#[derive(Debug)]
pub(in crate::console::pages) struct Blocked {
    pub(in crate::console::pages) network: String,
    pub(in crate::console::pages) address: Grouped,
    pub(in crate::console::pages) unblock: Form,
}

impl Blocked {
    fn of(address: &Address) -> Self {
        Self {
            network: address.network().to_string(),
            address: in_fours(address.as_str()),
            unblock: Form::new("unblock", "Unblock", "Propose to unblock it")
                .noting("From then on the rules judge it like any other address.")
                .about("addresses.0", full(address)),
        }
    }
}

/// An entry of the address book.
#[derive(Debug)]
pub(in crate::console::pages) struct Place {
    pub(in crate::console::pages) name: String,
    pub(in crate::console::pages) network: String,
    pub(in crate::console::pages) address: Grouped,
    pub(in crate::console::pages) tags: String,
    /// Since when it is known, or until when it is still new.
    pub(in crate::console::pages) class: String,
    pub(in crate::console::pages) added: Moment,
    pub(in crate::console::pages) remove: Form,
}

impl Places {
    pub(in crate::console::pages) fn of(vault: &Vault, sought: &str, now: Timestamp) -> Self {
        let lower = sought.to_lowercase();
        let written = |address: &Address| full(address).to_lowercase().contains(&lower);
        let mut known = vault
            .address_book()
            .iter()
            .filter(|(address, entry)| {
                written(address) || entry.name.to_lowercase().contains(&lower)
            })
            .map(|(address, entry)| Place {
                name: entry.name.clone(),
                network: address.network().to_string(),
                address: in_fours(address.as_str()),
                tags: entry
                    .tags
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
                class: vault.classify(address, now).to_string(),
                added: Moment::of(entry.added_at, now),
                remove: Form::taking("remove_destination", "Remove", "Propose to remove it")
                    .about("address", full(address)),
            });
        let (known_shown, more_known) = first(&mut known);
        let block_list = vault.block_list();
        // A whole list of a hundred thousand isn't walked while the engine waits: an address that is looked for is found by its key.
        let mut blocked: Vec<&Address> = if sought.is_empty() {
            block_list.iter().take(PAGE.saturating_add(1)).collect()
        } else {
            let networks: BTreeSet<Network> = vault.wallets().values().map(|w| w.network).collect();
            let parsed = addresses(sought, &networks);
            parsed
                .iter()
                .filter_map(|address| block_list.get(address))
                .collect()
        };
        let more_blocked = blocked.len() > PAGE;
        blocked.truncate(PAGE);
        Self {
            known: known_shown,
            known_in_all: vault.address_book().len(),
            more_known,
            blocked: blocked.into_iter().map(Blocked::of).collect(),
            add: Form::new("add_destination", "Add a destination", "Propose it")
                .noting("Its cool-off begins when the proposal takes effect; until that is over it counts as new.")
                .with(Field::text("address", "Address, with its network", 200, "litecoin:ltc1q…"))
                .with(Field::text("name", "Name", 64, "Northwind settlement"))
                .with(
                    Field::of("tags", "Tags, one a line", Kind::Lines(""))
                        .hint("What the policy may know it by; none will do.")
                        .optional(),
                )
                .standing_open(),
            block: Form::taking("block", "Block addresses", "Propose to block").with(Field::of(
                "addresses",
                "Addresses, with their network, one a line",
                Kind::Lines("litecoin:ltc1q…"),
            )),
            blocked_in_all: block_list.len(),
            more_blocked,
        }
    }
}

fn first<T>(found: &mut impl Iterator<Item = T>) -> (Vec<T>, bool) {
    let shown = found.by_ref().take(PAGE).collect();
    (shown, found.next().is_some())
}

/// An address with its network in front, as proposals name it.
fn full(address: &Address) -> String {
    format!("{}:{}", address.network(), address.as_str())
}

/// The addresses that a text may mean: with its network in front, or of each network that the vault has a wallet on.
fn addresses(sought: &str, networks: &BTreeSet<Network>) -> Vec<Address> {
    let text = serde_json::Value::String(sought.to_owned());
    let named: Option<Address> = serde_json::from_value(text).ok();
    let anywhere = networks
        .iter()
        .filter_map(|network| Address::parse(*network, sought).ok());
    named.into_iter().chain(anywhere).collect()
}

/// `GET /console/governance/places`.
///
/// # Errors
/// A query that the console doesn't write; engine or database don't answer.
pub async fn show(
    state: &AppState,
    operator: &OperatorId,
    query: &BTreeMap<String, String>,
) -> Result<Response, Fault> {
    let sought = query
        .get("q")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default();
    if sought.len() > LONGEST {
        return Err(Fault::malformed("What is looked for is too long."));
    }
    let text = sought.clone();
    let (frame, places) = Frame::with(state, operator, Section::Governance, move |vault, now| {
        Places::of(vault, &text, now)
    })
    .await?;
    page(&Page {
        tabs: tabs("/console/governance/places"),
        frame,
        sought,
        places,
    })
}
