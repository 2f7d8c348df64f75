//! Requirements as they are written, whose approval could count towards them, and what explanations and cases say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use std::collections::BTreeSet;

use common::{ADDRESSES, ALLOW, HEAD, facts, policy};
use custodyd_policy::{
    DAY_MS, Groups, HOUR_MS, LimitBook, OperatorId, Policy, Requirement, cases, may_approve,
};
use serde_json::json;

#[test]
fn a_requirement_reads_back_from_json_and_says_no_more_than_it_asks() {
    for (json, text) in [
        (json!({ "group": "treasury", "quorum": 2 }), "2 of treasury"),
        (
            json!({ "group": "treasury", "quorum": 2, "organisations": 2 }),
            "2 of treasury from 2 organisations",
        ),
        (
            json!({ "any_of": [
                { "group": "treasury", "quorum": 1 },
                { "all_of": [{ "group": "security", "quorum": 1 }, { "group": "audit", "quorum": 1 }] },
            ] }),
            "1 of treasury or (1 of security and 1 of audit)",
        ),
    ] {
        let requirement: Requirement = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(requirement.to_string(), text);
        assert_eq!(serde_json::to_value(&requirement).unwrap(), json);
    }
    // One organisation is what every quorum asks for.
    let written = json!({ "group": "treasury", "quorum": 2, "organisations": 1 });
    let plain = Requirement::of("treasury".parse().unwrap(), 2);
    assert_eq!(
        serde_json::from_value::<Requirement>(written).unwrap(),
        plain
    );
}

#[test]
fn only_who_is_in_a_group_that_is_asked_may_approve() {
    let people = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let groups: Groups = [
        ("treasury".parse().unwrap(), people(&["alice", "bob"])),
        ("security".parse().unwrap(), people(&["carol"])),
        ("audit".parse().unwrap(), people(&["dave"])),
    ]
    .into();
    let requirement = |group: &str| Requirement::of(group.parse().unwrap(), 1);
    let any_of = vec![requirement("treasury"), requirement("security")];
    let asked = [Requirement::AnyOf { any_of }, requirement("nobody")];
    for (name, may) in [
        ("alice", true),
        ("bob", true),
        ("carol", true),
        ("dave", false),
    ] {
        let person: OperatorId = name.parse().unwrap();
        assert_eq!(may_approve(&groups, &asked, &person), may, "{name}");
        assert!(!may_approve(&groups, &[], &person));
    }
}

#[test]
fn a_policy_tells_its_people_and_its_times() {
    let organisations = "[organisations]\nacme = [\"alice\", \"carol\"]\n[governance]";
    let head = HEAD.replace("[governance]", organisations);
    let with = |more: &str| Policy::parse(&format!("{head}{more}{ALLOW}")).unwrap();
    let policy = with("");
    let names = |people: &BTreeSet<OperatorId>| {
        let names: Vec<_> = people.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    let group = |name: &str| names(&policy.groups()[&name.parse().unwrap()]);
    assert_eq!(group("treasury"), "alice bob carol");
    assert_eq!(group("security"), "carol dave");
    assert_eq!(
        names(&policy.organisations()[&"acme".parse().unwrap()]),
        "alice carol"
    );
    assert_eq!(names(policy.operators()), "alice bob carol dave");
    assert_eq!(policy.approval_ttl_ms(), DAY_MS);
    assert_eq!(policy.destination_cool_off_ms(), DAY_MS);
    let other = with("[approvals]\nexpire_after = \"2h\"\n[destinations]\ncool_off = \"3h\"\n");
    assert_eq!(other.approval_ttl_ms(), 2 * HOUR_MS);
    assert_eq!(other.destination_cool_off_ms(), 3 * HOUR_MS);
}

#[test]
fn a_long_list_is_not_repeated_in_every_explanation() {
    for (list, wanted) in [
        ("\"w-1\"", "w-1"),
        ("\"w-1\", \"w-2\"", "one of w-1, w-2"),
        ("\"w-1\", \"w-2\", \"w-3\"", "one of w-1, w-2, w-3"),
        (
            "\"w-1\", \"w-2\", \"w-3\", \"w-4\", \"w-5\"",
            "one of w-1, w-2, w-3, 2 more",
        ),
    ] {
        let rule =
            format!("[[rules]]\nid = \"r\"\neffect = \"deny\"\nwhen = {{ wallet = [{list}] }}\n");
        let policy = policy(&format!("{ALLOW}{rule}"));
        let explained = policy.explain(&facts(1, "1 LTC"), &LimitBook::default());
        assert_eq!(explained.rules[1].conditions[0].wanted, wanted);
        assert!(!explained.rules[1].conditions[0].holds);
    }
}

#[test]
fn a_case_s_earlier_withdrawals_are_like_the_one_in_question_but_for_what_they_say() {
    for (per, said) in [
        ("wallet", "wallet = \"hot-2\""),
        ("tier", "tier = \"cold\""),
        ("client", "initiator = \"operator/alice\""),
        ("client", "client = \"shop\""),
    ] {
        let limit = format!(
            "[[limits]]\nid = \"l\"\nper = \"{per}\"\nmax_count = 1\nwindow = \"1h\"\non_breach = \"deny\"\n"
        );
        let policy = policy(&format!("{ALLOW}{limit}"));
        for (said, outcome) in [("", "deny"), (said, "allow")] {
            let report = cases::run(&policy, &case(said, outcome)).unwrap();
            assert!(report.passed(), "{per}: {said}: {report}");
        }
    }
    for (when, other) in [
        (
            "destination_tier = [\"warm\"]",
            "destination_tier = \"cold\"",
        ),
        ("tag = [\"vip\"]", "tags = [\"staff\"]"),
        ("flag = [\"first-seen\"]", "flags = [\"look-alike\"]"),
        ("call = [\"erc20-approve\"]", "call = \"native\""),
    ] {
        let limit = format!(
            "[[limits]]\nid = \"l\"\nper = \"vault\"\nmax_count = 1\nwindow = \"1h\"\non_breach = \"deny\"\nwhen = {{ {when} }}\n"
        );
        let policy = policy(&format!("{ALLOW}{limit}"));
        let own = match when.split_once(" = ").unwrap() {
            ("tag", value) => format!("tags = {value}"),
            ("flag", value) => format!("flags = {value}"),
            (key, value) => format!("{key} = {}", value.trim_matches(['[', ']'])),
        };
        for (said, outcome) in [("", "deny"), (other, "allow")] {
            let case = case(said, outcome).replace("[[earlier]]", &format!("{own}\n[[earlier]]"));
            let report = cases::run(&policy, &case).unwrap();
            assert!(report.passed(), "{when}: {said}: {report}");
        }
    }
}

/// A case of a withdrawal after another one, which says this of itself.
fn case(said: &str, outcome: &str) -> String {
    format!(
        r#"
title = "after another"
[withdrawal]
vault = "main"
wallet = "hot"
tier = "hot"
amount = "1 LTC"
destination = "{}"
class = "known"
client = "exchange"
at = "2026-03-04T10:00:00Z"
[[earlier]]
ago = "1m"
amount = "1 LTC"
{said}
[expect]
outcome = "{outcome}"
"#,
        ADDRESSES[0]
    )
}
