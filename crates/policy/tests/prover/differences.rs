//! The difference between two policies is found exactly where a request of the grid shows one.

use custodyd_policy::analysis::diff;
use custodyd_policy::{DAY_MS, LimitBook, Timestamp};
use proptest::prelude::*;

use crate::universe::{any_limit, any_policy, any_rule, grid, meaning, parse, text};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_changed_verdict_is_found_and_every_example_is_one(
        rules in prop::collection::vec(any_rule(), 1..4), more in any_rule(), drop in any::<bool>(),
        limits in prop::collection::vec(any_limit(), 0..3), other in prop::collection::vec(any_limit(), 0..2),
        change_limits in any::<bool>(), ages in prop::collection::vec((0..40u64, 0..2000usize), 0..6),
    ) {
        let old = parse(&text(&rules, &limits));
        let mut changed = rules.clone();
        if drop { changed.pop(); } else { changed.push(more); }
        let new = parse(&text(&changed, if change_limits { &other } else { &limits }));
        let diff = diff(&old, &new).unwrap();
        let empty = LimitBook::default();
        let grid = grid();
        let differs = |facts, one: &LimitBook, two: &LimitBook| meaning(&old, facts, one) != meaning(&new, facts, two);
        if grid.iter().any(|facts| differs(facts, &empty, &empty)) {
            prop_assert!(!diff.verdicts.is_empty(), "a verdict differs, and none was found");
        }
        for change in &diff.verdicts {
            prop_assert!(change.example.is_some(), "no example: {} to {}: {:?}", change.old, change.new, change.requests);
        }
        for example in diff.examples() {
            let one = LimitBook::for_policy(&old, &example.earlier);
            let two = LimitBook::for_policy(&new, &example.earlier);
            prop_assert!(differs(&example.facts, &one, &two));
            prop_assert_eq!(&example.old, &old.evaluate(&example.facts, &one));
        }
        if diff.is_empty() {
            // Whatever came before, nothing differs.
            let mut earlier: Vec<_> = ages.iter().enumerate().map(|(n, (hours, which))| {
                let mut facts = grid[which % grid.len()].clone();
                facts.withdrawal = crate::common::id(n as u64 + 2);
                facts.at = Timestamp::from_ms(1_767_610_800_000 - hours * DAY_MS / 24);
                facts
            }).collect();
            earlier.sort_by_key(|facts| facts.at);
            let (one, two) = (LimitBook::for_policy(&old, &earlier), LimitBook::for_policy(&new, &earlier));
            for facts in &grid {
                prop_assert!(!differs(facts, &one, &two));
            }
        }
    }

    #[test]
    fn a_policy_means_the_same_as_itself_in_another_spelling(text in any_policy()) {
        let old = parse(&text);
        // Other ids, another order, a comment.
        let mut blocks: Vec<&str> = text.split("\n[[").collect();
        let head = blocks.remove(0).to_owned();
        blocks.reverse();
        let body: String = blocks.iter().map(|block| format!("\n[[{}", block.replace("id = \"", "id = \"other-"))).collect();
        let new = parse(&format!("# Another spelling.\n{head}{body}\n"));
        let diff = diff(&old, &new).unwrap();
        prop_assert!(diff.is_empty(), "{diff}");
    }
}
