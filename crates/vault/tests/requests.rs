//! A request is read strictly, accepted once, routed to the lowest tier that may pay, and counted against the limits.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{BLOCKED, DAY, ETH_NEW, HOUR, KNOWN, NEW, World, own_address, wallet};
use custodyd_policy::DestinationClass;
use custodyd_vault::{Command, Rejection, WithdrawalState};

fn refused(value: &str, to: &str) -> String {
    let mut world = World::funded();
    let seq = world.vault.seq();
    let refusal = world.request(value, to).unwrap_err();
    assert_eq!(world.vault.seq(), seq);
    assert!(world.vault.withdrawals().is_empty());
    refusal.code().to_owned()
}

#[test]
fn an_amount_is_a_plain_decimal_that_the_asset_can_hold() {
    for number in [
        "",
        "0",
        "0.0",
        "-1",
        "+1",
        "1e18",
        "NaN",
        "01",
        "1.",
        ".5",
        "1,5",
        " 1",
        "0x10",
        "1.123456789",
        "84000001",
        "18446744073709551616",
        "1_000",
        "\u{661}",
        "1\u{0}",
        "115792089237316195423570985008687907853269984665640564039457584007913129639936",
    ] {
        assert_eq!(
            refused(&format!("{number} LTC"), KNOWN),
            "amount",
            "{number:?}"
        );
    }
    assert_eq!(refused("0.00000001 LTC", KNOWN), "amount", "dust");
    assert_eq!(refused("0.0000000000000000001 ETH", ETH_NEW), "amount");
}

#[test]
fn a_destination_is_an_address_of_the_assets_network() {
    let mixed_case = KNOWN.replacen('q', "Q", 1);
    let wrong_checksum = format!("{}5", &KNOWN[..KNOWN.len() - 1]);
    let bad_eip55 = ETH_NEW.replacen('C', "c", 1);
    for (asset, to) in [
        ("LTC", ""),
        ("LTC", ETH_NEW),
        ("LTC", "bcrt1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpvxat9t"),
        ("LTC", "ltc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgp9wswrd"),
        ("LTC", mixed_case.as_str()),
        ("LTC", wrong_checksum.as_str()),
        ("LTC", "../../etc/passwd"),
        ("ETH", KNOWN),
        ("ETH", bad_eip55.as_str()),
        ("ETH", "0x0000000000000000000000000000000000000000"),
        ("ETH", "0x1234"),
    ] {
        assert_eq!(refused(&format!("1 {asset}"), to), "destination", "{to:?}");
    }
}

#[test]
fn what_else_is_wrong_with_a_request_is_named() {
    let world = World::funded();
    let good = world.asked("shop", "key", "1 LTC", KNOWN);
    let code = |change: &dyn Fn(&mut custodyd_vault::RequestWithdrawal)| {
        let mut asked = good.clone();
        change(&mut asked);
        World::funded().ask(asked).unwrap_err().code()
    };
    assert_eq!(code(&|r| r.vault = "other".parse().unwrap()), "other-vault");
    assert_eq!(
        code(&|r| r.initiator = "client/thief".parse().unwrap()),
        "unknown-principal"
    );
    assert_eq!(
        code(&|r| r.idempotency_key = String::new()),
        "idempotency-key"
    );
    assert_eq!(
        code(&|r| r.idempotency_key = "k".repeat(10_240)),
        "idempotency-key"
    );
    assert_eq!(
        code(&|r| r.idempotency_key = "a b".to_owned()),
        "idempotency-key"
    );
    assert_eq!(
        code(&|r| r.wallet = Some(wallet("nowhere"))),
        "unknown-wallet"
    );
    assert_eq!(
        code(&|r| r.wallet = Some(wallet("hot-eth"))),
        "wallet-asset"
    );
    assert_eq!(code(&|r| r.asset = custodyd_chain::Asset::Btc), "no-wallet");
    for reference in [
        "\u{0}",
        "\u{202e}txt",
        "\u{61c}",
        "\u{2066}",
        "a\nb",
        &"x".repeat(141),
    ] {
        assert_eq!(
            code(&|r| r.reference = reference.to_owned()),
            "reference",
            "{reference:?}"
        );
    }
}

#[test]
fn the_same_key_with_the_same_body_is_the_same_withdrawal() {
    let mut world = World::funded();
    let asked = world.asked("shop", "key", "1 LTC", KNOWN);
    let id = world.ask(asked.clone()).unwrap();
    world.sent(&id);
    for serial in 0..100_u8 {
        let mut again = asked.clone();
        again.id = format!("wd_{:032x}", 0xabc0 + u128::from(serial))
            .parse()
            .unwrap();
        assert_eq!(
            world.take(Command::RequestWithdrawal(Box::new(again))),
            Ok(vec![])
        );
    }
    assert_eq!(world.vault.withdrawals().len(), 1);
    assert_eq!(
        world
            .vault
            .withdrawal_for_key(&asked.initiator, "key")
            .unwrap()
            .id,
        id
    );
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    let mut world = World::funded();
    world
        .ask(world.asked("shop", "key", "1 LTC", KNOWN))
        .unwrap();
    let refusal = world
        .ask(world.asked("shop", "key", "1.5 LTC", KNOWN))
        .unwrap_err();
    assert_eq!(refusal, Rejection::IdempotencyKeyReused("key".to_owned()));
    // Another client's keys are its own.
    world
        .ask(world.asked("exchange", "key", "1 LTC", KNOWN))
        .unwrap();
    assert_eq!(world.vault.withdrawals().len(), 2);
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    let mut world = World::funded();
    world.freeze(common::scope("hot-ltc"), "erin").unwrap();
    let asked = world.asked("shop", "key", "1 LTC", NEW);
    assert_eq!(world.ask(asked.clone()).unwrap_err().code(), "frozen");
    for operator in ["alice", "bob"] {
        world.unfreeze(common::scope("hot-ltc"), operator).unwrap();
    }
    let id = world.ask(asked).unwrap();
    assert_eq!(world.state(&id), "approved");
}

#[test]
fn destinations_are_classed_by_what_the_vault_knows() {
    let mut world = World::funded();
    for (to, class, state) in [
        (KNOWN, DestinationClass::Known, "approved"),
        (NEW, DestinationClass::New, "approved"),
        (BLOCKED, DestinationClass::Blocked, "denied"),
    ] {
        let id = world.request("0.5 LTC", to).unwrap();
        assert_eq!(
            (world.withdrawal(&id).class, world.state(&id)),
            (class, state)
        );
    }
}

#[test]
fn a_look_alike_of_a_known_destination_is_new() {
    let mut world = World::funded();
    // The known one differs in its middle only.
    let id = world.request_from("warm-ltc", "1 LTC", NEW).unwrap();
    assert_eq!(world.withdrawal(&id).class, DestinationClass::New);
    assert_eq!(world.state(&id), "denied");
}

#[test]
fn the_vaults_own_wallet_is_no_external_destination() {
    let mut world = World::funded();
    // Itself it could only pay a fee, whatever policy says.
    assert_eq!(
        world.request_from("hot-ltc", "0.5 LTC", &own_address("hot-ltc")),
        Err(Rejection::ToItself(wallet("hot-ltc")))
    );
    for own in ["warm-ltc", "cold-ltc"] {
        let id = world
            .request_from("hot-ltc", "0.5 LTC", &own_address(own))
            .unwrap();
        assert_eq!(world.withdrawal(&id).class, DestinationClass::Own);
        assert_eq!(world.state(&id), "denied", "{own}");
    }
}

#[test]
fn cold_funds_never_go_to_a_hot_wallet_directly() {
    let mut world = World::funded();
    let hot = own_address("hot-ltc");
    assert_eq!(
        world.request_from("cold-ltc", "1 LTC", &hot),
        Err(Rejection::ColdToHot)
    );
    let id = world
        .request_from("cold-ltc", "1 LTC", &own_address("warm-ltc"))
        .unwrap();
    assert_eq!(world.state(&id), "awaiting_approval");
}

#[test]
fn the_lowest_tier_that_may_pay_pays() {
    let mut world = World::funded();
    let small = world.request("1 LTC", KNOWN).unwrap();
    let large = world.request("6 LTC", KNOWN).unwrap();
    assert_eq!(world.withdrawal(&small).wallet, wallet("hot-ltc"));
    assert_eq!(world.withdrawal(&large).wallet, wallet("warm-ltc"));
    assert_eq!(
        world.withdrawal(&large).requirements()[0].quorums()[0].quorum,
        2
    );
}

#[test]
fn an_amount_limit_holds_over_any_window_and_frees_to_the_millisecond() {
    let mut world = World::funded();
    for _ in 0..2 {
        let id = world.request("4 LTC", NEW).unwrap();
        assert_eq!(world.state(&id), "awaiting_approval");
    }
    let denied = world.request_from("hot-ltc", "0.1 LTC", NEW).unwrap();
    assert_eq!(world.state(&denied), "denied");
    world.now += DAY - 1;
    let denied = world.request_from("hot-ltc", "0.1 LTC", NEW).unwrap();
    assert_eq!(world.state(&denied), "denied");
    world.now += 1;
    let fits = world.request_from("hot-ltc", "0.1 LTC", NEW).unwrap();
    assert_eq!(world.state(&fits), "approved");
}

#[test]
fn what_is_over_a_holding_limit_waits_and_goes_when_the_window_frees() {
    let mut world = World::funded();
    let first = world.request("2 ETH", ETH_NEW).unwrap();
    let waiting = [(); 2].map(|()| world.request("2 ETH", ETH_NEW).unwrap());
    assert_eq!(world.state(&first), "approved");
    assert_eq!(waiting.map(|id| world.state(&id)), ["holding", "holding"]);
    assert_eq!(world.vault.due().unwrap().as_ms(), world.now + HOUR);
    world.wait(HOUR);
    // Only one fits; the other is held for another window, not let through with it.
    let mut states = waiting.map(|id| world.state(&id));
    states.sort_unstable();
    assert_eq!(states, ["approved", "holding"]);
    world.wait(HOUR);
    assert_eq!(waiting.map(|id| world.state(&id)), ["approved", "approved"]);
}

#[test]
fn a_held_request_can_be_cancelled_and_leaves_no_timer() {
    let mut world = World::funded();
    world.request("2 ETH", ETH_NEW).unwrap();
    let id = world.request("2 ETH", ETH_NEW).unwrap();
    assert!(matches!(
        world.withdrawal(&id).state,
        WithdrawalState::HoldingForLimit { .. }
    ));
    world
        .vote("erin", &id, custodyd_vault::Decision::Cancel)
        .unwrap();
    assert_eq!(world.state(&id), "cancelled");
    assert_eq!(world.vault.due(), None);
}
