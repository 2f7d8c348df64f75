//! Policy::evaluate against the naive interpreter of crates/policy/tests/naive, which reads the policy's text and a plain
//! list of admissions.
#![no_main]

#[path = "../../crates/policy/tests/naive/interpreter.rs"]
mod interpreter;
mod world;

use custodyd_policy::{Outcome, Requirement};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use world::World;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(Some(world)) = World::from_bytes(&mut Unstructured::new(bytes)) else {
        return Corpus::Reject;
    };
    for facts in &world.asked {
        let naive = interpreter::judge(world.policy.source(), facts, &world.admitted);
        let outcome = in_one_spelling(naive.outcome);
        let explained = world.policy.explain(facts, &world.book);
        let verdict = world.policy.evaluate(facts, &world.book);
        let source = world.policy.source();
        let history = &world.admitted;
        assert_eq!(
            verdict.outcome, outcome,
            "{explained}\n{source}\nasked {facts:#?}\nadmitted {history:#?}"
        );
        assert_eq!(explained.verdict, verdict);
        for rule in &explained.rules {
            let matches = naive.rules[rule.rule.as_str()] == Some(true);
            assert_eq!(rule.matched, matches, "{explained}\n{source}");
        }
        for limit in &explained.limits {
            let applies = naive.limits[limit.limit.as_str()] != Some(false);
            assert_eq!(limit.applies, applies, "{explained}\n{source}");
        }
    }
    Corpus::Keep
});

/// The interpreter lists what is asked for as it is written, evaluate() in order and each choice once.
fn in_one_spelling(outcome: Outcome) -> Outcome {
    let Outcome::Allow {
        requirements,
        hold_ms,
    } = outcome
    else {
        return outcome;
    };
    let mut requirements: Vec<_> = requirements.into_iter().map(in_order).collect();
    requirements.sort_by_key(|one| !matches!(one, Requirement::Quorum(_)));
    let choices = requirements
        .iter()
        .position(|one| !matches!(one, Requirement::Quorum(_)));
    if let Some(choices) = choices {
        requirements[choices..].sort();
        requirements.dedup();
    }
    Outcome::Allow {
        requirements,
        hold_ms,
    }
}

fn in_order(requirement: Requirement) -> Requirement {
    let sorted = |parts: Vec<Requirement>| {
        let mut parts: Vec<_> = parts.into_iter().map(in_order).collect();
        parts.sort();
        parts
    };
    match requirement {
        Requirement::AnyOf { any_of } => Requirement::AnyOf {
            any_of: sorted(any_of),
        },
        Requirement::AllOf { all_of } => Requirement::AllOf {
            all_of: sorted(all_of),
        },
        quorum => quorum,
    }
}
