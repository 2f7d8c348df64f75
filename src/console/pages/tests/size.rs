//! How large a page of the queue becomes where each of its payouts has everything that one can have.

use custodyd_chain::Address;

use super::common::eth;
use super::desk::{Desk, text};
use super::*;

/// The longest name and reference that are usual, and more than most are.
const NAME: &str = "Deposit account at the second exchange";
const REFERENCE: &str = "settlement of the second week of March 2026, batch 000417 of 000912, for the desk in Singapore";

/// Like [`world`], with the look-alike's other address in the address book.
fn named() -> World {
    let mut world = World::with(|genesis| {
        // No limit holds back what is asked for here.
        genesis.policy = governed()
            .replace("max_amount = \"8 LTC\"", "max_amount = \"800 LTC\"")
            .replace("max_amount = \"3 ETH\"", "max_amount = \"300 ETH\"")
            .replace("max_count = 6", "max_count = 600")
            + MORE;
        genesis.client_scopes = [(
            "exchange".parse().unwrap(),
            [Scope::Read, Scope::Prices].into(),
        )]
        .into();
        let address = Address::parse(eth(), ETH_NEW).unwrap();
        genesis.address_book.insert(NAME.to_owned(), address.into());
    });
    world.fund();
    price(&mut world);
    world
}

/// Payouts to the look-alike, in their order: each with everything that a payout can have, of a vault that stands still.
fn heaviest(count: usize) -> (World, Vec<WithdrawalId>) {
    let mut world = named();
    let ids: Vec<WithdrawalId> = (0..count)
        .map(|_| asked(&mut world, "1.9 ETH", ETH_POISON, REFERENCE))
        .collect();
    world.now += 7 * 60_000;
    for id in &ids {
        world.vote("alice", id, Decision::Approve).unwrap();
        world.vote("dave", id, Decision::Approve).unwrap();
    }
    world.freeze(common::scope("hot-eth"), "dave").unwrap();
    (world, ids)
}

#[tokio::test]
async fn a_page_of_the_heaviest_payouts_is_within_a_hundred_kilobytes_and_the_next_ones_leave_none_out()
 {
    let (world, ids) = heaviest(90);
    let desk = Desk::of(&world).await;
    let mut query = BTreeMap::new();
    let (mut listed, mut sizes) = (Vec::<WithdrawalId>::new(), Vec::new());
    loop {
        let html = text(queue::show(&desk.state, &viewer("bob"), &query).await).await;
        let html = keep("queue-heaviest", html);
        let payouts: Vec<&str> = html.split("<li><article").skip(1).collect();
        for shown in [
            NAME,
            REFERENCE,
            "alice approved",
            "Frozen.",
            "≈",
            "Approve",
            "more</li>",
        ] {
            assert!(
                payouts[0].contains(shown),
                "{shown} is not in {}",
                payouts[0]
            );
        }
        listed.extend(payouts.iter().filter_map(|payout| id_of(payout)));
        sizes.push((payouts.len(), html.len()));
        let Some((_, next)) = html.split_once("/console/queue?part=mine&#38;after=") else {
            break;
        };
        let after = next.split('"').next().unwrap().to_owned();
        query = [("after".to_owned(), after)].into();
    }
    assert_eq!(listed, ids);
    let (last, full) = sizes.split_last().unwrap();
    assert!(last.1 <= 100_000 && full.len() > 1, "{sizes:?}");
    for (payouts, bytes) in full {
        assert!((20..40).contains(payouts), "{sizes:?}");
        assert!((90_000..=100_000).contains(bytes), "{sizes:?}");
    }
}

#[tokio::test]
async fn forty_usual_payouts_with_value_and_votes_are_on_one_page() {
    let mut world = named();
    let ids: Vec<WithdrawalId> = (0..45)
        .map(|n| asked(&mut world, "1.5 LTC", NEW, &format!("invoice {n}")))
        .collect();
    for id in &ids {
        world.vote("alice", id, Decision::Approve).unwrap();
    }
    let desk = Desk::of(&world).await;
    let html = text(queue::show(&desk.state, &viewer("bob"), &BTreeMap::new()).await).await;
    let html = keep("queue-usual", html);
    assert_eq!(
        html.matches("<li><article").count(),
        40,
        "{} bytes",
        html.len()
    );
    assert!(html.len() <= 100_000, "{}", html.len());
    let each = html.split("<li><article").nth(1).unwrap();
    assert!(
        each.contains("≈") && each.contains("alice approved"),
        "{each}"
    );
}
