//! Which requirements and limits mean the same, case by case.

use super::*;
use crate::analysis::fixture::{ALLOW, policy, space, with_frank_for_dave};
use crate::analysis::region::Test;

fn of(group: &str, quorum: u32, organisations: u32) -> Quorum {
    Quorum {
        group: group.parse().unwrap(),
        quorum,
        organisations,
    }
}

fn asks(group: &str, quorum: u32) -> Requirement {
    Requirement::of(group.parse().unwrap(), quorum)
}

#[test]
fn quorums_of_one_group_add_up_unless_they_ask_for_organisations() {
    for (way, wanted) in [
        (
            vec![of("a", 1, 1), of("b", 1, 1), of("a", 2, 1)],
            vec![of("a", 3, 1), of("b", 1, 1)],
        ),
        (
            vec![of("a", 2, 2), of("a", 1, 1)],
            vec![of("a", 1, 1), of("a", 2, 2)],
        ),
        (
            vec![of("a", 1, 1), of("a", 2, 2)],
            vec![of("a", 1, 1), of("a", 2, 2)],
        ),
        (
            vec![of("a", 2, 2), of("a", 2, 2)],
            vec![of("a", 2, 2), of("a", 2, 2)],
        ),
    ] {
        assert_eq!(merged(way.clone()), wanted, "{way:?}");
    }
}

#[test]
fn a_way_is_easier_that_asks_no_group_for_more_people_or_organisations() {
    for (easy, hard, wanted) in [
        (vec![of("a", 1, 1)], vec![of("a", 1, 1)], true),
        (vec![of("a", 1, 1)], vec![of("a", 2, 1)], true),
        (vec![of("a", 2, 1)], vec![of("a", 1, 1)], false),
        (vec![of("a", 2, 1)], vec![of("a", 2, 2)], true),
        (vec![of("a", 2, 2)], vec![of("a", 2, 1)], false),
        (vec![of("a", 1, 1)], vec![of("b", 1, 1)], false),
        (vec![of("a", 1, 1)], vec![of("b", 2, 2)], false),
        (
            vec![of("a", 1, 1)],
            vec![of("a", 1, 1), of("b", 1, 1)],
            true,
        ),
        (
            vec![of("a", 1, 1), of("b", 1, 1)],
            vec![of("a", 1, 1)],
            false,
        ),
        // One quorum is used for one.
        (
            vec![of("a", 1, 1), of("a", 2, 2)],
            vec![of("a", 2, 2)],
            false,
        ),
        (vec![], vec![of("a", 1, 1)], true),
    ] {
        assert_eq!(is_easier(&easy, &hard), wanted, "{easy:?} {hard:?}");
    }
}

#[test]
fn a_choice_that_is_never_the_easier_one_says_nothing_whoever_is_in_the_groups() {
    let (old, new) = (policy(ALLOW), with_frank_for_dave(ALLOW));
    let choice = [Requirement::AnyOf {
        any_of: vec![asks("treasury", 1), asks("treasury", 2)],
    }];
    let plain = [asks("treasury", 1)];
    assert!(same_requirements(&old, &new, &choice, &plain));
    assert!(!same_requirements(
        &old,
        &new,
        &choice,
        &[asks("treasury", 2)]
    ));
}

#[test]
fn groups_of_the_same_people_are_asked_the_same_only_while_people_stay() {
    let (old, new) = (policy(ALLOW), with_frank_for_dave(ALLOW));
    let (one, other) = ([asks("security", 2)], [asks("twins", 2)]);
    assert!(same_requirements(&old, &old, &one, &other));
    assert!(!same_requirements(&old, &new, &one, &other));
    assert!(!same_requirements(&old, &old, &one, &[asks("twins", 1)]));
    assert!(!same_requirements(&old, &old, &[asks("twins", 1)], &one));
}

fn limit(id: &str, window: &str) -> String {
    format!(
        "[[limits]]\nid = \"{id}\"\nper = \"vault\"\nmax_count = 2\nwindow = \"{window}\"\non_breach = \"deny\"\n"
    )
}

#[test]
fn of_two_limits_alike_but_for_their_windows_the_longer_binds() {
    for windows in [["1h", "2h"], ["2h", "1h"]] {
        let policy =
            policy(&(ALLOW.to_owned() + &limit("a", windows[0]) + &limit("b", windows[1])));
        let space = space(&policy);
        let all = policy.0.limits.iter().flat_map(|one| meanings(&space, one));
        let left: Vec<u64> = binding(all).iter().map(|one| one.window_ms).collect();
        assert_eq!(left, [2 * 3_600_000], "{windows:?}");
    }
}

#[test]
fn of_two_limits_that_leave_each_other_nothing_the_first_stays() {
    let policy = policy(&(ALLOW.to_owned() + &limit("a", "1h")));
    let space = space(&policy);
    let one = meanings(&space, policy.0.limits.first().unwrap())
        .pop()
        .unwrap();
    let either = |axes: [usize; 2]| Meaning {
        clause: Clause(vec![Test::Any(
            axes.map(|axis| (axis, Bits::full(1))).to_vec(),
        )]),
        ..one.clone()
    };
    let (first, second) = (either([1, 2]), either([2, 1]));
    assert!(first < second && first.replaces(&second) && second.replaces(&first));
    let left = binding([second, first.clone()].into_iter());
    assert_eq!(left, BTreeSet::from([first]));
}

#[test]
fn what_a_dimension_keeps_apart_is_of_one_key_each() {
    let policy = policy(
        "[[rules]]\nid = \"a\"\neffect = \"allow\"\nwhen = { client = [\"shop\"], wallet = [\"w\"] }\n",
    );
    let space = space(&policy);
    let sources = &space.axes.sources;
    let of = |per, name: &dyn Fn(usize) -> String| -> Vec<(BTreeSet<String>, bool)> {
        let keys = keys(&space, per).into_iter();
        keys.map(|(_, atoms, is_one)| (atoms.iter().map(name).collect(), is_one))
            .collect()
    };
    let named = |names: &[(&str, bool)]| -> Vec<(BTreeSet<String>, bool)> {
        let names = names.iter();
        names
            .map(|(name, is_one)| (BTreeSet::from([(*name).to_owned()]), *is_one))
            .collect()
    };
    assert_eq!(
        of(Dimension::Tier, &|atom| sources[atom].tier.to_string()),
        named(&[("hot", true), ("warm", true), ("cold", true)])
    );
    assert_eq!(
        of(Dimension::Asset, &|atom| sources[atom]
            .network
            .asset()
            .to_string()),
        named(&[("BTC", true), ("LTC", true), ("ETH", true)])
    );
    assert_eq!(
        of(Dimension::Wallet, &|atom| sources[atom].wallet.to_string()),
        named(&[("any-wallet", false), ("w", true)])
    );
    assert_eq!(
        of(Dimension::Client, &|atom| space.axes.initiators[atom]
            .to_string()),
        named(&[
            ("client/shop", true),
            ("client/any-client", false),
            ("operator/any-operator", false)
        ])
    );
    let tiers = keys(&space, Dimension::Tier);
    let atoms: usize = tiers.iter().map(|(_, atoms, _)| atoms.iter().count()).sum();
    assert_eq!(atoms, sources.len());
}
