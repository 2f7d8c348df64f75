//! Screening: it can end a payout, and lets nothing go that policy doesn't.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use common::{DAY, KNOWN, NEW, World, governed};
use custodyd_policy::{Timestamp, WithdrawalId};
use custodyd_vault::{Command, Effect, Event, Screened, Vault};
use proptest::prelude::*;

const SCREENING: &str =
    "[destinations]\nscreening = { required_for = [\"new\"], deadline = \"10s\" }\n";

fn screened() -> World {
    let mut world = World::with(|genesis| {
        genesis.policy = governed().replace("[tiers]\n", &format!("{SCREENING}[tiers]\n"));
    });
    world.fund();
    world
}

fn passed(id: WithdrawalId) -> Command {
    Command::ScreeningPassed { id }
}

fn refused(id: WithdrawalId, reason: &str) -> Command {
    Command::ScreeningRefused {
        id,
        reason: reason.to_owned(),
    }
}

fn used(world: &World) -> String {
    let usage = world.vault.limit_usage(Timestamp::from_ms(world.now));
    let daily = usage.iter().find(|u| u.limit.as_str() == "hot-ltc-daily");
    daily.unwrap().used.to_string()
}

fn is_asked(world: &World, id: WithdrawalId) -> bool {
    let effects = world.vault.pending_effects(Timestamp::from_ms(world.now));
    assert_eq!(
        world.vault.withdrawal_effect(&id).is_some(),
        effects.contains(&Effect::Screen(id))
    );
    effects.contains(&Effect::Screen(id))
}

#[test]
fn what_passes_goes_on_to_what_policy_asks() {
    let mut world = screened();
    let small = world.request("0.5 LTC", NEW).unwrap();
    let medium = world.request("2 LTC", NEW).unwrap();
    let known = world.request("0.5 LTC", KNOWN).unwrap();
    for id in [small, medium] {
        assert_eq!(world.state(&id), "screening");
        assert!(is_asked(&world, id));
    }
    assert_eq!(
        world.state(&known),
        "approved",
        "only new destinations are screened"
    );
    assert_eq!(used(&world), "3 LTC", "it counts from its admission on");
    world.quote_fees();
    world.advance();
    assert_eq!(world.state(&small), "screening");
    world.take(passed(small)).unwrap();
    world.take(passed(medium)).unwrap();
    assert_eq!(world.state(&small), "approved");
    assert_eq!(
        world.state(&medium),
        "awaiting_approval",
        "a pass is no approval"
    );
    assert!(!is_asked(&world, small));
    world.planned(&small);
    assert_eq!(world.take(passed(small)).unwrap_err().code(), "not-now");
}

#[test]
fn a_refusal_is_for_good_and_gives_the_limits_back() {
    let mut world = screened();
    let id = world.request("0.5 LTC", NEW).unwrap();
    world
        .take(refused(id, "sanctioned\n\u{202e}entity"))
        .unwrap();
    assert_eq!(world.state(&id), "denied");
    let Some(Screened::Refused { reason, .. }) = &world.withdrawal(&id).screened else {
        panic!("{:?}", world.withdrawal(&id).screened)
    };
    assert_eq!(reason, "sanctioned\\n\\u{202e}entity");
    assert_eq!(used(&world), "0 LTC");
    assert_eq!(world.take(passed(id)).unwrap_err().code(), "not-now");
    assert!(!is_asked(&world, id));
}

#[test]
fn silence_and_a_pass_that_comes_too_late_are_refusals() {
    let mut world = screened();
    let silent = world.request("0.5 LTC", NEW).unwrap();
    let late = world.request("0.5 LTC", NEW).unwrap();
    world.wait(9_999);
    assert_eq!(world.state(&silent), "screening");
    world.now += 1;
    let events = world.take(passed(late)).unwrap();
    assert!(matches!(
        events.as_slice(),
        [Event::ScreeningRefused { .. }]
    ));
    world.advance();
    for id in [silent, late] {
        assert_eq!(world.state(&id), "denied");
    }
    assert_eq!(used(&world), "0 LTC");
}

#[test]
fn what_policy_denies_is_not_asked_about_and_what_is_screened_can_be_taken_back() {
    let mut world = screened();
    let denied = world.request("6 LTC", NEW).unwrap();
    assert_eq!(world.state(&denied), "denied");
    assert!(!is_asked(&world, denied));
    let id = world.request("0.5 LTC", NEW).unwrap();
    world
        .vote("erin", &id, custodyd_vault::Decision::Cancel)
        .unwrap();
    assert_eq!(world.state(&id), "cancelled");
    assert!(!is_asked(&world, id));
}

#[test]
fn a_pass_is_not_asked_for_twice_when_the_policy_changes() {
    let mut world = screened();
    let id = world.request("2 LTC", NEW).unwrap();
    world.take(passed(id)).unwrap();
    let longer = world
        .vault
        .policy()
        .source()
        .replace("max_count = 6", "max_count = 7");
    world.enact(&[common::set_policy(&longer)]);
    assert_eq!(world.state(&id), "awaiting_approval");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes in whichever order: nothing is planned for a new destination without a pass before.
    #[test]
    fn nothing_goes_without_a_pass(steps in prop::collection::vec((0..6_u8, 0..4_usize, 0..12_000_u64), 1..40)) {
        let mut world = screened();
        let mut ids = Vec::new();
        for (what, which, wait) in steps {
            match (what, ids.get(which)) {
                (0, _) => ids.extend(world.request("0.2 LTC", NEW)),
                (1, Some(id)) => drop(world.take(passed(*id))),
                (2, Some(id)) => drop(world.take(refused(*id, "no"))),
                (3, Some(id)) => drop(world.vote("erin", id, custodyd_vault::Decision::Cancel)),
                _ => drop(world.wait(wait)),
            }
            world.quote_fees();
            world.advance();
        }
        world.wait(DAY);
        // What waited for the limit's window is screened only now.
        world.wait(10_000);
        let mut replayed = Vault::create(&world.journal[0]).unwrap();
        let mut allowed = std::collections::BTreeSet::new();
        for recorded in &world.journal[1..] {
            match &recorded.event {
                Event::ScreeningPassed { id } => { allowed.insert(*id); }
                Event::TransactionPlanned { withdrawals, .. } => {
                    prop_assert!(withdrawals.iter().all(|id| allowed.contains(id)));
                }
                _ => {}
            }
            replayed.apply(recorded).unwrap();
        }
        for id in &ids {
            prop_assert_ne!(world.state(id), "screening");
            prop_assert_eq!(replayed.withdrawals().get(id), world.vault.withdrawals().get(id));
        }
    }
}
