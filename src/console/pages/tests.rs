//! The pages, rendered from the vault's own state as its tests make it, with hostile text in every place that takes text.

use std::path::PathBuf;

use custodyd_chain::Asset;
use custodyd_policy::{OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::{Command, Decision, FreezeScope, Scope, TransactionId};

use super::queue::{Part, payouts};
use super::withdrawal::Read;
use super::*;
use crate::console::words::Moment;
use crate::journal::JournalRow;

mod alteration;
#[path = "../../../crates/vault/tests/common/mod.rs"]
#[allow(
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the vault's own test world, which other tests here use too"
)]
mod common;
mod condition;
mod desk;
mod elsewhere;
mod governing;
mod list;
mod meaning;
mod order;
mod rejudged;
mod rooms;
mod search;
mod size;
mod stored;
use common::{ETH_NEW, KNOWN, NEW, World, governed, included};

/// Begins and ends like [`ETH_NEW`].
const ETH_POISON: &str = "0x70990000000000000000000000000000000079c8";
/// Would be markup, were it not text.
const MARKUP: &str = "<script>alert(1)</script>\"'&";
/// Would turn the rest of its line around.
const TURNED: &str = "invoice \u{202e}0001 CTL\u{202c} paid";

/// Values in dollars, a hundred thousand of them for two people, and a limit that asks people.
const MORE: &str = r#"
[fiat]
currency = "USD"
price_max_age = "15m"
[[rules]]
id = "eth-above-1000-usd"
effect = "require"
when = { asset = ["ETH"], fiat = { above = "1000 USD" } }
require = [{ group = "treasury", quorum = 2 }]
[[rules]]
id = "look-alikes-take-security"
effect = "require"
when = { flag = ["look-alike"] }
require = [{ group = "security", quorum = 1 }]
[[limits]]
id = "eth-daily-usd"
per = "asset"
max_fiat = "5000 USD"
window = "24h"
on_breach = "quorum"
require = [{ group = "treasury", quorum = 2 }, { group = "security", quorum = 1 }]
when = { asset = ["ETH"] }
"#;

fn world() -> World {
    let mut world = World::with(|genesis| {
        genesis.policy = governed() + MORE;
        genesis.client_scopes = [(
            "exchange".parse().unwrap(),
            [Scope::Read, Scope::Prices].into(),
        )]
        .into();
    });
    world.fund();
    price(&mut world);
    world
}

/// Sets the prices that its values come from.
fn price(world: &mut World) {
    let prices = [(Asset::Eth, "3120.5"), (Asset::Ltc, "84.25")];
    world
        .take(Command::SetPrices {
            client: "exchange".parse().unwrap(),
            prices: prices
                .map(|(asset, price)| (asset, price.parse().unwrap()))
                .into(),
            currency: "USD".parse().unwrap(),
            as_of: Timestamp::from_ms(world.now),
            evidence: "the signed request".into(),
        })
        .unwrap();
}

fn viewer(name: &str) -> OperatorId {
    name.parse().unwrap()
}

fn asked(world: &mut World, value: &str, to: &str, reference: &str) -> WithdrawalId {
    let key = format!("key-{}", world.journal.len());
    let mut asked = world.asked("shop", &key, value, to);
    asked.reference = reference.to_owned();
    world.ask(asked).unwrap()
}

fn frame(world: &World, section: Section, name: &str) -> Frame {
    let now = Timestamp::from_ms(world.now);
    let around = Surroundings::of(&world.vault, now);
    Frame {
        section,
        vault: world.vault.id().to_string(),
        operator: name.to_owned(),
        health: Health::Well,
        frozen: around.frozen,
        waiting: 4,
        as_of: Moment::of(now, now),
        seq: around.seq,
    }
}

/// A page fetches nothing from elsewhere. With `CUSTODYD_PAGES` set to a folder, what was rendered is kept there to be looked at
/// in a browser.
fn keep(name: &str, html: String) -> String {
    let found = elsewhere::elsewhere(&html);
    assert!(found.is_empty(), "{name}: {found:?}");
    if let Some(folder) = std::env::var_os("CUSTODYD_PAGES").map(PathBuf::from) {
        let html = html.replace(&assets::href("console.css"), "console.css");
        let html = html.replace(&assets::href("code.js"), "code.js");
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    html
}

fn queue(world: &World, name: &str, ids: &[WithdrawalId]) -> String {
    let now = Timestamp::from_ms(world.now);
    let page = queue::Page {
        frame: frame(world, Section::Queue, name),
        part: Part::Mine,
        payouts: payouts(&world.vault, ids, Part::Mine, &viewer(name), now),
        invented: Vec::new(),
        kept_out: None,
        mine: 4,
        others: 17,
        policy: world.vault.policy().hash().to_string(),
        next: Some("/console/queue?part=mine&after=1.2.wd_0".to_owned()),
        proposals: 1,
    };
    page.render().unwrap()
}

/// Which payout an article of the queue is about: its first id.
fn id_of(article: &str) -> Option<WithdrawalId> {
    let (_, rest) = article.split_once(" id=\"")?;
    rest.split('"').next()?.parse().ok()
}

fn withdrawal(world: &World, id: &WithdrawalId, name: &str) -> String {
    let now = Timestamp::from_ms(world.now);
    let read = Read::of(&world.vault, id, &viewer(name), now).unwrap();
    let trail = read
        .reader
        .of_rows(world.journal.iter().map(|recorded| JournalRow {
            vault: "main".to_owned(),
            seq: recorded.seq,
            at_ms: recorded.at.as_ms(),
            kind: recorded.event.kind().to_owned(),
            event: serde_json::to_string(&recorded.event).unwrap(),
            prev_hash: [0; 32],
            hash: [0; 32],
        }));
    let frame = frame(world, Section::Withdrawals, name);
    let page = withdrawal::Page::of(frame, read, trail, |_| Some(1), Vec::new());
    page.render().unwrap()
}

fn grouped(address: &str) -> String {
    let groups = address.as_bytes().chunks(4);
    let group = |group: &[u8]| format!("<i>{}</i>", std::str::from_utf8(group).unwrap());
    groups.map(group).collect()
}

#[test]
fn the_queue_shows_whole_what_would_leave_why_and_who_is_asked() {
    let mut world = world();
    let first = asked(&mut world, "2.5 LTC", NEW, "invoice 4711");
    world.now += 7 * 60_000;
    let second = asked(&mut world, "1.25 LTC", KNOWN, "refill of the mint");
    world.vote("bob", &second, Decision::Approve).unwrap();
    let real = asked(&mut world, "0.1 ETH", ETH_NEW, "");
    world.sent(&real);
    let third = asked(&mut world, "1.9 ETH", ETH_POISON, "payout 88121");
    world.now += 42_000;
    let html = keep("queue", queue(&world, "alice", &[third, first, second]));
    let code = world.vault.code(&world.vault.withdrawals()[&first]);
    for shown in [
        code.as_str(),
        &grouped(NEW),
        "rule &#34;hot-ltc-medium&#34; allows it",
        "used 0 LTC + 2.5 LTC of at most 8 LTC in 24h",
        "0 of 2 from treasury",
        "bob approved",
        "<strong>mint</strong>",
        &format!("data-target=\"/v1/withdrawals/{first}/approvals\""),
        &format!("data-target=\"/v1/withdrawals/{first}/rejections\""),
        "high risk",
        "never paid before",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
    // Letter by letter: what both have in common stands bare.
    assert!(
        html.contains("<i>0x70</i><i>99<mark>00</mark></i>"),
        "{html}"
    );
    assert!(html.contains("26 characters differ"), "{html}");
}

#[test]
fn whoever_is_not_asked_or_has_voted_sees_no_button() {
    let mut world = world();
    let id = asked(&mut world, "2.5 LTC", NEW, "");
    assert!(queue(&world, "alice", &[id]).contains("data-act"));
    assert!(!queue(&world, "erin", &[id]).contains("data-act"));
    world.vote("alice", &id, Decision::Approve).unwrap();
    assert!(!queue(&world, "alice", &[id]).contains("data-act"));
    assert!(queue(&world, "dave", &[id]).contains("data-act"));
}

#[test]
fn hostile_text_is_text_wherever_it_is_shown() {
    let mut world = world();
    let long = "W".repeat(100);
    let ids: Vec<WithdrawalId> = [MARKUP, &long]
        .iter()
        .map(|reference| asked(&mut world, "1.5 LTC", NEW, reference))
        .collect();
    // The vault takes no such reference; a page doesn't count on that.
    let mut payouts = payouts(
        &world.vault,
        &ids,
        Part::Mine,
        &viewer("alice"),
        Timestamp::from_ms(world.now),
    );
    payouts[0].reference = TURNED.to_owned();
    payouts[1].why[0].text = MARKUP.to_owned();
    let scope = FreezeScope::Wallet("hot-ltc".parse().unwrap());
    let reason = MARKUP.to_owned();
    let (operator, evidence) = (viewer("dave"), String::new());
    let freeze = Command::Freeze {
        scope,
        reason,
        operator,
        evidence: evidence.into(),
    };
    world.take(freeze).unwrap();
    let page = queue::Page {
        frame: frame(&world, Section::Queue, "alice"),
        part: Part::Mine,
        payouts,
        invented: Vec::new(),
        kept_out: None,
        mine: 2,
        others: 0,
        policy: String::new(),
        next: None,
        proposals: 0,
    };
    let turned = page.render().unwrap();
    // A direction that is turned stays within its element.
    assert!(turned.contains(&format!("<bdi>{TURNED}</bdi>")));
    for html in [
        keep("hostile", queue(&world, "alice", &ids)),
        turned,
        withdrawal(&world, &ids[0], "alice"),
        freezing(&world, "alice"),
    ] {
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    }
}

fn freezing(world: &World, name: &str) -> String {
    let now = Timestamp::from_ms(world.now);
    let page = freeze::Page {
        frame: frame(world, Section::Freeze, name),
        shown: freeze::Shown::of(&world.vault, &viewer(name), now),
    };
    page.render().unwrap()
}

#[test]
fn the_page_of_freezes_says_who_has_to_agree_and_asks_those_who_may() {
    let mut world = world();
    let scope = FreezeScope::Wallet("hot-ltc".parse().unwrap());
    world.freeze(scope.clone(), "dave").unwrap();
    world.unfreeze(scope, "alice").unwrap();
    world.now += 180_000;
    let html = keep("freeze", freezing(&world, "bob"));
    for shown in [
        "wallet hot-ltc",
        "something is odd",
        "alice votes to go on",
        "1 of 2 from treasury",
        "name=\"wallet\" value=\"hot-ltc\"",
        "data-target=\"/v1/unfreeze\"",
        "Freeze the whole vault",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
    let voted = freezing(&world, "alice");
    assert!(!voted.contains("/v1/unfreeze"));
    assert!(!freezing(&world, "erin").contains("/v1/unfreeze"));
    // Anybody may freeze.
    assert!(freezing(&world, "erin").contains("/v1/freeze"));
}

#[test]
fn a_withdrawal_that_waits_shows_its_code_every_rule_and_what_is_to_come() {
    let mut world = world();
    let id = asked(&mut world, "2.5 LTC", NEW, MARKUP);
    world.vote("bob", &id, Decision::Approve).unwrap();
    let html = keep("withdrawal-waits", withdrawal(&world, &id, "alice"));
    let code = world.vault.code(&world.vault.withdrawals()[&id]);
    for shown in [
        code.as_str(),
        "hot-ltc-small",
        "amount 2.5 LTC is not at most 1 LTC",
        "signed in the HSM",
        "to come",
        "Ed25519 key",
        "verified",
        "/console/journal/",
        "data-kind=\"approval\"",
        "/cancellation",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
    assert!(!html.contains("Altered in the database"));
}

fn paid(world: &mut World, value: &str, to: &str) -> (WithdrawalId, TransactionId) {
    let id = asked(world, value, to, "invoice 4712");
    for (operator, wait) in [("alice", 61_000), ("bob", 250_000), ("dave", 9_000)] {
        world.now += wait;
        if world.state(&id) == "awaiting_approval" {
            world.vote(operator, &id, Decision::Approve).unwrap();
        }
    }
    let transaction = world.sent(&id);
    world.now += 95_000;
    (id, transaction)
}

#[test]
fn a_sent_withdrawal_shows_what_its_raw_bytes_do_and_where_they_are() {
    let mut world = world();
    let (id, transaction) = paid(&mut world, "2.5 LTC", NEW);
    world.see(&transaction, included(1_204, 1)).unwrap();
    let html = keep("withdrawal-sent", withdrawal(&world, &id, "carol"));
    let raw = world.vault.transactions()[&transaction]
        .raw
        .clone()
        .unwrap();
    for shown in [
        raw.to_hex().as_str(),
        raw.txid(),
        "Read from the raw bytes",
        "this withdrawal",
        // Change goes to the wallet itself.
        "<td data-label=\"whose\">wallet hot-ltc</td>",
        "signed in the HSM",
        "in block 1204",
        "1 of 2 confirmations",
        "<span class=\"step\">final</span>",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
    let (id, _) = paid(&mut world, "1.9 ETH", ETH_NEW);
    let html = keep("withdrawal-ether", withdrawal(&world, &id, "carol"));
    assert!(html.contains("nonce 0"), "{html}");
    assert!(html.contains("Fee at most"));
}
