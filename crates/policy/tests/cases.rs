//! Every file of policies/cases holds for policies/default.toml, and a case that does not hold says so.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

use custodyd_policy::Policy;
use custodyd_policy::cases::{self, CaseError, Mismatch};

fn policies() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

fn default_policy() -> Policy {
    let source = fs::read_to_string(policies().join("default.toml")).unwrap();
    Policy::parse(&source).unwrap_or_else(|error| panic!("policies/default.toml: {error}"))
}

fn case(name: &str) -> String {
    fs::read_to_string(policies().join("cases").join(name)).unwrap()
}

#[test]
fn every_case_of_the_default_policy_holds() {
    let policy = default_policy();
    let mut ran = 0;
    for entry in fs::read_dir(policies().join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# Expected: "),
            "{} does not describe itself",
            path.display()
        );
        let report = cases::run(&policy, &text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(report.passed(), "{}: {report}", path.display());
        ran += 1;
    }
    assert!(ran >= 20, "only {ran} cases ran");
}

#[test]
fn the_cases_touch_every_rule_but_the_ones_that_repeat_another_asset() {
    let policy = default_policy();
    let mut seen = std::collections::BTreeSet::new();
    for entry in fs::read_dir(policies().join("cases")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let verdict = cases::run(&policy, &text).unwrap().verdict;
        seen.extend(
            verdict
                .reasons
                .iter()
                .filter_map(|r| r.subject().map(str::to_owned)),
        );
    }
    for id in [
        "hot-ltc-small",
        "hot-ltc-medium",
        "hot-ltc-large",
        "hot-ltc-large-to-new",
        "hot-ltc-ceiling",
        "warm-to-own",
        "warm-to-known",
        "warm-at-the-weekend",
        "cold-out",
        "hot-ltc-daily",
        "new-ltc-destination-daily",
        "client-hourly",
        "vault-ltc-weekly",
    ] {
        assert!(seen.contains(id), "no case decides by {id}");
    }
}

#[test]
fn a_case_that_does_not_hold_says_what_was_expected_and_what_came() {
    let text = case("hot-ceiling-denies.toml")
        .replace("outcome = \"deny\"", "outcome = \"allow\"")
        .replace("rule_denied hot-ltc-ceiling", "rule_denied another");
    let report = cases::run(&default_policy(), &text).unwrap();
    assert!(!report.passed());
    assert!(matches!(
        report.mismatches[..],
        [Mismatch::Outcome { .. }, Mismatch::Reason { .. }]
    ));
    let shown = report.to_string();
    assert!(shown.starts_with("FAIL  "), "{shown}");
    assert!(shown.contains("expected: allowed; got: denied"), "{shown}");
    assert!(shown.contains("above 20 LTC"), "{shown}");
}

#[test]
fn a_malformed_case_is_an_error_not_a_failure() {
    let policy = default_policy();
    let good = case("client-count-holds.toml");
    let run = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        cases::run(&policy, &good.replace(from, to)).unwrap_err()
    };
    assert!(matches!(
        run("title", "titel"),
        CaseError::Syntax { line: 4, .. }
    ));
    assert!(matches!(
        run("ago = \"50m\"", "ago = \"50\""),
        CaseError::Duration(_)
    ));
    assert!(matches!(
        run("at = \"2026-03-04T10:00:00Z\"", "at = \"today\""),
        CaseError::Instant(_)
    ));
    let before = run(
        "at = \"2026-03-04T10:00:00Z\"",
        "at = \"1970-01-01T00:10:00Z\"",
    );
    assert!(matches!(before, CaseError::BeforeTheEpoch { .. }));
    assert!(matches!(
        run("times = 599", "times = 599000"),
        CaseError::TooMuchHistory { .. }
    ));
    assert!(matches!(
        run("outcome = \"hold\"", "outcome = \"deny\""),
        CaseError::KeyWithoutOutcome { key: "until", .. }
    ));
    assert!(matches!(
        run("until = \"2026-03-04T10:10:00Z\"\n", ""),
        CaseError::HoldWithoutUntil
    ));
}
