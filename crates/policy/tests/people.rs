//! Requirements as they are written, and whose approval could count towards them.
#![allow(clippy::unwrap_used, clippy::panic)]

use custodyd_policy::{Groups, OperatorId, Requirement, may_approve};
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
