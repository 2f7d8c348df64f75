//! Keys that the HSM doesn't keep: their private halves stand, encrypted, in the journal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{World, genesis, public, wallet};
use custodyd_chain::{Address, PublicKey};
use custodyd_policy::Timestamp;
use custodyd_vault::{Addresses, Command, Effect, Event, GenesisError, KeyId, Vault, WrappedBlob};

const HOT: &str = "hot-ltc";

fn blob(size: usize) -> WrappedBlob {
    WrappedBlob {
        wrapping_key: KeyId::from_bytes([0xaa; 16]),
        blob: vec![7; size],
    }
}

fn wrapped(key: &KeyId, public_key: PublicKey, wrapped: Option<WrappedBlob>) -> Command {
    Command::KeyMade {
        key: key.clone(),
        public_key,
        wrapped,
    }
}

/// A world whose hot Litecoin wallet has wrapped addresses, and a key of it that was asked for.
fn asked() -> (World, KeyId) {
    let mut world = World::with(|genesis| {
        genesis.wallets.get_mut(&wallet(HOT)).unwrap().addresses = Addresses::Wrapped;
    });
    let key = KeyId::from_bytes([9; 16]);
    let request = Command::RequestAddress {
        wallet: wallet(HOT),
        key: key.clone(),
        by: "operator/alice".to_owned(),
        evidence: "".into(),
    };
    world.take(request).unwrap();
    assert!(
        world
            .vault
            .pending_effects(Timestamp::from_ms(world.now))
            .contains(&Effect::MakeKey(key.clone()))
    );
    (world, key)
}

fn fresh(number: u8) -> PublicKey {
    let mut secret = [5; 32];
    secret[31] = number;
    let key = k256::ecdsa::SigningKey::from_slice(&secret).unwrap();
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn other() -> PublicKey {
    fresh(0)
}

#[test]
fn a_wrapped_key_is_found_by_its_public_half_with_what_the_hsm_needs() {
    let (mut world, key) = asked();
    let hot = &world.vault.wallets()[&wallet(HOT)];
    assert!(hot.wraps(&key) && !hot.wraps(hot.keys()[0].id.as_ref().unwrap()));
    world.take(wrapped(&key, other(), Some(blob(72)))).unwrap();
    let hot = &world.vault.wallets()[&wallet(HOT)];
    let slot = hot.key_of(&other()).unwrap();
    assert_eq!(
        (slot.id.as_ref(), slot.wrapped.as_ref()),
        (Some(&key), Some(&blob(72)))
    );
    assert_eq!(hot.key(&key), Some(slot));
    assert_eq!(hot.primary_key(), Some(public(HOT)));
    assert_eq!(
        hot.addresses().last(),
        Some(Address::from_public_key(hot.network, &other()))
    );
    assert_eq!(hot.address_count(), 2);
    assert!(!world.vault.wants_key(&key));
}

#[test]
fn many_addresses_that_one_request_asks_for_are_one_event_with_its_evidence_once() {
    let (mut world, known) = asked();
    let ask = |keys: Vec<KeyId>| Command::RequestAddresses {
        wallet: wallet(HOT),
        keys,
        by: "operator/alice".to_owned(),
        evidence: "the request".into(),
    };
    let key = |number: u16| {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        KeyId::from_bytes(id)
    };
    for twice in [vec![key(0), known], vec![key(0), key(0)]] {
        assert_eq!(world.take(ask(twice)).unwrap_err().code(), "taken");
    }
    assert!(!world.vault.wants_key(&key(0)));
    let keys: Vec<KeyId> = (0..1_000).map(key).collect();
    let events = world.take(ask(keys.clone())).unwrap();
    assert!(
        matches!(events.as_slice(), [Event::KeysRequested { keys: asked, .. }] if *asked == keys)
    );
    assert!(keys.iter().all(|key| world.vault.wants_key(key)));
    assert_eq!(
        world.vault.wallets()[&wallet(HOT)].keys().len(),
        keys.len() + 2
    );
}

#[test]
fn a_key_is_refused_where_it_is_not_kept_as_its_wallet_says() {
    let (mut world, key) = asked();
    for kept in [None, Some(blob(0)), Some(blob(1025))] {
        let refusal = world.take(wrapped(&key, other(), kept)).unwrap_err();
        assert_eq!(refusal.code(), "key-place");
    }
    let mut on_token = World::new();
    let first = on_token.vault.wallets()[&wallet(HOT)].keys()[0]
        .id
        .clone()
        .unwrap();
    let refusal = on_token
        .take(wrapped(&first, public(HOT), Some(blob(72))))
        .unwrap_err();
    assert_eq!(refusal.code(), "key-place");
}

#[test]
fn the_first_wrapped_key_that_became_durable_stays() {
    let (mut world, key) = asked();
    world.take(wrapped(&key, other(), Some(blob(72)))).unwrap();
    let again = wrapped(&key, fresh(1), Some(blob(73)));
    assert_eq!(world.take(again).unwrap(), []);
    let hot = &world.vault.wallets()[&wallet(HOT)];
    assert_eq!(hot.key(&key).unwrap().public_key, Some(other()));
    assert_eq!(hot.key_of(&fresh(1)), None);
}

#[test]
fn the_journal_holds_the_blob_and_older_journals_read_as_before() {
    let (mut world, key) = asked();
    let events = world.take(wrapped(&key, other(), Some(blob(3)))).unwrap();
    let text = serde_json::to_value(&events[0]).unwrap();
    assert_eq!(
        text["wrapped"],
        serde_json::json!({ "wrapping_key": KeyId::from_bytes([0xaa; 16]), "blob": "070707" })
    );
    assert_eq!(serde_json::from_value::<Event>(text).unwrap(), events[0]);
    let older = Event::KeyMade {
        key,
        public_key: other(),
        wrapped: None,
    };
    let text = serde_json::to_value(&older).unwrap();
    assert_eq!(text.as_object().unwrap().len(), 3, "{text}");
    assert_eq!(serde_json::from_value::<Event>(text).unwrap(), older);
    let spec = serde_json::to_value(&genesis().wallets[&wallet(HOT)]).unwrap();
    assert!(spec.get("addresses").is_none(), "{spec}");
}

#[test]
fn a_wallet_with_one_address_has_no_wrapped_ones() {
    for name in ["cold-ltc", "hot-eth"] {
        let mut genesis = genesis();
        genesis.wallets.get_mut(&wallet(name)).unwrap().addresses = Addresses::Wrapped;
        assert_eq!(
            genesis.validate().err(),
            Some(GenesisError::Wrapped(wallet(name)))
        );
    }
}

#[test]
fn keys_made_in_any_order_are_found_by_id_and_public_half_after_a_replay() {
    let (mut world, _) = asked();
    let id = |number: u8| KeyId::from_bytes([number; 16]);
    for number in 20..60 {
        let request = Command::RequestAddress {
            wallet: wallet(HOT),
            key: id(number),
            by: "operator/alice".to_owned(),
            evidence: "".into(),
        };
        world.take(request).unwrap();
    }
    for number in (20..60).rev() {
        let made = wrapped(&id(number), fresh(number), Some(blob(usize::from(number))));
        world.take(made).unwrap();
    }
    let (first, rest) = world.journal.split_first().unwrap();
    let mut vault = Vault::create(first).unwrap();
    for recorded in rest {
        vault.apply(recorded).unwrap();
    }
    assert_eq!(vault.wallets(), world.vault.wallets());
    let hot = &vault.wallets()[&wallet(HOT)];
    for number in 20..60 {
        let slot = hot.key_of(&fresh(number)).unwrap();
        assert_eq!(slot.id, Some(id(number)));
        assert_eq!(slot.wrapped, Some(blob(usize::from(number))));
    }
    // The one that was asked for first is still to be made.
    assert_eq!((hot.address_count(), hot.keys().len()), (41, 42));
}
