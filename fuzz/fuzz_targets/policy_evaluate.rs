//! Policy::evaluate against the naive interpreter of crates/policy/tests/naive, which reads the policy's text and a plain
//! list of admissions.
#![no_main]

#[path = "../../crates/policy/tests/naive/interpreter.rs"]
mod interpreter;
mod world;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use world::World;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(Some(world)) = World::from_bytes(&mut Unstructured::new(bytes)) else {
        return Corpus::Reject;
    };
    for facts in &world.asked {
        let naive = interpreter::judge(world.policy.source(), facts, &world.admitted);
        let explained = world.policy.explain(facts, &world.book);
        let verdict = world.policy.evaluate(facts, &world.book);
        let source = world.policy.source();
        let history = &world.admitted;
        assert_eq!(
            verdict.outcome, naive.outcome,
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
