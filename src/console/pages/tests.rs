//! The pages, rendered from the vault's own state as its tests make it, with hostile text in every place that takes text.

use std::path::PathBuf;

use custodyd_policy::{OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::{Decision, FreezeScope};

use super::queue::{Part, payouts};
use super::*;
use crate::console::words::Moment;

#[path = "../../../crates/vault/tests/common/mod.rs"]
#[allow(unreachable_pub)]
mod common;
mod rooms;
use common::{HOUR, KNOWN, NEW, World};

fn viewer(name: &str) -> OperatorId {
    name.parse().unwrap()
}

fn frame(world: &World, section: Section, name: &str) -> Frame {
    let now = Timestamp::from_ms(world.now);
    let around = Surroundings::of(&world.vault, now);
    Frame {
        section,
        vault: world.vault.id().to_string(),
        operator: name.to_owned(),
        health: Health { trouble: vec![] },
        frozen: around.frozen,
        waiting: 2,
        as_of: Moment::of(now, now),
        seq: around.seq,
    }
}

/// With `CUSTODYD_PAGES` set to a folder, what was rendered is kept there to be looked at in a browser.
fn keep(name: &str, html: &str) {
    if let Some(folder) = std::env::var_os("CUSTODYD_PAGES").map(PathBuf::from) {
        let html = html
            .replace(&assets::href("console.css"), "console.css")
            .replace(&assets::href("code.js"), "code.js");
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}

fn queue(world: &World, name: &str, ids: &[WithdrawalId]) -> String {
    let now = Timestamp::from_ms(world.now);
    let page = queue::Page {
        frame: frame(world, Section::Queue, name),
        part: Part::Mine,
        payouts: payouts(&world.vault, ids, Part::Mine, &viewer(name), now),
        mine: 2,
        others: 1,
        policy: world.vault.policy().hash().to_string(),
        next: Some("/console/queue?part=mine&after=1.2.wd_0".to_owned()),
        page_size: 50,
        proposals: 1,
    };
    page.render().unwrap()
}

/// A reference that would be markup, and one that would turn the line around, were they not text.
const MARKUP: &str = "<script>alert(1)</script>\"'&";

fn asking(world: &mut World, value: &str, to: &str, reference: &str) -> WithdrawalId {
    let key = format!("key-{value}-{reference}");
    let mut asked = world.asked("shop", &key, value, to);
    asked.reference = reference.to_owned();
    world.ask(asked).unwrap()
}

#[test]
fn the_queue_shows_the_whole_address_amount_reason_and_code_of_what_waits() {
    let mut world = World::funded();
    let id = asking(&mut world, "2.5 LTC", NEW, MARKUP);
    let other = asking(&mut world, "1.25 LTC", KNOWN, "invoice 77");
    world.vote("bob", &other, Decision::Approve).unwrap();
    let html = queue(&world, "alice", &[id, other]);
    keep("queue", &html);
    let withdrawal = &world.vault.withdrawals()[&id];
    assert!(html.contains(&world.vault.code(withdrawal)));
    let groups: String = NEW
        .as_bytes()
        .chunks(4)
        .map(|group| format!("<i>{}</i>", std::str::from_utf8(group).unwrap()))
        .collect();
    assert!(html.contains(&groups));
    assert!(html.contains("rule &#34;hot-ltc-medium&#34; allows it"));
    assert!(html.contains("used 0 LTC + 2.5 LTC of at most 8 LTC in 24h"));
    assert!(html.contains("has 0 of 2 from treasury"));
    assert!(html.contains("bob approved"));
    assert!(html.contains(&format!("data-target=\"/v1/withdrawals/{id}/approvals\"")));
}
