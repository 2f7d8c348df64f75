//! The queue as it is read off a real database: its order, what a payout is worth, and the time that is left.

use custodyd_policy::Tier;

use super::common::{HOUR, governed_but};
use super::desk::{Desk, text};
use super::*;
use crate::view::Risk;

async fn part(world: &World, name: &str, part: &str) -> String {
    let desk = Desk::of(world).await;
    let query = BTreeMap::from([("part".to_owned(), part.to_owned())]);
    text(queue::show(&desk.state, &viewer(name), &query).await).await
}

/// The payouts of a page, in its order.
fn listed(html: &str) -> Vec<WithdrawalId> {
    let articles = html.split("<article class=\"payout").skip(1);
    articles.filter_map(id_of).collect()
}

/// What stands in an article of the queue.
fn article<'a>(html: &'a str, id: &WithdrawalId) -> &'a str {
    let (_, after) = html.split_once(&format!(" id=\"{id}\"")).unwrap();
    after.split_once("</article>").unwrap().0
}

fn risk(world: &World, id: &WithdrawalId) -> Risk {
    Risk::of(world.withdrawal(id))
}

#[tokio::test]
async fn the_riskiest_payout_comes_first_and_of_equal_ones_the_oldest() {
    let mut world = world();
    let ask = |world: &mut World, value: &str, to: &str| {
        world.now += 1_000;
        asked(world, value, to, "")
    };
    let usual = ask(&mut world, "1.5 LTC", KNOWN);
    let raised = ask(&mut world, "1.5 LTC", NEW);
    let paid = ask(&mut world, "0.1 ETH", ETH_NEW);
    world.sent(&paid);
    let high = ask(&mut world, "1.9 ETH", ETH_POISON);
    let high_later = ask(&mut world, "0.9 ETH", ETH_POISON);
    let raised_later = ask(&mut world, "1.25 LTC", NEW);
    let judged = [high, high_later, raised, raised_later, usual].map(|id| risk(&world, &id));
    let expected = [
        Risk::High,
        Risk::High,
        Risk::Raised,
        Risk::Raised,
        Risk::Usual,
    ];
    assert_eq!(judged, expected);
    // Carol is in both groups that are asked.
    let html = part(&world, "carol", "mine").await;
    let order = [high, high_later, raised, raised_later, usual];
    assert_eq!(listed(&html), order);
    for (id, risk) in order.iter().zip(expected) {
        let words = format!("<p class=\"risk {}\">{risk}</p>", risk.as_str());
        assert!(article(&html, id).contains(&words), "{words}");
    }
    // Everybody's, read for somebody whom nobody asks.
    assert_eq!(listed(&part(&world, "erin", "others").await), order);
}

#[tokio::test]
async fn a_payout_shows_what_it_is_worth_and_without_a_fresh_price_that_it_is_not_known() {
    let mut world = world();
    let priced = asked(&mut world, "2.5 LTC", NEW, "");
    let dear = asked(&mut world, "1.9 ETH", ETH_NEW, "");
    let html = part(&world, "carol", "mine").await;
    let worth = |id: &WithdrawalId| {
        let (_, after) = article(&html, id)
            .split_once("<p class=\"worth\">")
            .unwrap();
        after.split_once("</p>").unwrap().0.to_owned()
    };
    // 2.5 at 84.25, and 1.9 at 3120.5.
    let figure = |digits: &str| {
        format!("≈ <span class=\"figure\">{digits} <span class=\"unit\">USD</span></span>")
    };
    assert_eq!(worth(&priced), figure("210.63"));
    assert_eq!(worth(&dear), figure("<span>5</span><span>928</span>.95"));

    // An hour later the price is too old for what comes, and what was judged keeps its value.
    world.now += HOUR;
    let unpriced = asked(&mut world, "1.5 LTC", NEW, "");
    let html = part(&world, "carol", "mine").await;
    assert!(article(&html, &unpriced).contains("<p class=\"worth\">no fresh price</p>"));
    assert!(article(&html, &dear).contains(&figure("<span>5</span><span>928</span>.95")));
}

#[tokio::test]
async fn a_payout_shows_when_it_expires_how_long_it_is_held_and_when_it_leaves_its_hold() {
    let mut world = World::governed();
    let hot = asked(&mut world, "2.5 LTC", NEW, "");
    let warm = world.request_from("warm-ltc", "1.5 LTC", KNOWN).unwrap();
    assert_eq!(
        world.vault.wallets()[&"warm-ltc".parse().unwrap()].tier,
        Tier::Warm
    );
    let due = |html: &str, id: &WithdrawalId| {
        let (_, after) = article(html, id).split_once("<p class=\"due").unwrap();
        let due = after.split_once("</p>").unwrap().0.to_owned();
        let pieces = due
            .split('<')
            .map(|piece| piece.rsplit('>').next().unwrap());
        (due.starts_with(" soon\""), pieces.collect::<String>())
    };
    world.now += 22 * HOUR;
    let html = part(&world, "carol", "mine").await;
    assert_eq!(due(&html, &hot), (false, "expires in 2 h".to_owned()));
    assert_eq!(
        due(&html, &warm),
        (false, "expires in 2 h, then held 1 h".to_owned())
    );
    world.now += HOUR + 60_000;
    let html = part(&world, "carol", "mine").await;
    assert_eq!(due(&html, &hot), (true, "expires in 59 min".to_owned()));

    world.approve(&["alice", "bob"], &warm);
    world.advance();
    assert_eq!(world.state(&warm), "holding");
    world.now += 10_000;
    let html = keep("queue-held", part(&world, "erin", "held").await);
    assert_eq!(listed(&html), [warm]);
    assert_eq!(
        due(&html, &warm),
        (true, "leaves its hold in 59 min 50 s".to_owned())
    );
    assert!(listed(&part(&world, "carol", "mine").await) == [hot]);
}

#[tokio::test]
async fn a_quorum_of_one_leaves_the_queue_of_whoever_gave_it() {
    let mut world = World::with(|genesis| {
        genesis.policy = governed_but("quorum = 1 }]\n[[rules]]", "quorum = 2 }]\n[[rules]]")
    });
    world.fund();
    let id = asked(&mut world, "2.5 LTC", NEW, "");
    world.approve(&["dave"], &id);
    assert!(listed(&part(&world, "dave", "mine").await).is_empty());
    assert_eq!(listed(&part(&world, "dave", "others").await), [id]);
    assert_eq!(listed(&part(&world, "carol", "mine").await), [id]);
}
