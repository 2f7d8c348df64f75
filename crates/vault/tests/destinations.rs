//! What the vault knows of a destination reaches policy, and so decides.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod common;

use common::{DAY, ETH_NEW, HOUR, KNOWN, NEW, World, governed, ltc};
use custodyd_chain::Address;
use custodyd_policy::{DestinationClass, Facts, Flag, WithdrawalId};
use custodyd_vault::{Change, FoundingEntry, Genesis, TaggedAddress};

/// Ends like [`ETH_NEW`], begins like it, and is another.
const ETH_POISON: &str = "0x70990000000000000000000000000000000079c8";

fn facts<'a>(world: &'a World, id: &WithdrawalId) -> &'a Facts {
    world.withdrawal(id).facts.as_deref().unwrap()
}

fn flags(world: &World, id: &WithdrawalId) -> Vec<Flag> {
    facts(world, id).flags.iter().copied().collect()
}

fn with_rule(rule: &str) -> World {
    let mut world = World::with(|genesis| {
        genesis.policy = governed() + rule;
    });
    world.fund();
    world
}

#[test]
fn a_destination_is_first_seen_until_a_payment_to_it_was_sent() {
    let mut world = World::funded();
    let first = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(flags(&world, &first), [Flag::FirstSeen]);
    let planned = world.planned(&first);
    let second = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(
        flags(&world, &second),
        [Flag::FirstSeen],
        "planned is not sent"
    );
    world.sign(&planned).unwrap();
    world.broadcast(&planned).unwrap();
    let third = world.request("0.1 LTC", NEW).unwrap();
    assert!(flags(&world, &third).is_empty());
    assert_eq!(facts(&world, &third).class, DestinationClass::New);
}

#[test]
fn a_look_alike_is_denied_by_a_rule_and_the_verdict_says_whom_it_imitates() {
    let mut world = with_rule(
        "[[rules]]\nid = \"poison\"\neffect = \"deny\"\nwhen = { flag = [\"look-alike\"] }\n",
    );
    let real = world.request("0.1 ETH", ETH_NEW).unwrap();
    world.sent(&real);
    let fake = world.request("0.1 ETH", ETH_POISON).unwrap();
    assert_eq!(world.state(&fake), "denied");
    let facts = facts(&world, &fake);
    assert!(facts.flags.contains(&Flag::LookAlike));
    let resembled = facts.resembles.as_ref().unwrap();
    assert_eq!(resembled.as_str(), ETH_NEW);
    // The journal keeps it.
    let judged = serde_json::to_value(&world.journal.last().unwrap().event).unwrap();
    assert_eq!(
        judged["facts"]["resembles"],
        format!("eip155:31337:{ETH_NEW}")
    );
    let again = world.request("0.1 ETH", ETH_NEW).unwrap();
    assert_eq!(world.state(&again), "approved");
}

#[test]
fn a_small_payment_and_soon_after_a_large_one_are_a_probe_and_a_drain() {
    let mut world = World::funded();
    let probe = world.request("0.01 LTC", NEW).unwrap();
    world.sent(&probe);
    let below = world.request("0.09999999 LTC", NEW).unwrap();
    assert!(flags(&world, &below).is_empty());
    let drain = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(flags(&world, &drain), [Flag::ProbeThenDrain]);
    world.wait(DAY + 1);
    let later = world.request("0.1 LTC", NEW).unwrap();
    assert!(flags(&world, &later).is_empty());
}

#[test]
fn an_added_destination_has_its_tags_at_once_and_is_known_after_its_cool_off() {
    let mut world = World::governed();
    let address = Address::parse(ltc(), NEW).unwrap();
    world.enact(&[Change::AddDestination {
        address: address.clone(),
        name: "broker".to_owned(),
        tags: ["exchange".parse().unwrap()].into(),
    }]);
    let early = world.request("0.1 LTC", NEW).unwrap();
    let judged = facts(&world, &early);
    assert_eq!(judged.class, DestinationClass::New);
    assert!(judged.flags.contains(&Flag::CoolingOff));
    assert_eq!(judged.tags.iter().next().unwrap().as_str(), "exchange");
    world.wait(DAY);
    let late = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(facts(&world, &late).class, DestinationClass::Known);
    assert!(!facts(&world, &late).flags.contains(&Flag::CoolingOff));
    world.enact(&[Change::RemoveDestination { address }]);
    let after = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(facts(&world, &after).class, DestinationClass::New);
    assert!(facts(&world, &after).tags.is_empty());
}

#[test]
fn what_waits_for_a_destination_that_gets_blocked_is_denied_and_gives_its_limits_back() {
    let mut world = World::governed();
    let waiting = world.request("2 LTC", NEW).unwrap();
    assert_eq!(world.state(&waiting), "awaiting_approval");
    let elsewhere = world.request("2 LTC", KNOWN).unwrap();
    let block = world.pass(&[Change::Block {
        addresses: [Address::parse(ltc(), NEW).unwrap()].into(),
    }]);
    world.wait(HOUR);
    assert_eq!(world.proposal(&block).state_name(), "enacted");
    assert_eq!(world.state(&waiting), "denied");
    assert_eq!(facts(&world, &waiting).class, DestinationClass::Blocked);
    assert_eq!(world.state(&elsewhere), "awaiting_approval");
    let usage = world.vault.limit_usage(facts(&world, &waiting).at);
    let used = usage
        .iter()
        .find(|u| u.limit.as_str() == "hot-ltc-daily")
        .unwrap();
    assert_eq!(used.used.to_string(), "2 LTC");
    let denied = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(world.state(&denied), "denied");
}

#[test]
fn a_plan_for_a_destination_that_gets_blocked_is_not_signed() {
    let mut world = World::governed();
    let id = world.request("0.1 LTC", NEW).unwrap();
    let planned = world.planned(&id);
    assert!(world.vault.may_sign(&planned));
    let addresses = [Address::parse(ltc(), NEW).unwrap()];
    world.enact(&[Change::Block {
        addresses: addresses.clone().into(),
    }]);
    assert_eq!(world.state(&id), "planned");
    assert!(!world.vault.may_sign(&planned));
    assert_eq!(world.vault.effect_of(&planned), None);
    world.enact(&[Change::Unblock {
        addresses: addresses.into(),
    }]);
    assert!(world.vault.may_sign(&planned));
}

#[test]
fn a_founding_entry_may_have_tags_and_the_old_form_still_reads() {
    let tagged = format!(r#"{{"address":"litecoin-regtest:{NEW}","tags":["partner"]}}"#);
    let tagged: FoundingEntry = serde_json::from_str(&tagged).unwrap();
    let plain: FoundingEntry =
        serde_json::from_str(&format!("\"litecoin-regtest:{KNOWN}\"")).unwrap();
    assert_eq!(
        serde_json::to_string(&plain).unwrap(),
        format!("\"litecoin-regtest:{KNOWN}\"")
    );
    let wrong = serde_json::from_str::<FoundingEntry>("\"litecoin-regtest:rltc1qqyqs\"");
    assert!(!wrong.unwrap_err().to_string().contains("untagged"));
    assert!(serde_json::from_str::<FoundingEntry>("7").is_err());

    let mut world = World::with(|genesis| {
        genesis.address_book = [("mint".to_owned(), plain), ("partner".to_owned(), tagged)].into();
    });
    let id = world.request("0.1 LTC", NEW).unwrap();
    assert_eq!(
        facts(&world, &id).class,
        DestinationClass::Known,
        "without a cool-off"
    );
    assert_eq!(facts(&world, &id).tags.len(), 1);
    assert!(!flags(&world, &id).contains(&Flag::CoolingOff));
}

#[test]
fn an_address_of_two_names_has_no_tags() {
    let tagged = |tag: &str| {
        FoundingEntry::Tagged(TaggedAddress {
            address: Address::parse(ltc(), NEW).unwrap(),
            tags: [tag.parse().unwrap()].into(),
        })
    };
    let plain = || FoundingEntry::Plain(Address::parse(ltc(), NEW).unwrap());
    let refused = |entries: [FoundingEntry; 2]| {
        let mut genesis: Genesis = common::genesis();
        let [one, other] = entries;
        genesis.address_book = [("a".to_owned(), one), ("b".to_owned(), other)].into();
        genesis.validate().unwrap_err().to_string()
    };
    for entries in [
        [tagged("x"), tagged("y")],
        [plain(), tagged("x")],
        [tagged("x"), plain()],
    ] {
        assert!(refused(entries).contains("twice in the address book"));
    }
    let mut old = common::genesis();
    old.address_book = [("a".to_owned(), plain()), ("b".to_owned(), plain())].into();
    assert!(!matches!(
        old.validate(),
        Err(custodyd_vault::GenesisError::NamedTwice(_))
    ));
}
