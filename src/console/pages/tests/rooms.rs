//! Treasury, cold and journal.

use std::collections::BTreeMap;

use custodyd_chain::U256;
use custodyd_policy::{Tier, TierTarget};

use super::common::HOUR;
use super::*;
use crate::console::{
    pages::{cold, journal, treasury},
    plot::{Plot, Window},
    words::{Figure, in_fours},
};

pub(super) fn safe(html: &str) {
    assert!(!html.contains("<script>alert"), "{html}");
    assert!(
        !html.contains(" style="),
        "the policy of the pages lets no inline style in"
    );
    assert!(!html.contains("onclick"), "nor an inline script");
}

pub(super) fn now(world: &World) -> Timestamp {
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
            standing: treasury::Standing::Trouble(MARKUP.into()),
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
