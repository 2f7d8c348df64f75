//! Prices, and what is looked at once more between a verdict and a plan.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use common::{ETH_NEW, HOUR, NEW, World, amount, eth, governed};
use custodyd_chain::{Asset, FeeCaps, FeeQuote};
use custodyd_policy::{Timestamp, WithdrawalId};
use custodyd_vault::{Change, Command, Event, MAX_PRICES, Rejection, Scope, WithdrawalState};

const MINUTE: u64 = 60_000;

/// Above 1,000 USD ether takes two people.
const FIAT: &str = r#"
[fiat]
currency = "USD"
price_max_age = "15m"
[[rules]]
id = "large"
effect = "require"
when = { asset = ["ETH"], fiat = { above = "1000 USD" } }
require = [{ group = "treasury", quorum = 2 }]
"#;

/// More than the wallets' caps of 0.01 ETH, as they are at first.
const DEAR: &str = r#"
[[rules]]
id = "dear"
effect = "deny"
when = { asset = ["ETH"], fee = { above = "0.02 ETH" } }
"#;

fn world(rules: &str) -> World {
    let mut world = World::with(|genesis| {
        genesis.policy = governed() + rules;
        genesis.client_scopes = [(
            "exchange".parse().unwrap(),
            [Scope::Read, Scope::Prices].into(),
        )]
        .into();
    });
    world.fund();
    world
}

fn prices(client: &str, of: &[(Asset, &str)], currency: &str, as_of: u64) -> Command {
    Command::SetPrices {
        client: client.parse().unwrap(),
        prices: of
            .iter()
            .map(|(asset, price)| (*asset, price.parse().unwrap()))
            .collect(),
        currency: currency.parse().unwrap(),
        as_of: Timestamp::from_ms(as_of),
        evidence: "the signed request".into(),
    }
}

fn ether_costs(world: &mut World, price: &str) {
    let command = prices("exchange", &[(Asset::Eth, price)], "USD", world.now);
    world.take(command).unwrap();
}

fn doubt(world: &World, id: &WithdrawalId) -> Option<String> {
    match &world.withdrawal(id).state {
        WithdrawalState::Doubted { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

#[test]
fn prices_are_taken_from_whom_the_vault_trusts_with_them_and_never_go_back() {
    let mut world = world(FIAT);
    let now = world.now;
    let eth = [(Asset::Eth, "2000")];
    let refused = |world: &mut World, command| world.take(command).unwrap_err();
    let shop = refused(&mut world, prices("shop", &eth, "USD", now));
    assert!(matches!(shop, Rejection::NotScoped(..)), "{shop}");
    let nobody = refused(&mut world, prices("nobody", &eth, "USD", now));
    assert_eq!(nobody.code(), "unknown-principal");
    let many = vec![(Asset::Btc, "1"); MAX_PRICES + 1];
    for (command, says) in [
        (prices("exchange", &eth, "EUR", now), "not in EUR"),
        (prices("exchange", &[], "USD", now), "not 0"),
        (prices("exchange", &many, "USD", now), "not 65"),
        (prices("exchange", &many[..2], "USD", now), "twice"),
        (
            prices("exchange", &eth, "USD", now + 5_001),
            "from the future",
        ),
    ] {
        let error = refused(&mut world, command);
        assert_eq!(error.code(), "prices");
        assert!(error.to_string().contains(says), "{error}");
    }
    world.take(prices("exchange", &eth, "USD", now)).unwrap();
    let again = world.take(prices("exchange", &eth, "USD", now)).unwrap();
    assert!(again.is_empty(), "a repetition is nothing new");
    for (price, as_of) in [("2000", now - 1), ("2001", now)] {
        let older = refused(
            &mut world,
            prices("exchange", &[(Asset::Eth, price)], "USD", as_of),
        );
        assert!(older.to_string().contains("doesn't go back"), "{older}");
    }
    let mut without = World::funded();
    let none = without.take(prices("shop", &eth, "USD", now)).unwrap_err();
    assert!(
        matches!(none, Rejection::NotScoped(..)),
        "by default no client may: {none}"
    );
}

#[test]
fn a_rule_in_fiat_decides_by_the_price_in_force_and_denies_without_a_fresh_one() {
    let mut world = world(FIAT);
    let unpriced = world.request("0.1 ETH", ETH_NEW).unwrap();
    assert_eq!(world.state(&unpriced), "denied");
    ether_costs(&mut world, "2000");
    let small = world.request("0.5 ETH", ETH_NEW).unwrap();
    assert_eq!(world.state(&small), "approved");
    let fiat = world
        .withdrawal(&small)
        .facts
        .as_ref()
        .unwrap()
        .fiat
        .unwrap();
    assert_eq!(fiat.to_string(), "1000 USD");
    let large = world.request("0.500000000000000001 ETH", ETH_NEW).unwrap();
    assert_eq!(world.state(&large), "awaiting_approval");
    world.wait(15 * MINUTE + 1);
    let stale = world.request("0.1 ETH", ETH_NEW).unwrap();
    assert_eq!(world.state(&stale), "denied");
}

#[test]
fn a_price_that_grew_old_before_the_plan_holds_it_up_until_there_is_a_fresh_one() {
    let mut world = world(FIAT);
    ether_costs(&mut world, "2000");
    let id = world.request("0.9 ETH", ETH_NEW).unwrap();
    world.wait(HOUR);
    world.approve(&["alice", "bob"], &id);
    world.quote_fees();
    let events = world.advance();
    assert!(
        doubt(&world, &id)
            .unwrap()
            .contains("policy would refuse it now")
    );
    let [
        Event::PlanningBlocked {
            verdict: Some(verdict),
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(verdict.policy, world.vault.policy().hash());
    assert_eq!(world.state(&id), "approved");
    ether_costs(&mut world, "2100");
    world.quote_fees();
    assert!(
        world.advance().is_empty(),
        "it is looked at again after a while"
    );
    world.wait(MINUTE);
    assert!(world.withdrawal(&id).transaction().is_some());
}

#[test]
fn a_value_that_rose_asks_for_people_who_have_not_agreed() {
    let mut world = world(FIAT);
    world
        .take(Command::ObserveAccount {
            wallet: "hot-eth".parse().unwrap(),
            balance: amount("0 ETH"),
            nonce: 0,
            height: 200,
        })
        .unwrap();
    ether_costs(&mut world, "2000");
    let id = world.request("0.4 ETH", ETH_NEW).unwrap();
    world.quote_fees();
    world.advance();
    world.now += MINUTE;
    ether_costs(&mut world, "3000");
    world.observe_account("10", 0).unwrap();
    world.quote_fees();
    world.advance();
    assert_eq!(
        doubt(&world, &id).unwrap(),
        "policy asks for more approvals now: 0 of 2 from treasury"
    );
    // Nobody is asked, and anybody may still take it back.
    world
        .vote("erin", &id, custodyd_vault::Decision::Cancel)
        .unwrap();
    assert_eq!(world.state(&id), "cancelled");
}

#[test]
fn the_plans_own_fee_is_judged_when_the_wallets_cap_was_raised_meanwhile() {
    let mut world = world(DEAR);
    let empty = |world: &mut World, balance| world.observe_account(balance, 0).unwrap();
    empty(&mut world, "0");
    let id = world.request("0.9 ETH", ETH_NEW).unwrap();
    assert_eq!(
        world.state(&id),
        "approved",
        "the cap is 0.01 ETH, and so is the fee that was judged"
    );
    world.enact(&[Change::SetWallet {
        id: "hot-eth".parse().unwrap(),
        fee_caps: Some(FeeCaps {
            absolute: amount("0.05 ETH"),
            relative_bp: 1_000,
        }),
        confirmations: None,
    }]);
    let quote = |world: &mut World, gwei: u128| {
        let quote = FeeQuote::Evm {
            base_fee_per_gas: gwei * 1_000_000_000,
            priority_fee_per_gas: 1,
        };
        let network = eth();
        world.take(Command::ObserveFee { network, quote }).unwrap();
    };
    quote(&mut world, 700);
    empty(&mut world, "10");
    world.advance();
    let doubt = doubt(&world, &id).unwrap();
    assert!(doubt.contains("rule \"dear\" denies it"), "{doubt}");
    world.now += MINUTE;
    quote(&mut world, 10);
    world.advance();
    assert!(world.withdrawal(&id).transaction().is_some());
}

#[test]
fn what_does_not_change_is_asked_about_ever_more_rarely() {
    let mut world = world(FIAT);
    ether_costs(&mut world, "2000");
    let id = world.request("0.9 ETH", ETH_NEW).unwrap();
    world.now += HOUR;
    world.approve(&["alice", "bob"], &id);
    let mut asked = 0;
    for _ in 0..24 * 60 {
        world.quote_fees();
        let events = world.wait(MINUTE);
        asked += events
            .iter()
            .filter(|e| matches!(e, Event::PlanningBlocked { .. }))
            .count();
    }
    assert!((20..=40).contains(&asked), "{asked} times in a day");
}

#[test]
fn an_approved_payout_stays_payable_after_hours_and_counts_once() {
    let hours = "hours = { from = \"09:00\", to = \"11:00\" }";
    let mut world = World::with(|genesis| {
        genesis.policy = governed().replace(
            "amount = { above = \"1 LTC\", at_most = \"5 LTC\" } }",
            &format!("amount = {{ above = \"1 LTC\", at_most = \"5 LTC\" }}, {hours} }}"),
        );
    });
    world.fund();
    let id = world.request("4 LTC", NEW).unwrap();
    let other = world.request("4 LTC", NEW).unwrap();
    world.wait(3 * HOUR);
    // Both together use up the day's 8 LTC: neither stands in the other's way, nor in its own.
    for id in [&id, &other] {
        world.approve(&["alice", "bob", "dave"], id);
    }
    world.planned(&id);
}
