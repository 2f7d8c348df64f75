//! Freezing is immediate and anybody's right; going on takes a quorum that knew of the freeze.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{NEW, World, scope};
use custodyd_policy::Timestamp;
use custodyd_vault::{Command, Effect, Event, FreezeScope, Recorded, Rejection};

#[test]
fn a_freeze_stops_signing_and_sending_at_once() {
    let mut world = World::funded();
    let ids = [(); 3].map(|()| world.request("0.5 LTC", NEW).unwrap());
    let sent = world.planned(&ids[0]);
    world.sign(&sent).unwrap();
    let unsigned = world.planned(&ids[1]);
    world.freeze(FreezeScope::Vault, "erin").unwrap();
    assert!(!world.vault.may_sign(&unsigned));
    let late = world.now;
    let stopped = |e: &Effect| matches!(e, Effect::Sign(_) | Effect::Broadcast(_));
    let effects = world.vault.pending_effects(Timestamp::from_ms(late));
    assert!(!effects.iter().any(stopped), "{effects:?}");
    assert_eq!(world.request("0.5 LTC", NEW).unwrap_err().code(), "frozen");
    // A signature that was under way when the freeze came is kept, and not sent.
    world.sign(&unsigned).unwrap();
    assert_eq!(world.vault.effect_of(&unsigned), None);
}

#[test]
fn going_on_takes_the_quorum_of_distinct_people_who_knew_of_the_freeze() {
    let mut world = World::funded();
    let hot = scope("hot-ltc");
    assert_eq!(
        world.unfreeze(hot.clone(), "alice").unwrap_err().code(),
        "not-frozen"
    );
    world.freeze(hot.clone(), "dave").unwrap();
    assert_eq!(
        world.unfreeze(hot.clone(), "erin").unwrap_err().code(),
        "not-eligible"
    );
    world.unfreeze(hot.clone(), "alice").unwrap();
    assert_eq!(world.unfreeze(hot.clone(), "alice"), Ok(vec![]));
    assert!(world.vault.frozen().contains_key(&hot));
    let old = Command::Unfreeze {
        scope: hot.clone(),
        operator: "bob".parse().unwrap(),
        signed_at: Timestamp::from_ms(world.now - 60_000),
        evidence: "".into(),
    };
    assert_eq!(world.take(old).unwrap_err().code(), "vote-too-old");
    world.unfreeze(hot.clone(), "bob").unwrap();
    assert!(world.vault.frozen().is_empty());
}

#[test]
fn a_journal_in_which_something_goes_on_without_its_quorum_is_not_replayed() {
    let mut world = World::funded();
    let hot = scope("hot-ltc");
    world.freeze(hot.clone(), "dave").unwrap();
    let goes_on = |world: &World| {
        let recorded = Recorded {
            seq: world.vault.seq() + 1,
            at: Timestamp::from_ms(world.now),
            event: Event::Unfrozen { scope: hot.clone() },
        };
        world.vault.clone().apply(&recorded).map(drop)
    };
    let refused = goes_on(&world).unwrap_err();
    assert!(refused.to_string().contains("lacks votes"), "{refused}");
    world.unfreeze(hot.clone(), "alice").unwrap();
    let refused = goes_on(&world).unwrap_err();
    assert!(refused.to_string().contains("lacks votes"), "{refused}");
    let events = world.unfreeze(hot.clone(), "bob").unwrap();
    let unfrozen = Event::Unfrozen { scope: hot.clone() };
    assert_eq!(events.last(), Some(&unfrozen), "with it, it goes on");
}

#[test]
fn freezing_again_voids_the_votes_to_go_on() {
    let mut world = World::funded();
    let hot = scope("hot-ltc");
    world.freeze(hot.clone(), "dave").unwrap();
    assert_eq!(world.freeze(hot.clone(), "erin"), Ok(vec![]), "nothing new");
    world.unfreeze(hot.clone(), "alice").unwrap();
    world.freeze(hot.clone(), "erin").unwrap();
    world.unfreeze(hot.clone(), "bob").unwrap();
    assert!(world.vault.frozen().contains_key(&hot));
    world.unfreeze(hot.clone(), "alice").unwrap();
    assert!(world.vault.frozen().is_empty());
}

#[test]
fn a_freeze_needs_a_known_operator_a_wallet_and_a_reason() {
    let mut world = World::funded();
    assert_eq!(
        world
            .freeze(scope("hot-ltc"), "mallory")
            .unwrap_err()
            .code(),
        "unknown-principal"
    );
    let nowhere = FreezeScope::Wallet("nowhere".parse().unwrap());
    assert_eq!(
        world.freeze(nowhere, "alice").unwrap_err().code(),
        "unknown-wallet"
    );
    for reason in ["", "  ", "a\u{202e}b", &"x".repeat(501)] {
        let command = Command::Freeze {
            scope: FreezeScope::Vault,
            reason: reason.to_owned(),
            operator: "alice".parse().unwrap(),
            evidence: "".into(),
        };
        assert_eq!(
            world.take(command).unwrap_err(),
            Rejection::ReasonForm,
            "{reason:?}"
        );
    }
}
