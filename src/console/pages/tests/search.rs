//! The journal's search and an entry's proof, over a real database.

use custodyd_vault::Event;

use super::common::{DAY, HOUR};
use super::desk::{Base, Desk, Tokens, commit, commit_rows, empty, text};
use super::*;
use crate::console::pages::journal;
use crate::store::Projection;

async fn page(desk: &Desk, query: &[(&str, &str)]) -> String {
    let query = query
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    text(journal::show(&desk.state, &viewer("alice"), &query.collect()).await).await
}

/// The numbers of the entries that a page lists, in its order.
fn listed(html: &str) -> Vec<u64> {
    let rows = html.split("<tr><th scope=\"row\" class=\"num\"><a href=\"/console/journal/");
    let rows = rows.skip(1);
    rows.filter_map(|row| row.split('"').next()?.parse().ok())
        .collect()
}

/// Where a page says that the next one begins.
fn next(html: &str) -> Option<String> {
    let (_, next) = html.split_once("/console/journal?before=")?;
    Some(next.chars().take_while(char::is_ascii_digit).collect())
}

async fn found(desk: &Desk, query: &[(&str, &str)]) -> Vec<u64> {
    listed(&page(desk, query).await)
}

/// Entries of a kind that name something, newest first.
fn entries(world: &World, is: impl Fn(&Event) -> bool) -> Vec<u64> {
    let mut found: Vec<u64> = world
        .journal
        .iter()
        .filter(|r| is(&r.event))
        .map(|r| r.seq)
        .collect();
    found.reverse();
    found
}

fn names(event: &Event, what: &str) -> bool {
    serde_json::to_string(event).unwrap().contains(what)
}

#[tokio::test]
async fn entries_are_found_by_kind_by_what_they_are_about_by_who_did_it_and_by_day_and_by_all_at_once()
 {
    let mut world = world();
    let first = asked(&mut world, "1.5 LTC", NEW, "");
    let second = asked(&mut world, "2.5 LTC", NEW, "");
    world.approve(&["alice"], &first);
    world.approve(&["bob"], &second);
    world.now += DAY - 2 * HOUR;
    world.approve(&["bob"], &first);
    world.approve(&["alice"], &second);
    let desk = Desk::of(&world).await;
    let approved = |who: &str, id: &WithdrawalId| {
        let (who, id) = (format!("\"operator\":\"{who}\""), id.to_string());
        entries(&world, |e| {
            e.kind() == "approved" && names(e, &who) && names(e, &id)
        })
    };
    let (by_alice, on_first) = (
        [approved("alice", &second), approved("alice", &first)].concat(),
        [approved("bob", &first), approved("alice", &first)].concat(),
    );
    let id = first.to_string();
    let kind = ("kind", "approved");
    assert_eq!(
        found(&desk, &[kind, ("by", "operator/alice")]).await,
        by_alice
    );
    assert_eq!(found(&desk, &[kind, ("about", &id)]).await, on_first);
    let about = entries(&world, |event| names(event, &id));
    assert_eq!(found(&desk, &[("about", &id)]).await, about);
    assert!(about.len() > on_first.len());
    let all = [kind, ("about", &id), ("by", "operator/alice")];
    assert_eq!(found(&desk, &all).await, approved("alice", &first));
    // The second day is the 5th of March.
    for (from, to, expected) in [
        ("2026-03-05", "2026-03-05", approved("bob", &first)),
        ("2026-03-04", "2026-03-04", approved("alice", &first)),
        ("2026-03-04", "2026-03-05", on_first),
        ("2026-03-06", "2026-03-07", Vec::new()),
    ] {
        let query = [kind, ("about", &id), ("from", from), ("to", to)];
        assert_eq!(found(&desk, &query).await, expected, "{from} to {to}");
    }
    assert!(
        found(&desk, &[("about", "wd_00000000000000000000000000000001")])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn pages_of_a_search_follow_on_each_other_and_leave_nothing_out() {
    let mut world = world();
    for nonce in 1..=120 {
        world.now += 1_000;
        world.observe_account("10", nonce).unwrap();
    }
    let desk = Desk::of(&world).await;
    let kind = "account_observed";
    for query in [
        vec![],
        vec![("kind", kind)],
        vec![("about", "wallet/hot-eth")],
    ] {
        let all = query.is_empty();
        let expected = entries(&world, |event| {
            all || event.kind() == kind
                || query[0].0 == "about"
                    && event.kind() != "vault_created"
                    && names(event, "\"hot-eth\"")
        });
        let (mut all, mut sizes, mut before) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut query = query.clone();
            query.extend(before.as_deref().map(|before| ("before", before)));
            let html = page(&desk, &query).await;
            let found = listed(&html);
            sizes.push(found.len());
            all.extend(found);
            before = next(&html);
            if before.is_none() {
                break;
            }
        }
        assert_eq!(all, expected, "{query:?}");
        assert!(sizes.len() == 3 && sizes[..2] == [50; 2], "{sizes:?}");
    }
}

/// A database with many entries about one payout, committed at once after one about another.
async fn long(first: &str, other: &str, count: u64) -> Base {
    let base = empty().await;
    let expired = |id| {
        (
            1,
            "expired",
            serde_json::json!({ "type": "expired", "id": id }),
        )
    };
    let events = (0..=count).map(|n| expired(if n == 0 { first } else { other }));
    let head = commit_rows(&base.store, None, events).await;
    let subject = |subject: &str| Projection::Subject {
        subject: subject.to_owned(),
        head_seq: head.seq,
    };
    let subjects = [first, other, "kind/expired"].map(subject);
    commit(&base.store, &head, subjects.into()).await;
    base
}

#[tokio::test]
async fn a_search_that_looked_through_enough_says_so_and_goes_on_from_there() {
    let [sought, other] = [1, 2].map(|byte| WithdrawalId::from_bytes([byte; 16]).to_string());
    let base = long(&sought, &other, 20_010).await;
    let desk = Desk::over(base, &world(), Tokens::default());
    let about = ("about", sought.as_str());
    let html = page(&desk, &[about]).await;
    assert!(listed(&html).is_empty());
    assert!(html.contains("Many entries were looked through"), "{html}");
    // 20,000 of 20,011 were.
    assert_eq!(next(&html).as_deref(), Some("12"));
    let html = page(&desk, &[about, ("before", "12")]).await;
    assert_eq!((listed(&html), next(&html)), (vec![1], None));
    assert!(!html.contains("Many entries were looked through"));
}

async fn proof(desk: &Desk, seq: u64) -> (bool, Vec<String>) {
    let html = text(journal::entry(&desk.state, &viewer("alice"), &seq.to_string()).await).await;
    let failed = html.split("<li class=\"saw fails\">").skip(1);
    let failed = failed.map(|step| step.split("</li>").next().unwrap().to_owned());
    let yes = html.contains("Is it in the chain? <span class=\"state well\">yes</span>");
    (yes, failed.collect())
}

#[tokio::test]
async fn an_entry_is_proved_from_the_database_and_one_that_was_edited_is_found_out() {
    let desk = Desk::of(&world()).await;
    let last = desk
        .state
        .store
        .last_head("main")
        .await
        .unwrap()
        .unwrap()
        .seq;
    assert!(last > 9, "{last}");
    for seq in 1..=last {
        assert_eq!(proof(&desk, seq).await, (true, Vec::new()), "entry {seq}");
    }
    // Entries 4 to 6 are one commit.
    desk.alter("UPDATE journal SET at_ms = at_ms + 1 WHERE vault = 'main' AND seq = 5")
        .await;
    for (seq, found) in [
        (4, "entry 5 does not"),
        (5, "its hash, computed again from every column"),
        (6, "the entry before it has the hash that it names"),
    ] {
        let (yes, failed) = proof(&desk, seq).await;
        assert!(
            !yes && failed.len() == 1 && failed[0].contains(found),
            "entry {seq}: {failed:?}"
        );
    }
    for seq in [3, 7, last] {
        assert_eq!(proof(&desk, seq).await, (true, Vec::new()), "entry {seq}");
    }
}
