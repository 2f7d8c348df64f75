//! A key that used a nonce twice: given up for good, whatever is unfrozen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{NEW, World, coin, public, scope, wallet};
use custodyd_chain::{Coin, NonceX, Plan, PublicKey};
use custodyd_vault::{Command, Effect, KeyId, Rejection, Vault, WithdrawalState};

/// The public half of a key that the wallet doesn't have yet.
fn fresh() -> PublicKey {
    let secret = k256::ecdsa::SigningKey::from_slice(&[0x77; 32]).unwrap();
    PublicKey::from_sec1(secret.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

/// The vault is told that the signature of the second transaction has the nonce of the first one's.
fn reuse(world: &mut World, name: &str, earlier: &str, late: &str) -> Command {
    let command = Command::NonceReused {
        public_key: public(name),
        r: NonceX::from_bytes([7; 32]),
        earlier: earlier.parse().unwrap(),
        transaction: late.parse().unwrap(),
    };
    world.take(command.clone()).unwrap();
    command
}

#[test]
fn a_key_that_used_a_nonce_twice_freezes_its_wallet_and_never_signs_again() {
    let mut world = World::funded();
    let ids = [(); 3].map(|()| world.request("0.5 LTC", NEW).unwrap());
    let sent = world.planned(&ids[0]);
    world.sign(&sent).unwrap();
    let (second, third) = (world.planned(&ids[1]), world.planned(&ids[2]));
    let again = reuse(&mut world, "hot-ltc", sent.as_str(), second.as_str());
    let freeze = &world.vault.frozen()[&scope("hot-ltc")];
    assert!(
        freeze.by.is_none() && freeze.reason.contains("one nonce"),
        "{}",
        freeze.reason
    );
    assert_eq!(world.take(again), Ok(vec![]), "nothing new");
    assert_eq!(world.vault.effect_of(&sent), None, "frozen, so not sent");

    for operator in ["alice", "bob"] {
        world.unfreeze(scope("hot-ltc"), operator).unwrap();
    }
    assert!(world.vault.frozen().is_empty());
    for planned in [&second, &third] {
        assert!(!world.vault.may_sign(planned));
        assert_eq!(world.vault.effect_of(planned), None);
        // One that was under way, whatever its own nonce.
        assert_eq!(
            world.sign(planned).unwrap_err(),
            Rejection::KeyCompromised(public("hot-ltc"))
        );
    }
    // What was signed before is as good as it was.
    assert!(matches!(
        world.vault.effect_of(&sent),
        Some(Effect::Broadcast(_))
    ));
    let mut replayed = Vault::create(&world.journal[0]).unwrap();
    for recorded in &world.journal[1..] {
        replayed.apply(recorded).unwrap();
    }
    assert_eq!(replayed.compromised(), world.vault.compromised());
}

#[test]
fn nothing_is_planned_with_a_compromised_key_and_another_key_takes_the_change() {
    let mut world = World::funded();
    let first = world.request("0.5 LTC", NEW).unwrap();
    let planned = world.planned(&first);
    reuse(&mut world, "hot-ltc", planned.as_str(), planned.as_str());
    for operator in ["alice", "bob"] {
        world.unfreeze(scope("hot-ltc"), operator).unwrap();
    }
    let next = world.request("0.5 LTC", NEW).unwrap();
    world.advance();
    let WithdrawalState::Approved { blocked } = &world.withdrawal(&next).state else {
        panic!("{:?}", world.withdrawal(&next).state);
    };
    assert!(blocked.as_ref().unwrap().contains("compromised"));

    // A fresh key of the wallet, with a coin: it pays, and takes the change.
    let key = KeyId::from_bytes([0x77; 16]);
    world
        .take(Command::RequestAddress {
            wallet: wallet("hot-ltc"),
            key: key.clone(),
            by: "operator/alice".to_owned(),
            evidence: "".into(),
        })
        .unwrap();
    let public_key = fresh();
    world
        .take(Command::KeyMade {
            key,
            public_key,
            wrapped: None,
        })
        .unwrap();
    let coins = vec![
        coin("hot-ltc", 1),
        Coin {
            public_key,
            ..coin("hot-ltc", 9)
        },
    ];
    let wallet = wallet("hot-ltc");
    world.take(Command::ObserveCoins { wallet, coins }).unwrap();
    let planned = world.planned(&next);
    let Plan::Bitcoin(plan) = &world.vault.transactions()[&planned].plan else {
        panic!("not of the Bitcoin family");
    };
    assert!(plan.inputs.iter().all(|coin| coin.public_key == public_key));
    assert_eq!(
        plan.change.as_ref().unwrap().to,
        custodyd_chain::Address::from_public_key(common::ltc(), &public_key)
    );
    assert!(world.vault.may_sign(&planned));
}

#[test]
fn another_wallets_key_is_not_given_up_for_a_transaction_that_it_did_not_sign() {
    let mut world = World::funded();
    let first = world.request("0.5 LTC", NEW).unwrap();
    let planned = world.planned(&first);
    let strange = Command::NonceReused {
        public_key: public("warm-ltc"),
        r: NonceX::from_bytes([7; 32]),
        earlier: planned.clone(),
        transaction: planned,
    };
    assert_eq!(world.take(strange).unwrap_err().code(), "observation");
    assert!(world.vault.compromised().is_empty());
}
