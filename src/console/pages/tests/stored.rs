//! The treasury as it is read off a real database: what wallets held over time, what was paid, what moves between own wallets, and how
//! full the limits are.

use super::common::{HOUR, own_address};
use super::desk::{Desk, text};
use super::*;

async fn treasury_of(world: &World, span: &str) -> String {
    let desk = Desk::of(world).await;
    let query = BTreeMap::from([("span".to_owned(), span.to_owned())]);
    text(treasury::show(&desk.state, &viewer("alice"), &query).await).await
}

/// What stands between two marks.
fn between<'a>(html: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, after) = html
        .split_once(begin)
        .unwrap_or_else(|| panic!("{begin} is not in {html}"));
    after.split_once(end).unwrap().0
}

/// The words of a piece of a page, its markup taken out.
fn words(html: &str) -> String {
    let pieces = html.split('<');
    let text = pieces.map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text: Vec<&str> = text.flat_map(str::split_whitespace).collect();
    text.join(" ")
}

/// Ten litecoins hot, of which 2.5 are paid to somebody and become final three hours later.
fn paid_out() -> World {
    let mut world = World::governed();
    world.now += HOUR;
    let (_, transaction) = paid(&mut world, "2.5 LTC", NEW);
    world.now += 2 * HOUR;
    world.see(&transaction, included(1_204, 2)).unwrap();
    world.observe_coins("hot-ltc", &[1, 2, 4]).unwrap();
    world.now += HOUR;
    world
}

#[tokio::test]
async fn what_wallets_held_and_what_was_paid_is_drawn_from_the_journals_samples() {
    let world = paid_out();
    let html = keep("treasury-stored", treasury_of(&world, "day").await);
    let table = |plot: &str| words(between(&html, &format!("Table: {plot}\">"), "</table>"));
    let balances = table("LTC by tier");
    let heads = "LTC by tier Time (UTC) hot, LTC warm, LTC cold, LTC 10:00 10 10 10 ";
    assert!(balances.starts_with(heads), "{balances}");
    assert!(
        balances.contains(" 12:44 10 10 10 13:05 7 10 10 "),
        "{balances}"
    );
    assert!(balances.ends_with(" 14:06 7 10 10"), "{balances}");
    let outflow = table("LTC paid to others");
    assert!(outflow.contains(" 12:50 0 13:00 2.5 13:10 0 "), "{outflow}");
    assert_eq!(outflow.matches(" 2.5").count(), 1, "{outflow}");
    let held = words(between(&html, "<h2 id=\"asset-LTC\">", "<figure"));
    assert!(held.starts_with("LTC 27 LTC hot 7 LTC "), "{held}");
    assert!(held.contains("3 LTC free warm 10 LTC "), "{held}");
    assert!(
        words(between(&html, "<h2 id=\"asset-ETH\">", "<figure"))
            .starts_with("ETH 10 ETH hot 10 ETH ")
    );
}

#[tokio::test]
async fn what_went_to_an_own_wallet_is_not_paid_to_others() {
    let mut world = World::governed();
    let refill = world.request_from("warm-ltc", "1.5 LTC", &own_address("hot-ltc"));
    let refill = refill.unwrap();
    world.approve(&["alice", "bob"], &refill);
    world.wait(2 * HOUR);
    let transaction = world.sent(&refill);
    let on_its_way = treasury_of(&world, "day").await;
    assert!(
        between(&on_its_way, "id=\"moves\"", "</section>")
            .contains("<span class=\"state open\">broadcast</span>")
    );
    world.see(&transaction, included(1_204, 2)).unwrap();
    world.now += HOUR;
    let html = treasury_of(&world, "day").await;
    assert!(html.contains("No refill or sweep is on its way."));
    let outflow = between(&html, ">LTC paid to others</figcaption>", "</figure>");
    assert!(!outflow.contains("1.5"), "{outflow}");
}

#[tokio::test]
async fn a_refill_on_its_way_is_named_with_both_wallets_and_a_payout_to_others_is_not() {
    let mut world = paid_out();
    let refill = world
        .request_from("warm-ltc", "1.5 LTC", &own_address("hot-ltc"))
        .unwrap();
    let other = asked(&mut world, "1.25 LTC", NEW, "");
    world.now += 60_000;
    let html = treasury_of(&world, "week").await;
    let moves = between(&html, "id=\"moves\"", "</section>");
    assert!(moves.contains(&format!("/console/withdrawals/{refill}")));
    assert!(!moves.contains(&other.to_string()));
    let row = words(between(moves, "<tbody>", "</tbody>"));
    let expected =
        format!("Withdrawal {refill}, 1 min ago warm-ltc hot-ltc 1.5 LTC awaiting approval");
    assert_eq!(row, expected);
    assert!(
        treasury_of(&paid_out(), "week")
            .await
            .contains("No refill or sweep is on its way.")
    );
}

#[tokio::test]
async fn each_limit_says_how_much_of_it_is_used_and_the_fullest_stands_first() {
    let html = treasury_of(&paid_out(), "week").await;
    let gauges = between(&html, "<ul class=\"gauges\">", "</ul>");
    let told: Vec<String> = gauges.split("<li ").skip(1).map(words).collect();
    let expected = [
        "hot-ltc-daily wallet hot-ltc, in 1 d 2.5 LTC of 8 LTC 31 %, frees in 20 h 53 min",
        "client-hourly any client, in 1 h 0 of 6 0 %",
        "eth-hourly any wallet, in 1 h 0 ETH of 3 ETH 0 %",
    ];
    assert_eq!(told, expected);
    assert!(
        gauges.contains("aria-label=\"31 of a hundred used\""),
        "{gauges}"
    );
}
