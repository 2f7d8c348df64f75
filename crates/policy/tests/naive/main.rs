//! evaluate() and explain() against a naive interpreter of the policy's text.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

#[path = "../common/mod.rs"]
mod common;
mod interpreter;
mod universe;

use custodyd_policy::{Facts, LimitBook, Policy};
use proptest::prelude::*;
use universe::{HEAD, any_facts, any_limit, any_rule};

/// The blocks that the parser takes: random conditions may exclude each other, which it refuses.
fn policy(rules: &[String], limits: &[String]) -> Policy {
    let rules = rules.iter().enumerate();
    let rules = rules.map(|(n, rule)| format!("[[rules]]\nid = \"r{n}\"\n{rule}"));
    let limits = limits.iter().enumerate();
    let limits = limits.map(|(n, limit)| format!("[[limits]]\nid = \"l{n}\"\n{limit}"));
    let blocks = rules.chain(limits);
    let taken = blocks.filter(|block| Policy::parse(&format!("{HEAD}{block}")).is_ok());
    Policy::parse(&format!("{HEAD}{}", taken.collect::<String>())).unwrap()
}

/// A book with these admitted in order of time, some released again, and the list of those that were not.
fn admitted(policy: &Policy, mut all: Vec<Facts>, released: &[bool]) -> (LimitBook, Vec<Facts>) {
    all.sort_by_key(|facts| facts.at);
    for (serial, facts) in all.iter_mut().enumerate() {
        facts.withdrawal = common::id(serial as u64 + 1);
    }
    let mut book = LimitBook::default();
    for facts in &all {
        book.reserve(policy, facts);
    }
    let mut left = Vec::new();
    for (position, facts) in all.into_iter().enumerate() {
        // The last one stays: the book remembers its time whether or not it is released.
        if released.get(position) == Some(&true) && position + 1 < released.len() {
            book.release(&facts.withdrawal);
        } else {
            left.push(facts);
        }
    }
    (book, left)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn a_verdict_is_what_a_plain_reading_of_the_text_says(
        rules in prop::collection::vec(any_rule(), 0..7),
        limits in prop::collection::vec(any_limit(), 0..5),
        history in prop::collection::vec((any_facts(1), prop::bool::weighted(0.2)), 0..12),
        asked in prop::collection::vec(any_facts(0), 1..6),
        again in any::<prop::sample::Index>(),
    ) {
        let policy = policy(&rules, &limits);
        let (history, released): (Vec<_>, Vec<_>) = history.into_iter().unzip();
        let (book, left) = admitted(&policy, history, &released);
        // One that was admitted is judged again as well.
        let twice = (!left.is_empty()).then(|| left[again.index(left.len())].clone());
        for facts in asked.iter().chain(&twice) {
            let naive = interpreter::judge(policy.source(), facts, &left);
            let verdict = policy.evaluate(facts, &book);
            prop_assert_eq!(&verdict.outcome, &naive.outcome, "{}\n{:#?}\n{:?}\n{}", verdict, left, facts, policy.source());
            let explained = policy.explain(facts, &book);
            prop_assert_eq!(&explained.verdict, &verdict);
            prop_assert_eq!(explained.rules.len(), naive.rules.len());
            for rule in &explained.rules {
                prop_assert_eq!(rule.matched, naive.rules[rule.rule.as_str()] == Some(true), "{}", explained);
                prop_assert_eq!(rule.matched, rule.conditions.iter().all(|c| c.holds), "{}", explained);
            }
            prop_assert_eq!(explained.limits.len(), naive.limits.len());
            for limit in &explained.limits {
                let applies = naive.limits[limit.limit.as_str()];
                prop_assert_eq!(limit.applies, applies != Some(false), "{}", explained);
                prop_assert!(limit.check.is_none() || applies == Some(true));
            }
            // What a rule or limit of the verdict says is what its trace says.
            for reason in &verdict.reasons {
                if let custodyd_policy::Reason::LimitWithin { check } = reason {
                    let traced = explained.limits.iter().find(|l| l.limit == check.limit).unwrap();
                    prop_assert_eq!(traced.check.as_ref(), Some(check));
                }
            }
            let json = serde_json::to_value(&explained).unwrap();
            prop_assert_eq!(serde_json::from_value::<custodyd_policy::Explanation>(json).unwrap(), explained);
        }
    }
}

/// That the comparison compares something: with a fixed seed every kind of reason and fault comes up.
#[test]
fn the_random_policies_reach_every_kind_of_verdict() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let world = (
        prop::collection::vec(any_rule(), 0..7),
        prop::collection::vec(any_limit(), 0..5),
        prop::collection::vec(any_facts(1), 0..12),
        prop::collection::vec(any_facts(0), 6),
    );
    for _ in 0..400 {
        let (rules, limits, history, asked) = world.new_tree(&mut runner).unwrap().current();
        let policy = policy(&rules, &limits);
        let (book, _) = admitted(&policy, history, &[]);
        for facts in &asked {
            let verdict = serde_json::to_value(policy.evaluate(facts, &book)).unwrap();
            seen.insert(verdict["outcome"]["outcome"].as_str().unwrap().to_owned());
            for reason in verdict["reasons"].as_array().unwrap() {
                seen.insert(reason["code"].as_str().unwrap().to_owned());
                let fault = reason["fault"]["fault"].as_str();
                seen.extend(fault.map(str::to_owned));
            }
        }
    }
    for kind in [
        "allow",
        "deny",
        "hold_for_limit",
        "rule_allowed",
        "rule_required",
        "rule_denied",
        "destination_blocked",
        "tier_floor",
        "limit_within",
        "limit_exceeded",
        "approvals_impossible",
        "zero_amount",
        "cold_to_hot",
        "rule_without_price",
        "limit_without_price",
    ] {
        assert!(seen.contains(kind), "{kind} never came up: {seen:?}");
    }
}
