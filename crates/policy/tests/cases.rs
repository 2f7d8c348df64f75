//! Every file of policies/cases holds for policies/default.toml, and a case that does not hold says so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

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
    assert!(ran >= 26, "only {ran} cases ran");
}

#[test]
fn the_cases_touch_every_rule_and_limit() {
    let policy = default_policy();
    let reports: Vec<_> = fs::read_dir(policies().join("cases"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| cases::run(&policy, &text).unwrap())
        .collect();
    let coverage = cases::coverage(&policy, &reports);
    let left: Vec<_> = coverage
        .untouched_rules
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(left, Vec::<String>::new(), "{coverage}");
    assert!(coverage.is_complete(), "{coverage}");
    assert!(!coverage.to_string().contains('\n'));
    // One case alone touches what it matched and applied, and leaves everything else.
    let one = &reports[0];
    let alone = cases::coverage(&policy, [one]);
    assert!(!alone.is_complete());
    assert!(alone.untouched_rules.is_disjoint(&one.matched));
    assert!(alone.untouched_limits.is_disjoint(&one.applied));
    let touched = |all: usize, left: usize| all.checked_sub(left).unwrap();
    assert_eq!(
        touched(alone.rules, alone.untouched_rules.len()),
        one.matched.len()
    );
    assert_eq!(
        touched(alone.limits, alone.untouched_limits.len()),
        one.applied.len()
    );
    // Without cases nothing is touched.
    let nothing = cases::coverage(&policy, []);
    assert_eq!(nothing.untouched_rules.len(), policy.rule_count());
    assert_eq!(nothing.untouched_limits.len(), policy.limit_count());
    assert!(nothing.to_string().starts_with("touched 0 of "));
    assert!(
        nothing
            .to_string()
            .contains("limits that no case touches: client-hourly, ")
    );
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
        run("client = \"exchange\"\n", ""),
        CaseError::Initiator
    ));
    assert!(matches!(
        run("client = ", "initiator = \"client/exchange\"\nclient = "),
        CaseError::Initiator
    ));
    assert!(matches!(
        run("until = \"2026-03-04T10:10:00Z\"\n", ""),
        CaseError::HoldWithoutUntil
    ));
}

const FACTS: &str = r#"
version = 1
[fiat]
currency = "USD"
[groups]
treasury = ["alice", "bob"]
[governance]
unfreeze = [{ group = "treasury", quorum = 1 }]
[[rules]]
id = "known"
effect = "allow"
when = { tier = ["hot"], initiator = ["operator/alice"], tag = ["exchange"], flag = ["look-alike"], fee = { at_most = "0.1 LTC" } }
[[rules]]
id = "refill"
effect = "allow"
when = { tier = ["hot"], destination_tier = ["hot"], call = ["native"] }
[[limits]]
id = "usd"
per = "vault"
max_fiat = "1000 USD"
window = "1h"
on_breach = "deny"
"#;

const CASE: &str = r#"
title = "a case may name every fact"
[withdrawal]
vault = "main"
wallet = "hot"
tier = "hot"
amount = "2 LTC"
fee = "0.1 LTC"
destination = "litecoin-regtest:rltc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpjt8zj4"
class = "known"
destination_tier = "hot"
tags = ["exchange"]
flags = ["look-alike"]
call = "native"
initiator = "operator/alice"
at = "2026-03-04T10:00:00Z"
[prices]
LTC = "83.50"
[[earlier]]
ago = "10m"
amount = "3 LTC"
times = 3
[expect]
outcome = "allow"
because = ["rule_allowed known", "rule_allowed refill", "limit_within usd"]
"#;

#[test]
fn a_case_may_name_every_fact_and_values_follow_from_prices() {
    let policy = Policy::parse(FACTS).unwrap();
    let run = |case: &str| cases::run(&policy, case).unwrap();
    let report = run(CASE);
    assert!(report.passed(), "{report}");
    // 3 × 250.50 USD before it, and 167 USD: 918.50 USD.
    assert!(
        report
            .verdict
            .to_string()
            .contains("used 751.50 USD + 167 USD"),
        "{}",
        report.verdict
    );
    // What is written counts, not what follows from prices.
    let dearer = run(&CASE.replace("fee = ", "fiat = \"300 USD\"\nfee = "));
    assert!(
        dearer.verdict.to_string().contains("751.50 USD + 300 USD"),
        "{}",
        dearer.verdict
    );
    let unpriced = run(&CASE.replace("LTC = \"83.50\"", ""));
    assert!(
        unpriced.verdict.to_string().contains("no fresh price"),
        "{}",
        unpriced.verdict
    );
    let other = |from: &str, to: &str| {
        assert!(CASE.contains(from), "{from}");
        run(&CASE.replace(from, to))
            .matched
            .into_iter()
            .map(|id| id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(other("operator/alice", "operator/bob"), ["refill"]);
    assert_eq!(other("[\"exchange\"]", "[\"vip\"]"), ["refill"]);
    assert_eq!(other("[\"look-alike\"]", "[\"first-seen\"]"), ["refill"]);
    assert_eq!(other("fee = \"0.1 LTC\"", "fee = \"0.11 LTC\""), ["refill"]);
    assert_eq!(other("call = \"native\"", "call = \"unknown\""), ["known"]);
    assert_eq!(
        other("destination_tier = \"hot\"", "destination_tier = \"warm\""),
        ["known"]
    );
}
