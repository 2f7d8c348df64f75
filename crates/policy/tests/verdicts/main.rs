//! What verdicts follow from rules, tiers and limits, and how they explain themselves.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../common/mod.rs"]
mod common;
mod dimensions;
mod fiat;
mod limits;

use common::{ALLOW, facts, policy};
use custodyd_policy::{
    DestinationClass, Fault, HOUR_MS, LimitBook, MINUTE_MS, Outcome, Policy, PolicyHash, Reason,
    Requirement, Tier, Timestamp, Verdict,
};

fn judge(policy: &Policy, amount: &str) -> Verdict {
    policy.evaluate(&facts(0, amount), &LimitBook::default())
}

fn allowed(requirements: &[(&str, u32)], hold_ms: u64) -> Outcome {
    let requirements = requirements
        .iter()
        .map(|(group, quorum)| Requirement::of(group.parse().unwrap(), *quorum))
        .collect();
    Outcome::Allow {
        requirements,
        hold_ms,
    }
}

fn limit(id: &str, rest: &str) -> String {
    format!("[[limits]]\nid = \"{id}\"\nwindow = \"1h\"\n{rest}\n")
}

fn reserve(policy: &Policy, book: &mut LimitBook, serial: u64, amount: &str, at: Timestamp) {
    let mut admitted = facts(serial, amount);
    admitted.at = at;
    book.reserve(policy, &admitted);
}

fn minutes_ago(minutes: u64) -> Timestamp {
    let now = facts(0, "1 LTC").at;
    now.checked_sub_ms(minutes * MINUTE_MS).unwrap()
}

#[test]
fn without_a_matching_allow_rule_the_answer_is_deny() {
    let policy =
        policy("[[rules]]\nid = \"a\"\neffect = \"allow\"\nwhen = { client = [\"other\"] }\n");
    let verdict = judge(&policy, "1 LTC");
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(verdict.reasons, [Reason::NoRuleAllows]);
    assert_eq!(verdict.policy, PolicyHash::of(policy.source()));
}

#[test]
fn deny_wins_over_allow_and_names_what_it_saw() {
    let policy = policy(&format!(
        "{ALLOW}[[rules]]\nid = \"ceiling\"\neffect = \"deny\"\nwhen = {{ amount = {{ above = \"10 LTC\" }} }}\n"
    ));
    assert_eq!(judge(&policy, "10 LTC").outcome, allowed(&[], 0));
    let verdict = judge(&policy, "12 LTC");
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(verdict.reasons.len(), 1);
    assert_eq!(verdict.reasons[0].code(), "rule_denied");
    assert_eq!(
        verdict.reasons[0].to_string(),
        "rule \"ceiling\" denies it: amount 12 LTC is above 10 LTC"
    );
    // Another asset is no amount above it.
    assert_eq!(judge(&policy, "12 ETH").outcome, allowed(&[], 0));
}

#[test]
fn requirements_add_up_by_highest_quorum_and_longest_hold() {
    let policy = policy(
        r#"
[[rules]]
id = "a"
effect = "allow"
require = [{ group = "treasury", quorum = 1 }]
hold = "2h"
[[rules]]
id = "b"
effect = "require"
require = [{ group = "treasury", quorum = 2 }, { group = "security", quorum = 1 }]
[[rules]]
id = "c"
effect = "require"
hold = "1h"
"#,
    );
    let verdict = judge(&policy, "1 LTC");
    assert_eq!(
        verdict.outcome,
        allowed(&[("security", 1), ("treasury", 2)], 2 * HOUR_MS)
    );
    assert_eq!(
        verdict.outcome.to_string(),
        "allowed with approval by 1 of security and 2 of treasury, after a hold of 2h"
    );
}

#[test]
fn warm_and_cold_never_go_without_people() {
    let policy = policy(ALLOW);
    for (tier, outcome) in [
        (Tier::Hot, allowed(&[], 0)),
        // The default floor: two, and an hour to cancel.
        (Tier::Warm, allowed(&[("treasury", 2)], HOUR_MS)),
        (Tier::Cold, allowed(&[("security", 1)], 0)),
    ] {
        let mut facts = facts(0, "1 LTC");
        facts.tier = tier;
        assert_eq!(
            policy.evaluate(&facts, &LimitBook::default()).outcome,
            outcome
        );
    }
    assert_eq!(policy.tier_floor(Tier::Hot), None);
    assert_eq!(
        policy.tier_floor(Tier::Warm).unwrap().requirement.quorums()[0].quorum,
        2
    );
}

#[test]
fn a_tier_without_floor_is_denied_even_if_no_rule_says_so() {
    let source = common::HEAD.replace("warm = { group = \"treasury\" }\n", "");
    let hot =
        "[[rules]]\nid = \"hot\"\neffect = \"allow\"\nwhen = { tier = [\"hot\", \"cold\"] }\n";
    let policy = Policy::parse(&format!("{source}{hot}")).unwrap();
    let mut facts = facts(0, "1 LTC");
    facts.tier = Tier::Warm;
    let verdict = policy.evaluate(&facts, &LimitBook::default());
    assert_eq!(verdict.outcome, Outcome::Deny);
    let fault = Fault::NoTierFloor { tier: Tier::Warm };
    assert!(
        verdict
            .reasons
            .contains(&Reason::EvaluationFailed { fault })
    );
}

#[test]
fn what_cannot_be_judged_is_denied_and_named() {
    let policy = policy(ALLOW);
    let verdict = judge(&policy, "0 LTC");
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(
        verdict.reasons,
        [Reason::EvaluationFailed {
            fault: Fault::ZeroAmount
        }]
    );
    let mut wrong = facts(0, "1 LTC");
    wrong.amount = "1 BTC".parse().unwrap();
    let verdict = policy.evaluate(&wrong, &LimitBook::default());
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert!(
        verdict
            .to_string()
            .contains("1 BTC cannot be paid to litecoin-regtest:"),
        "{verdict}"
    );
}

#[test]
fn a_blocked_destination_is_denied_whatever_the_rules_say() {
    let mut blocked = facts(0, "1 LTC");
    blocked.class = DestinationClass::Blocked;
    let verdict = policy(ALLOW).evaluate(&blocked, &LimitBook::default());
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(verdict.reasons[0].code(), "destination_blocked");
}

#[test]
fn approvals_that_nobody_could_give_are_denied_at_once() {
    let policy = policy(&format!(
        "{ALLOW}{}{}",
        "[[rules]]\nid = \"x\"\neffect = \"require\"\nrequire = [{ group = \"treasury\", quorum = 3 }]\n",
        "[[rules]]\nid = \"y\"\neffect = \"require\"\nrequire = [{ group = \"security\", quorum = 2 }]\n",
    ));
    let verdict = judge(&policy, "1 LTC");
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(verdict.reasons[0].code(), "approvals_impossible");
}

#[test]
fn a_verdict_reads_back_from_json() {
    let policy = policy(&format!(
        "{ALLOW}{}",
        limit(
            "l",
            "per = \"destination\"\nmax_amount = \"10 LTC\"\non_breach = \"hold\""
        )
    ));
    let mut book = LimitBook::default();
    let mut verdicts = vec![
        judge(&policy, "0 LTC"),
        judge(&policy, "1 LTC"),
        judge(&policy, "11 LTC"),
    ];
    reserve(&policy, &mut book, 1, "8 LTC", minutes_ago(5));
    verdicts.push(policy.evaluate(&facts(2, "8 LTC"), &book));
    let mut warm = facts(2, "1 LTC");
    warm.tier = Tier::Warm;
    verdicts.push(policy.evaluate(&warm, &book));
    for verdict in verdicts {
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(
            serde_json::from_str::<Verdict>(&json).unwrap(),
            verdict,
            "{json}"
        );
        for reason in &verdict.reasons {
            assert_eq!(serde_json::to_value(reason).unwrap()["code"], reason.code());
        }
    }
}
