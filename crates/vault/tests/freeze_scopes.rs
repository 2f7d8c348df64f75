//! A freeze of an asset, a client or a destination: what it stops, and what goes on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use common::{ETH_NEW, KNOWN, NEW, World, ltc, wallet};
use custodyd_chain::{Address, Asset};
use custodyd_policy::WithdrawalId;
use custodyd_vault::{Effect, FreezeScope, Touch};

fn to(text: &str) -> FreezeScope {
    FreezeScope::Destination(Address::parse(ltc(), text).unwrap())
}

fn of(client: &str) -> FreezeScope {
    FreezeScope::Client(client.parse().unwrap())
}

fn request_of(world: &mut World, client: &str, key: &str, to: &str) -> WithdrawalId {
    let asked = world.asked(client, key, "0.1 LTC", to);
    world.ask(asked).unwrap()
}

#[test]
fn an_asset_is_frozen_with_every_wallet_that_holds_it() {
    let mut world = World::funded();
    let scope = FreezeScope::Asset(Asset::Ltc);
    world.freeze(scope.clone(), "erin").unwrap();
    for (name, frozen) in [
        ("hot-ltc", true),
        ("warm-ltc", true),
        ("cold-ltc", true),
        ("hot-eth", false),
    ] {
        assert_eq!(world.vault.is_frozen(&wallet(name)), frozen, "{name}");
    }
    let refused = world.request("0.1 LTC", NEW).unwrap_err();
    assert_eq!(refused.code(), "frozen");
    assert!(refused.to_string().contains("asset LTC"), "{refused}");
    let ether = world.request("0.1 ETH", ETH_NEW).unwrap();
    world.sent(&ether);
    world.unfreeze(scope.clone(), "alice").unwrap();
    world.unfreeze(scope, "bob").unwrap();
    let id = world.request("0.1 LTC", NEW).unwrap();
    world.sent(&id);
}

#[test]
fn a_frozen_client_gets_nothing_planned_or_signed_and_others_do() {
    let mut world = World::funded();
    let planned = request_of(&mut world, "shop", "a", NEW);
    let planned = world.planned(&planned);
    let ready = request_of(&mut world, "shop", "b", NEW);
    world.freeze(of("shop"), "erin").unwrap();
    let other = request_of(&mut world, "exchange", "c", NEW);
    world.quote_fees();
    world.advance();
    assert_eq!(world.state(&ready), "approved");
    assert!(world.withdrawal(&other).transaction().is_some());
    assert!(!world.vault.may_sign(&planned));
    assert_eq!(world.vault.effect_of(&planned), None);
    let asked = world.asked("shop", "d", "0.1 LTC", NEW);
    assert_eq!(
        world.ask(asked).unwrap_err().to_string(),
        "client shop is frozen; a quorum of operators must lift that first"
    );
    world.unfreeze(of("shop"), "alice").unwrap();
    world.unfreeze(of("shop"), "bob").unwrap();
    assert_eq!(
        world.vault.effect_of(&planned),
        Some(Effect::Sign(planned.clone()))
    );
    world.advance();
    assert!(world.withdrawal(&ready).transaction().is_some());
}

#[test]
fn what_was_signed_for_a_frozen_destination_is_not_sent() {
    let mut world = World::funded();
    let (one, other) = (
        request_of(&mut world, "shop", "a", NEW),
        request_of(&mut world, "shop", "b", KNOWN),
    );
    let (one, other) = (world.planned(&one), world.planned(&other));
    world.sign(&one).unwrap();
    world.sign(&other).unwrap();
    world.freeze(to(NEW), "alice").unwrap();
    assert_eq!(world.vault.effect_of(&one), None);
    assert_eq!(
        world.vault.effect_of(&other),
        Some(Effect::Broadcast(other.clone()))
    );
    // It may have been sent already, and is then followed all the same.
    world.broadcast(&one).unwrap();
    assert_eq!(
        world.vault.effect_of(&one),
        Some(Effect::Watch(one.clone()))
    );
}

#[test]
fn a_cold_export_leaves_out_what_is_frozen_alone() {
    let mut world = World::funded();
    let from_cold = |world: &mut World, to: &str| {
        let id = world.request_from("cold-ltc", "1 LTC", to).unwrap();
        world.approve(&["alice", "bob"], &id);
        id
    };
    let warm = common::own_address("warm-ltc");
    let (known, own) = (from_cold(&mut world, KNOWN), from_cold(&mut world, &warm));
    world.freeze(to(KNOWN), "alice").unwrap();
    world.quote_fees();
    let named = custodyd_vault::Command::ExportCold {
        id: custodyd_vault::ExportId::from_bytes([9; 16]),
        wallet: None,
        withdrawals: [known].into(),
        by: "operator/alice".to_owned(),
        evidence: "".into(),
    };
    assert_eq!(world.take(named).unwrap_err().code(), "frozen");
    world.export(1).unwrap();
    assert!(world.withdrawal(&known).transaction().is_none());
    assert!(world.withdrawal(&own).transaction().is_some());
}

#[test]
fn a_freeze_of_nothing_is_refused_and_readers_hear_of_what_it_stops() {
    let mut world = World::funded();
    let foreign = Address::parse(
        "bitcoin".parse().unwrap(),
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    );
    for scope in [
        FreezeScope::Asset(Asset::Btc),
        of("nobody"),
        FreezeScope::Destination(foreign.unwrap()),
    ] {
        assert_eq!(
            world.freeze(scope, "alice").unwrap_err().code(),
            "nothing-to-freeze"
        );
    }
    let open = request_of(&mut world, "shop", "a", NEW);
    let other = request_of(&mut world, "shop", "b", KNOWN);
    let events = world.freeze(to(NEW), "alice").unwrap();
    assert_eq!(events.len(), 1);
    let mut replayed = custodyd_vault::Vault::create(&world.journal[0]).unwrap();
    let mut touched = Vec::new();
    for recorded in &world.journal[1..] {
        touched = replayed.apply(recorded).unwrap();
    }
    assert_eq!(touched, [Touch::Withdrawal(open)]);
    let frozen = |id| {
        world
            .vault
            .withdrawal_freeze(world.withdrawal(&id))
            .is_some()
    };
    assert!(frozen(open) && !frozen(other));
    let scope = serde_json::to_string(&to(NEW)).unwrap();
    assert_eq!(
        scope,
        format!("{{\"destination\":\"litecoin-regtest:{NEW}\"}}")
    );
}
