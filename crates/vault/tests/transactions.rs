//! From plan to final: what is reserved stays reserved, and what the chain says is believed as far as it goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{ETH_NEW, KNOWN, NEW, World, included, key_id, made, public, scope};
use custodyd_chain::Plan;
use custodyd_policy::Timestamp;
use custodyd_vault::{ChainPosition, Command, Effect, Event, Recorded, Rejection};

#[test]
fn a_payout_goes_from_plan_to_final_and_each_step_is_named() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let transaction = world.planned(&id);
    assert_eq!(world.state(&id), "planned");
    assert_eq!(
        world.vault.effect_of(&transaction),
        Some(Effect::Sign(transaction.clone()))
    );
    world.sign(&transaction).unwrap();
    assert_eq!(world.state(&id), "signed");
    assert_eq!(
        world.vault.effect_of(&transaction),
        Some(Effect::Broadcast(transaction.clone()))
    );
    world.broadcast(&transaction).unwrap();
    assert_eq!(world.state(&id), "broadcast");
    world.see(&transaction, included(200, 1)).unwrap();
    assert_eq!(world.state(&id), "confirmed");
    world.see(&transaction, included(200, 2)).unwrap();
    assert_eq!(world.state(&id), "final");
    assert_eq!(world.vault.effect_of(&transaction), None);
}

#[test]
fn a_reorganisation_puts_a_payout_back_to_broadcast() {
    for gone in [ChainPosition::Pending, ChainPosition::Unknown] {
        let mut world = World::funded();
        let id = world.request("1 LTC", KNOWN).unwrap();
        let transaction = world.sent(&id);
        world.see(&transaction, included(200, 1)).unwrap();
        world.see(&transaction, gone).unwrap();
        assert_eq!(world.state(&id), "broadcast");
        world.see(&transaction, included(201, 2)).unwrap();
        assert_eq!(world.state(&id), "final");
    }
}

#[test]
fn a_conflict_freezes_the_wallet_and_nothing_is_planned_again() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let transaction = world.sent(&id);
    world.see(&transaction, ChainPosition::Conflicted).unwrap();
    assert_eq!(world.state(&id), "conflicted");
    assert_eq!(world.vault.frozen()[&scope("hot-ltc")].by, None);
    for operator in ["alice", "bob"] {
        world.unfreeze(scope("hot-ltc"), operator).unwrap();
    }
    world.quote_fees();
    assert_eq!(world.advance(), []);
    assert_eq!(world.vault.transactions().len(), 1);
    // Seeing the same again is no news, and freezes nothing again.
    assert_eq!(
        world.see(&transaction, ChainPosition::Conflicted),
        Ok(vec![])
    );
}

#[test]
fn a_rival_that_was_reorganised_away_lets_ours_confirm() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let transaction = world.sent(&id);
    world.see(&transaction, ChainPosition::Conflicted).unwrap();
    assert_eq!(
        world.vault.effect_of(&transaction),
        Some(Effect::Watch(transaction.clone()))
    );
    world.see(&transaction, included(205, 2)).unwrap();
    assert_eq!(world.state(&id), "final");
    assert!(
        world.vault.is_frozen(&"hot-ltc".parse().unwrap()),
        "people look first"
    );
}

#[test]
fn an_ethereum_call_that_failed_is_failed_only_when_it_is_final() {
    let mut world = World::funded();
    let id = world.request("1 ETH", ETH_NEW).unwrap();
    let transaction = world.sent(&id);
    let failed = |confirmations| ChainPosition::Included {
        height: 200,
        confirmations,
        succeeded: false,
    };
    world.see(&transaction, failed(1)).unwrap();
    assert_ne!(world.state(&id), "failed");
    world.see(&transaction, failed(2)).unwrap();
    assert_eq!(world.state(&id), "failed");
    assert_eq!(world.see(&transaction, included(201, 9)), Ok(vec![]));
    assert_eq!(world.state(&id), "failed");
}

#[test]
fn a_second_signature_of_a_plan_is_refused() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let transaction = world.planned(&id);
    world.sign(&transaction).unwrap();
    let again = world.sign(&transaction).unwrap_err();
    assert!(
        matches!(again, Rejection::TransactionState(_, "signed", _)),
        "{again}"
    );
}

#[test]
fn a_signature_of_another_network_is_refused() {
    let mut world = World::funded();
    let litecoin = world.request("1 LTC", KNOWN).unwrap();
    let ethereum = world.request("1 ETH", ETH_NEW).unwrap();
    let (litecoin, ethereum) = (world.planned(&litecoin), world.planned(&ethereum));
    let raw = common::signed(&world.vault.transactions()[&ethereum].plan, "hot-eth");
    let command = Command::Signed {
        transaction: litecoin,
        raw,
        signatures: 1,
    };
    assert_eq!(world.take(command).unwrap_err().code(), "transaction-state");
}

#[test]
fn nothing_is_believed_of_a_transaction_that_is_not_signed() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let transaction = world.planned(&id);
    assert!(world.broadcast(&transaction).is_err());
    assert!(world.see(&transaction, included(200, 9)).is_err());
    assert_eq!(world.state(&id), "planned");
}

#[test]
fn coins_that_a_plan_took_are_never_planned_again_whatever_is_observed() {
    let mut world = World::new();
    world.observe_coins("hot-ltc", &[1]).unwrap();
    let first = world.request("0.5 LTC", KNOWN).unwrap();
    let second = world.request("0.4 LTC", KNOWN).unwrap();
    world.planned(&first);
    assert_eq!(world.state(&second), "approved");
    // Spent, and back again by a reorganisation or a node that lags.
    for seen in [&[][..], &[1][..]] {
        world.observe_coins("hot-ltc", seen).unwrap();
        world.quote_fees();
        world.advance();
        assert_eq!(world.state(&second), "approved");
    }
    world.observe_coins("hot-ltc", &[1, 2]).unwrap();
    world.planned(&second);
}

#[test]
fn nonces_follow_on_each_other_and_never_return() {
    let mut world = World::funded();
    let mut nonces = Vec::new();
    for seen in [7, 3, 0] {
        world.observe_account("10", seen).unwrap();
        let id = world.request("0.5 ETH", ETH_NEW).unwrap();
        let transaction = world.planned(&id);
        let Plan::Evm(plan) = &world.vault.transactions()[&transaction].plan else {
            panic!("an Ethereum plan");
        };
        nonces.push(plan.nonce);
    }
    assert_eq!(nonces, [7, 8, 9]);
}

#[test]
fn plans_on_one_account_never_promise_more_than_it_holds() {
    let mut world = World::new();
    world.observe_account("1.5", 0).unwrap();
    let ids = [(); 2].map(|()| world.request("1 ETH", ETH_NEW).unwrap());
    world.quote_fees();
    world.advance();
    assert_eq!(ids.map(|id| world.state(&id)), ["planned", "approved"]);
    // The node sees the first one spent: what is left is still not enough.
    world.observe_account("0.4", 1).unwrap();
    world.advance();
    assert_eq!(world.state(&ids[1]), "approved");
    world.observe_account("1.4", 1).unwrap();
    world.planned(&ids[1]);
}

#[test]
fn nothing_is_planned_with_an_old_quote() {
    let mut world = World::funded();
    let id = world.request("1 LTC", KNOWN).unwrap();
    world.wait(120_001);
    assert_eq!(world.state(&id), "approved");
    let now = Timestamp::from_ms(world.now);
    assert!(
        world
            .vault
            .pending_effects(now)
            .contains(&Effect::QuoteFee(common::ltc()))
    );
    world.planned(&id);
}

#[test]
fn a_fee_above_the_cap_blocks_the_plan_until_fees_fall() {
    let mut world = World::new();
    world.observe_coins("hot-ltc", &[4]).unwrap();
    let quote = custodyd_chain::FeeQuote::Bitcoin {
        sat_per_kvb: 50_000_000,
    };
    let network = common::ltc();
    world.take(Command::ObserveFee { network, quote }).unwrap();
    let id = world.request("1 LTC", KNOWN).unwrap();
    let events = world.advance();
    assert!(
        matches!(&events[..], [Event::PlanningBlocked { reason, .. }] if reason.contains("cap"))
    );
    world.planned(&id);
}

#[test]
fn coins_of_a_foreign_key_are_refused() {
    let mut world = World::new();
    let coins = vec![common::coin("warm-ltc", 1)];
    let wallet = "hot-ltc".parse().unwrap();
    let refusal = world
        .take(Command::ObserveCoins { wallet, coins })
        .unwrap_err();
    assert_eq!(refusal.code(), "observation");
    assert_eq!(
        world.observe_account("1", 1 << 53).unwrap_err().code(),
        "observation"
    );
}

#[test]
fn one_public_key_serves_one_wallet() {
    let mut world = World::new();
    let key = custodyd_vault::KeyId::from_bytes([9; 16]);
    world
        .take(Command::RequestAddress {
            wallet: "hot-ltc".parse().unwrap(),
            key: key.clone(),
            by: "operator/alice".to_owned(),
            evidence: "".into(),
        })
        .unwrap();
    for taken in ["warm-ltc", "cold-ltc", "hot-eth", "hot-ltc"] {
        let (key, public_key) = (key.clone(), public(taken));
        let refusal = world.take(made(key, public_key)).unwrap_err();
        assert_eq!(refusal.code(), "taken", "{taken}");
    }
    let (key, public_key) = (key_id("hot-ltc"), public("warm-ltc"));
    assert!(world.take(made(key, public_key)).is_err());
}

#[test]
fn events_that_can_not_follow_are_faults() {
    let mut world = World::funded();
    let small = world.request("1 LTC", NEW).unwrap();
    let transaction = world.sent(&small);
    let planned = world.journal.iter().rev().find_map(|r| match &r.event {
        event @ Event::TransactionPlanned { .. } => Some(event.clone()),
        _ => None,
    });
    let signed = world.journal.iter().rev().find_map(|r| match &r.event {
        event @ Event::TransactionSigned { .. } => Some(event.clone()),
        _ => None,
    });
    for event in [
        planned.unwrap(),
        signed.unwrap(),
        Event::Expired { id: small },
        Event::HoldEnded { id: small },
        Event::TransactionBroadcast { transaction },
        Event::Unfrozen {
            scope: scope("hot-ltc"),
        },
        world.journal[0].event.clone(),
    ] {
        let kind = event.kind();
        let recorded = Recorded {
            seq: world.vault.seq() + 1,
            at: Timestamp::from_ms(world.now),
            event,
        };
        assert!(world.vault.clone().apply(&recorded).is_err(), "{kind}");
    }
}
