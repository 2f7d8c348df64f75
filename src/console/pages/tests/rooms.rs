//! Treasury, cold, governance and journal.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, U256};
use custodyd_policy::{Tier, TierTarget};
use custodyd_vault::{Change, Scope};

use super::common::HOUR;
use super::*;
use crate::console::{
    pages::{cold, governance, journal, treasury},
    plot::{Plot, Window},
    words::{Figure, in_fours},
};

fn safe(html: &str) {
    assert!(!html.contains("<script>alert"), "{html}");
    assert!(
        !html.contains(" style="),
        "the policy of the pages lets no inline style in"
    );
    assert!(!html.contains("onclick"), "nor an inline script");
}

fn now(world: &World) -> Timestamp {
    Timestamp::from_ms(world.now)
}

#[test]
fn the_treasury_shows_each_tier_against_its_target_and_every_number_of_a_plot_as_text() {
    let world = World::funded();
    let ltc: custodyd_chain::Asset = "LTC".parse().unwrap();
    let amount = |text: &str| text.parse::<custodyd_chain::Amount>().unwrap();
    let target = TierTarget {
        floor: amount("20 LTC"),
        target: amount("50 LTC"),
        ceiling: amount("90 LTC"),
    };
    let targets = BTreeMap::from([((ltc, Tier::Hot), target)]);
    let mut wallets: Vec<_> = ["hot-ltc", "warm-ltc", "cold-ltc"]
        .into_iter()
        .map(|id| crate::view::wallet(&world.vault, &id.parse().unwrap()).unwrap())
        .collect();
    wallets[0].state = "frozen".to_owned();
    wallets[0].state_detail = Some(MARKUP.to_owned());
    let window = Window {
        from_ms: world.now - 24 * HOUR,
        to_ms: world.now,
    };
    let coins = |number: u64| U256::from(number * 100_000_000);
    let series = [
        (
            "hot".to_owned(),
            vec![
                (window.from_ms, coins(30)),
                (window.from_ms + 9 * HOUR, coins(12)),
            ],
        ),
        (
            "warm".to_owned(),
            vec![(window.from_ms + 3 * HOUR, coins(80))],
        ),
        (
            "cold".to_owned(),
            vec![
                (window.from_ms, coins(55)),
                (window.from_ms + 20 * HOUR, coins(70)),
            ],
        ),
    ];
    let total = vec![
        (window.from_ms + HOUR, coins(1)),
        (window.from_ms + 7 * HOUR, coins(4)),
    ];
    let holding = treasury::holding(
        ltc,
        &wallets,
        &targets,
        Plot::lines(
            "balances-ltc".into(),
            "LTC by tier".into(),
            ltc,
            &series,
            window,
        ),
        Plot::columns(
            "outflow-ltc".into(),
            "LTC paid to others".into(),
            ltc,
            &total,
            window,
        ),
    );
    let (gauges, more_gauges) = treasury::gauges(world.vault.limit_usage(now(&world)), now(&world));
    let page = treasury::Page {
        frame: frame(&world, Section::Treasury, "alice"),
        span: treasury::Span::named(None).unwrap(),
        holdings: vec![holding],
        moves: vec![treasury::Move {
            id: "wd_00".into(),
            from: "warm-ltc".into(),
            to: MARKUP.into(),
            amount: Figure::of("1234.5", "LTC"),
            state: "awaiting approval".into(),
            at: Moment::of(now(&world), now(&world)),
        }],
        gauges,
        more_gauges,
        parts: vec![treasury::Part {
            name: "litecoin-regtest".into(),
            trouble: Some(MARKUP.into()),
            heard: None,
        }],
        tokens: vec![treasury::Token {
            name: "one".into(),
            health: "out",
            reason: Some(MARKUP.into()),
            device: None,
            missing_keys: 1,
            signatures: 7,
            bad_signatures: 0,
            queued: 0,
        }],
    };
    let html = page.render().unwrap();
    let html = keep("treasury", html);
    safe(&html);
    assert!(html.contains("below its floor"), "{html}");
    assert!(html.contains("floor 20 LTC"));
    assert!(html.contains("role=\"img\" aria-labelledby=\"balances-ltc-title balances-ltc-desc\""));
    assert!(html.contains("<th scope=\"row\">03-04 10:00</th>"));
    assert!(
        html.contains("03-04 07:00: 0 LTC") || html.contains("from 03-03 17:00: 3 LTC"),
        "{html}"
    );
}

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

#[test]
fn the_cold_page_names_every_command_and_the_code_that_coldsign_shows() {
    let mut world = World::funded();
    let cold = |world: &mut World, value: &str| {
        let id = world.request_from("cold-ltc", value, KNOWN).unwrap();
        world.approve(&["alice", "bob"], &id);
        world.advance();
        id
    };
    cold(&mut world, "1 LTC");
    let export = world.export(7).unwrap();
    world.built(&export).unwrap();
    let shown = cold::Shown::of(&world.vault, now(&world));
    let bundles = BTreeMap::from([(
        export.to_string(),
        cold::Stored {
            sha256: in_fours(&"cd".repeat(32)),
            bytes: 10_240,
        },
    )]);
    let page = cold::Page {
        frame: frame(&world, Section::Cold, "alice"),
        shown,
        bundles,
        most_bytes: 65_536,
    };
    let html = page.render().unwrap();
    let html = keep("cold", html);
    safe(&html);
    assert!(html.contains("<code>abab abab abab abab</code>"), "{html}");
    assert!(html.contains(&format!(
        "coldsign inspect /media/stick/{export}.tar --config coldsign.toml"
    )));
    assert!(html.contains(&format!("data-target=\"/v1/cold/exports/{export}/bundle\"")));
    assert!(html.contains("aria-current=\"step\""));
}

#[test]
fn an_entry_that_does_not_hold_says_so_and_nothing_of_it_is_taken_for_markup() {
    let world = World::funded();
    let page = journal::EntryPage {
        frame: frame(&world, Section::Journal, "alice"),
        seq: 4,
        kind: "approved".to_owned(),
        at: Moment::of(now(&world), now(&world)),
        subjects: vec!["wd_00".to_owned(), "operator/alice".to_owned()],
        readable: MARKUP.to_owned(),
        canonical: MARKUP.to_owned(),
        proof: journal::Proof {
            steps: vec![journal::Step {
                what: "its hash, computed again from every column".to_owned(),
                found: MARKUP.to_owned(),
                holds: false,
            }],
            chain: vec![(4, "ab".repeat(32))],
            unlisted: 3,
            head: None,
        },
        before: Some(3),
        after: None,
    };
    let html = page.render().unwrap();
    let html = keep("entry", html);
    safe(&html);
    assert!(html.contains("<span class=\"state ill\">no</span>"));
    assert!(html.contains("/console/journal?by=operator/alice"));
}

#[test]
fn the_journal_says_what_its_last_audit_found() {
    let world = World::funded();
    let at = Moment::of(now(&world), now(&world));
    let page = |verification| journal::Page {
        frame: frame(&world, Section::Journal, "alice"),
        wanted: journal::Wanted::read(&BTreeMap::from([(
            "about".to_owned(),
            "wallet/hot-ltc".to_owned(),
        )]))
        .unwrap(),
        kinds: vec![("approved".to_owned(), "approved".to_owned())],
        people: vec!["operator/alice".to_owned()],
        lines: vec![journal::Line {
            seq: 9,
            kind: "coins observed".to_owned(),
            at: at.clone(),
            subjects: vec!["wallet/hot-ltc".to_owned()],
            hash: "0123456789abcdef".to_owned(),
        }],
        next: Some("/console/journal?before=9".to_owned()),
        cut: true,
        verification,
        journal_key: "02ab".to_owned(),
    };
    let fault = journal::Verification {
        under_way: None,
        last: Some((at.clone(), Err(MARKUP.to_owned()))),
    };
    let html = page(fault).render().unwrap();
    safe(&html);
    assert!(html.contains("It does not hold"));
    let well = journal::Verification {
        under_way: Some((at.clone(), 5)),
        last: Some((at.clone(), Ok(journal::Found::default()))),
    };
    let html = page(well).render().unwrap();
    let html = keep("journal", html);
    assert!(html.contains("it holds") && html.contains("under way"));
    assert!(html.contains("<strong>No anchor</strong>"), "{html}");
    let found = journal::Found {
        anchored: Some(41),
        ..journal::Found::default()
    };
    let anchored = journal::Verification {
        under_way: None,
        last: Some((at.clone(), Ok(found))),
    };
    let html = page(anchored).render().unwrap();
    assert!(html.contains("which named entry 41") && !html.contains("No anchor"));
    assert!(html.contains("data-target=\"/console/journal/export?after=0&amp;until="));
}
