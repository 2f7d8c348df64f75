//! The example policies: each has nothing odd about it, passes its cases, and keeps what it promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects
)]

use std::path::{Path, PathBuf};

use custodyd_policy::analysis::{
    Answer, Claims, Severity, TooManyRegions, check, diff, diff_within, prove,
};
use custodyd_policy::{LimitBook, Outcome, Policy, cases};

const NAMES: [&str; 3] = ["small-exchange", "institutional-custodian", "payroll"];

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../policies/examples")
        .join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn policy(name: &str) -> Policy {
    Policy::parse(&read(&directory(name).join("policy.toml")))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn nothing_about_an_example_is_odd() {
    for name in NAMES {
        let findings = check(&policy(name)).unwrap();
        let odd: Vec<String> = findings
            .iter()
            .filter(|finding| finding.severity() < Severity::Note)
            .map(ToString::to_string)
            .collect();
        assert!(odd.is_empty(), "{name}: {odd:#?}");
    }
}

#[test]
fn every_example_passes_its_cases() {
    for name in NAMES {
        let policy = policy(name);
        let mut ran = 0;
        for entry in std::fs::read_dir(directory(name).join("cases")).unwrap() {
            let path = entry.unwrap().path();
            let report = cases::run(&policy, &read(&path))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(report.passed(), "{}: {report}", path.display());
            ran += 1;
        }
        assert!(ran >= 4, "{name} has {ran} cases");
    }
}

#[test]
fn every_example_keeps_what_it_promises() {
    for name in NAMES {
        let policy = policy(name);
        let claims = Claims::parse(&policy, &read(&directory(name).join("proofs.toml")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for claim in claims.iter() {
            let proof = prove(&policy, &claims, claim);
            assert!(proof.holds(), "{name}: {proof}");
        }
    }
}

#[test]
fn the_exchange_weakened_by_a_line_is_refuted() {
    let source = read(&directory("small-exchange").join("policy.toml"));
    let claims = read(&directory("small-exchange").join("proofs.toml"));
    for (line, weaker, refuted) in [
        (
            "require = [{ group = \"treasury\", quorum = 2 }]\n\n# Addresses",
            "require = [{ group = \"treasury\", quorum = 1 }]\n\n# Addresses",
            "large-payments-take-two-of-treasury",
        ),
        (
            "max_amount = \"2 BTC\"",
            "max_amount = \"3 BTC\"",
            "bitcoin-in-a-day",
        ),
    ] {
        assert!(source.contains(line), "{line}");
        let policy = Policy::parse(&source.replace(line, weaker)).unwrap();
        let claims = Claims::parse(&policy, &claims).unwrap();
        let claim = claims
            .iter()
            .find(|claim| claim.id().as_str() == refuted)
            .unwrap();
        let proof = prove(&policy, &claims, claim);
        let Answer::False { counterexample } = &proof.answer else {
            panic!("{proof}")
        };
        let mut book = LimitBook::default();
        for step in &counterexample.steps {
            let verdict = policy.evaluate(&step.facts, &book);
            let Outcome::Allow { requirements, .. } = verdict.outcome else {
                panic!("{verdict}")
            };
            assert_eq!(policy.satisfied(&requirements, &step.approvers), Ok(()));
            book.reserve(&policy, &step.facts);
        }
    }
}

#[test]
fn two_examples_differ_by_requests_that_both_judge() {
    let (old, new) = (policy("small-exchange"), policy("institutional-custodian"));
    let difference = diff(&old, &new).unwrap();
    assert!(difference.examples().count() >= 4, "{difference}");
    assert!(diff(&old, &policy("small-exchange")).unwrap().is_empty());
}

#[test]
fn a_comparison_ends_where_it_may_look_no_further() {
    let (old, new) = (policy("small-exchange"), policy("institutional-custodian"));
    // Walks within walks share the bound.
    assert_eq!(diff_within(&old, &new, 100).unwrap_err(), TooManyRegions);
    let within = diff_within(&old, &new, 100_000).unwrap();
    assert_eq!(within.to_string(), diff(&old, &new).unwrap().to_string());
}

#[test]
fn an_example_that_is_written_down_is_explained_as_it_was_judged() {
    let old = policy("small-exchange");
    for name in ["institutional-custodian", "payroll"] {
        let new = policy(name);
        for example in diff(&old, &new).unwrap().examples() {
            let case = cases::written(&example.facts, &example.earlier);
            let explained =
                |policy: &Policy| cases::explain(policy, &case).map(|told| told.verdict);
            assert_eq!(explained(&old).as_ref(), Ok(&example.old), "{case}");
            assert_eq!(explained(&new).as_ref(), Ok(&example.new), "{case}");
        }
    }
}
