//! The walk, step by step: what it splits, when it stops, and what holds together amounts to.

use super::*;
use crate::analysis::fixture::{ALLOW, policy, space};

/// The leaves of a walk over every request.
fn leaves(model: &Model<'_>, space: &Space) -> Vec<(Standing, Vec<Role>)> {
    let mut leaves = Vec::new();
    let mut visit = |leaf: Leaf<'_>| {
        leaves.push((leaf.standing, leaf.holds.to_vec()));
        true
    };
    model.walk(&space.all(), &|_| true, &mut visit).unwrap();
    leaves
}

const TWO: &str = "[[rules]]\nid = \"a\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"], asset = [\"BTC\"] }\n\
    [[rules]]\nid = \"b\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"], destination = [\"known\"] }\n";

#[test]
fn what_one_rule_allows_is_not_split_by_another_that_allows_too() {
    let policy = policy(TWO);
    let space = space(&policy);
    let leaves = leaves(&Model::new(&policy, &space), &space);
    let allowed = leaves
        .iter()
        .filter(|(standing, _)| *standing != Standing::Denied)
        .map(|(_, holds)| holds.clone());
    assert_eq!(
        allowed.collect::<Vec<_>>(),
        [vec![Role::Allow(0)], vec![Role::Allow(1)]]
    );
}

#[test]
fn a_rule_of_which_two_alternatives_hold_holds_once() {
    let policy = policy(TWO);
    let mut model = Model {
        policy: &policy,
        items: Vec::new(),
    };
    let always = Clause(Vec::new());
    model.add(vec![always.clone(), always], Role::Allow(0));
    let found = leaves(&model, &space(&policy));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, [Role::Allow(0)]);
}

#[test]
fn a_walk_ends_where_it_is_told_to_and_looks_at_nothing_that_is_not_wanted() {
    let policy = policy(TWO);
    let space = space(&policy);
    let model = Model::new(&policy, &space);
    let visits = |keep: bool| {
        let mut visits = 0_u32;
        let mut visit = |_: Leaf<'_>| {
            visits += 1;
            false
        };
        model.walk(&space.all(), &|_| keep, &mut visit).unwrap();
        visits
    };
    assert!(leaves(&model, &space).len() > 1);
    assert_eq!((visits(true), visits(false)), (1, 0));
}

#[test]
fn whatever_denies_wins_and_without_a_rule_that_allows_nothing_is_allowed() {
    let policy = policy(TWO);
    let model = Model::new(&policy, &space(&policy));
    assert_eq!(
        model.standing(&[Role::Allow(0), Role::Deny(None)]),
        Standing::Denied
    );
    assert_eq!(model.standing(&[Role::Ask(0)]), Standing::Denied);
    assert_ne!(model.standing(&[Role::Allow(0)]), Standing::Denied);
}

#[test]
fn approvals_that_take_more_people_than_there_are_are_not_possible() {
    let policy = policy(ALLOW);
    let model = Model::new(&policy, &space(&policy));
    let asks = |group: &str, quorum| Requirement::of(group.parse().unwrap(), quorum);
    let mut all = vec![asks("security", 1), asks("twins", 1)];
    assert!(model.is_possible(&all));
    all.push(asks("treasury", 3));
    assert!(model.is_possible(&all));
    all[1] = asks("twins", 2);
    assert!(!model.is_possible(&all));
    assert!(!model.is_possible(&all[..2]));
}

#[test]
fn a_policy_has_no_clause_that_it_has_not() {
    let policy = policy(TWO);
    let space = space(&policy);
    let model = Model::new(&policy, &space);
    let common = model.common(&model);
    assert!(!common.is_empty());
    assert_eq!(model.other_than(&common).next(), None);
    let without = model.without_rule(1);
    assert_eq!(model.other_than(&model.common(&without)).count(), 1);
}
