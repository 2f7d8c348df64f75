//! Governance: proposals, people, destinations, wallets and the policy; and the forms that propose.

use std::collections::BTreeSet;

use custodyd_chain::Address;
use custodyd_vault::{Change, Scope};

use super::rooms::{now, safe};
use super::*;
use crate::console::pages::governance;

#[test]
fn a_proposal_shows_its_changes_as_they_are_signed_and_asks_only_whom_the_policy_asks() {
    let mut world = World::governed();
    let changes = [Change::AddDestination {
        address: Address::parse(common::ltc(), NEW).unwrap(),
        name: MARKUP.to_owned(),
        tags: BTreeSet::new(),
    }];
    let id = world.propose("dave", &changes).unwrap();
    let shown = |world: &World, who: &str| {
        let proposal = &world.vault.proposals()[&id];
        governance::Shown::of(&world.vault, proposal, &viewer(who), now(world)).unwrap()
    };
    let page = |world: &World, who: &str| {
        let shown = shown(world, who);
        let page = governance::ProposalPage {
            frame: frame(world, Section::Governance, who),
            tabs: governance::tabs(""),
            line: governance::Line::of(&shown.view, now(world)),
            shown,
            diff: Vec::new(),
            meaning: None,
        };
        page.render().unwrap()
    };
    let html = page(&world, "alice");
    let html = keep("proposal", html);
    safe(&html);
    let digest = &world.vault.proposals()[&id].digest;
    assert!(html.contains(&format!("data-expect-changes=\"{digest}\"")));
    assert!(html.contains(">Agree</button>") && html.contains(">Veto</button>"));
    let own = page(&world, "dave");
    assert!(!own.contains(">Agree</button>") && own.contains(">Take it back</button>"));
    world.agree("alice", &id).unwrap();
    assert!(
        !page(&world, "alice").contains(">Agree</button>"),
        "nobody agrees twice"
    );

    let line = governance::Line::of(&shown(&world, "bob").view, now(&world));
    let list = governance::Page {
        frame: frame(&world, Section::Governance, "bob"),
        tabs: governance::tabs("/console/governance"),
        open: vec![line],
        done: Vec::new(),
        next: Some("/console/governance?after=1.pr_0".to_owned()),
    };
    let html = list.render().unwrap();
    let html = keep("governance", html);
    safe(&html);
    assert!(html.contains("voted on until"));
}

#[test]
fn who_has_one_passkey_or_none_is_warned_of_and_scopes_are_offered_as_they_are() {
    let world = World::governed();
    let people = governance::PeoplePage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/people"),
        shown: governance::Everybody::of(&world.vault, now(&world)),
    };
    let html = people.render().unwrap();
    let html = keep("people", html);
    safe(&html);
    assert!(
        html.contains("has no passkey, and can&#39;t sign in here"),
        "{html}"
    );
    // Those of both clients, and of one that is added.
    assert_eq!(
        html.matches("name=\"changes.0.scopes\"").count(),
        3 * Scope::ALL.len()
    );
    assert!(html.contains("value=\"withdraw\" checked"));
    assert!(html.contains("name=\"changes.0.until\" data-type=\"number\""));
}

#[test]
fn the_block_list_is_searched_by_whole_addresses_and_the_address_book_by_any_part() {
    let world = World::governed();
    let places = |sought: &str| governance::Places::of(&world.vault, sought, now(&world));
    assert_eq!(places("").blocked_in_all, world.vault.block_list().len());
    assert_eq!(places(common::BLOCKED).blocked.len(), 1);
    assert_eq!(
        places(&format!("litecoin-regtest:{}", common::BLOCKED))
            .blocked
            .len(),
        1
    );
    assert!(
        places("rltc1qqv").blocked.is_empty(),
        "the beginning of one is none"
    );
    assert_eq!(places(&KNOWN[6..20]).known.len(), 1);
    let page = governance::PlacesPage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/places"),
        sought: MARKUP.to_owned(),
        places: places(""),
    };
    let html = page.render().unwrap();
    let html = keep("places", html);
    safe(&html);
    assert!(
        html.contains("name=\"changes.0.address\" value=\"litecoin-regtest:rltc1"),
        "{html}"
    );
}

#[test]
fn every_change_that_the_vault_knows_has_a_form_or_a_word_on_where_it_is_made() {
    let world = World::governed();
    let wallets = governance::WalletsPage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/wallets"),
        shown: governance::Wallets::of(&world.vault, now(&world)),
    };
    let wallets = keep("wallets", wallets.render().unwrap());
    safe(&wallets);
    let people = governance::PeoplePage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/people"),
        shown: governance::Everybody::of(&world.vault, now(&world)),
    };
    let places = governance::PlacesPage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/places"),
        sought: String::new(),
        places: governance::Places::of(&world.vault, "", now(&world)),
    };
    let mut pages = wallets + &people.render().unwrap() + &places.render().unwrap();
    pages += include_str!("../../../../templates/policy.html");
    // No invitation is open in this vault, and no console is named: what stands beside them isn't rendered.
    pages += include_str!("../../../../templates/people.html");
    assert!(pages.contains("custodyctl propose set-console"));
    assert!(include_str!("../governance/people.rs").contains("Form::taking(\"uninvite\""));

    let source = include_str!("../../../../crates/vault/src/governance/change.rs");
    let (_, body) = source.split_once("pub enum Change {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let variants: Vec<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"))
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|name| {
            let mut snake = String::new();
            for c in name.chars() {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
            }
            snake
        })
        .collect();
    assert!(variants.len() > 15, "{variants:?}");
    let elsewhere = ["set_console", "uninvite"];
    for name in variants
        .iter()
        .filter(|name| !elsewhere.contains(&name.as_str()))
    {
        let declared = format!("value=\"{name}\"");
        assert!(pages.contains(&declared), "{name} has no form");
    }
}

#[test]
fn each_field_of_a_form_has_a_label_and_its_hint_and_ids_are_each_there_once() {
    let world = World::governed();
    let page = governance::WalletsPage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/wallets"),
        shown: governance::Wallets::of(&world.vault, now(&world)),
    };
    let html = page.render().unwrap();
    let named = |attribute: &str| -> Vec<&str> {
        let opening = format!(" {attribute}=\"");
        let pieces = html.split(opening.as_str()).skip(1);
        pieces.filter_map(|piece| piece.split('"').next()).collect()
    };
    let ids = named("id");
    let once: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
    for attribute in ["for", "aria-describedby", "list", "aria-labelledby"] {
        for id in named(attribute) {
            assert!(once.contains(id), "{attribute} names {id}");
        }
    }
    assert!(named("for").len() >= 3 * world.vault.wallets().len());
    assert!(
        html.contains("Now 0.01 LTC.") || html.contains("Now 0."),
        "{html}"
    );
}

#[test]
fn the_policy_is_shown_line_by_line_with_what_it_decided() {
    let mut world = World::governed();
    world.request("0.5 LTC", KNOWN).unwrap();
    let rated = governance::Rated::of(&world.vault);
    let source = format!("{}\n# {MARKUP}", world.vault.policy().source());
    let page = governance::PolicyPage {
        frame: frame(&world, Section::Governance, "alice"),
        tabs: governance::tabs("/console/governance/policy"),
        hash: world.vault.policy().hash().to_string(),
        lines: rated.lines(&source),
        withdrawals: rated.withdrawals,
        checked: Ok(vec![("warning".to_owned(), MARKUP.to_owned())]),
    };
    let html = page.render().unwrap();
    let html = keep("policy", html);
    safe(&html);
    assert!(html.contains("decided 1 of 1"), "{html}");
    assert!(html.contains("class=\"untouched\""));
}
