//! Conditions as clauses: what bounds cut, what has no price, and what is one test.

use super::*;
use crate::analysis::axes::Source;
use crate::analysis::fixture::{policy, space};
use crate::analysis::world::World;
use crate::facts::Call;
use crate::policy::Policy;

/// Rules that allow under these conditions.
fn rules(conditions: &[&str]) -> Policy {
    let rules = conditions.iter().enumerate().map(|(number, when)| {
        format!("[[rules]]\nid = \"r{number}\"\neffect = \"allow\"\nwhen = {{ {when} }}\n")
    });
    policy(&rules.collect::<String>())
}

/// The one clause of a rule's conditions.
fn clause(space: &Space, policy: &Policy, rule: usize) -> Clause {
    let compiled = space.compile(&policy.0.rules[rule].when, None);
    let [clause] = compiled.holds.as_slice() else {
        panic!("{compiled:?}");
    };
    clause.clone()
}

fn atoms(clause: &Clause, axis: usize) -> &Bits {
    let on = clause.0.iter().find_map(|test| match test {
        Test::In(of, atoms) if *of == axis => Some(atoms),
        _ => None,
    });
    on.unwrap_or_else(|| panic!("{clause:?}"))
}

#[test]
fn above_a_bound_is_what_begins_after_it() {
    let policy = rules(&[
        "fiat = { at_most = \"99.99 USD\" }",
        "fiat = { above = \"100 USD\" }",
        "amount = { at_most = \"0.99999999 BTC\" }",
        "amount = { above = \"1 BTC\" }",
    ]);
    let space = space(&policy);
    let clause_of_value = clause(&space, &policy, 1);
    let values = atoms(&clause_of_value, VALUE);
    let values: Vec<&Value> = values.iter().map(|atom| &space.axes.values[atom]).collect();
    assert!(
        matches!(values.as_slice(), [Value::Cents(_, 10_001, u128::MAX)]),
        "{values:?}"
    );
    let clause_of_amount = clause(&space, &policy, 3);
    let spans = space.axes.amounts_of(Asset::Btc);
    let amounts = atoms(&clause_of_amount, amount_axis(Asset::Btc));
    let least: Vec<U256> = amounts.iter().map(|atom| spans[atom].least).collect();
    assert_eq!(least, [U256::from(100_000_001_u32)]);
}

#[test]
fn only_what_the_world_gives_no_price_for_can_be_without_one() {
    let policy = rules(&["fiat = { above = \"100 USD\" }"]);
    let usd: Currency = "USD".parse().unwrap();
    let prices = BTreeMap::from([(Asset::Btc, "50000".parse().unwrap())]);
    let world = World {
        prices: Some((usd, prices)),
        ..World::default()
    };
    let space = Space::new(&[&policy], &[], &world);
    let compiled = space.compile(&policy.0.rules[0].when, None);
    let [fault] = compiled.faults.as_slice() else {
        panic!("{compiled:?}");
    };
    let without: BTreeSet<Asset> = atoms(fault, SOURCE)
        .iter()
        .map(|atom| space.axes.sources[atom].network.asset())
        .collect();
    assert_eq!(without, BTreeSet::from([Asset::Ltc, Asset::Eth]));
    let values: Vec<usize> = atoms(fault, VALUE).iter().collect();
    assert_eq!(values.len(), 1);
    assert_eq!(space.axes.values[values[0]], Value::Unknown);
}

#[test]
fn one_flag_or_tag_is_a_test_of_its_own_axis_and_no_choice() {
    let policy = rules(&["flag = [\"look-alike\"]", "tag = [\"t\"]"]);
    let space = space(&policy);
    let last = space.axes.lengths().len().checked_sub(1).unwrap();
    assert_eq!(space.axes.tag_axis(&"t".parse().unwrap()), Some(last));
    assert_eq!(
        clause(&space, &policy, 0),
        Clause(vec![Test::In(last.checked_sub(1).unwrap(), raised())])
    );
    assert_eq!(
        clause(&space, &policy, 1),
        Clause(vec![Test::In(last, raised())])
    );
}

#[test]
fn only_ethereum_has_calls() {
    let policy = rules(&["call = [\"erc20-transfer\"]"]);
    let space = space(&policy);
    let calls = |asset: Asset| -> BTreeSet<Call> {
        let of = |source: &&Source| source.network.asset() == asset;
        let sources = space.axes.sources.iter().filter(of);
        sources.map(|source| source.call).collect()
    };
    assert_eq!(calls(Asset::Btc), BTreeSet::from([Call::Native]));
    assert_eq!(calls(Asset::Ltc), BTreeSet::from([Call::Native]));
    assert!(calls(Asset::Eth).len() > 1);
}
