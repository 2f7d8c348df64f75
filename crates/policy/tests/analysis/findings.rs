//! Each kind of finding: where there is one and where there is none, in words and how bad it is.

use custodyd_policy::analysis::{Severity, check};

use crate::common::policy;

const ANYTHING: &str = "[[rules]]\nid = \"anything\"\neffect = \"allow\"\n";
const CHANGES: &str = "[governance.changes]\ndefault = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"24h\" }\n";

/// What is odd about a policy in which everything can be changed.
fn odd(rest: &str) -> Vec<String> {
    let findings = check(&policy(&format!("{CHANGES}{rest}"))).unwrap();
    findings.iter().map(ToString::to_string).collect()
}

fn rule(id: &str, effect: &str, when: &str) -> String {
    format!("[[rules]]\nid = \"{id}\"\neffect = \"{effect}\"\nwhen = {{ {when} }}\n")
}

fn limit(id: &str, rest: &str) -> String {
    format!("[[limits]]\nid = \"{id}\"\nwindow = \"24h\"\n{rest}\n")
}

#[test]
fn nothing_is_odd_about_a_policy_that_allows_everything() {
    assert_eq!(odd(ANYTHING), Vec::<String>::new());
}

#[test]
fn an_allow_rule_for_what_is_denied_has_no_effect() {
    let denied = rule("no", "deny", "tier = [\"hot\"], asset = [\"BTC\"]");
    let allowed = rule(
        "yes",
        "allow",
        "tier = [\"hot\"], asset = [\"BTC\"], amount = { at_most = \"1 BTC\" }",
    );
    assert_eq!(
        odd(&format!("{ANYTHING}{denied}{allowed}")),
        [
            "warning: rule \"yes\" has no effect: whatever it matches is denied",
            "note: nothing allows BTC from hot wallets to known or new or own destinations",
        ]
    );
}

#[test]
fn a_rule_without_which_every_verdict_is_the_same_is_found_and_a_deny_rule_may_be_meant() {
    let again = rule("again", "allow", "tier = [\"hot\"]");
    let above =
        |id: &str, amount: &str| rule(id, "deny", &format!("amount = {{ above = \"{amount}\" }}"));
    assert_eq!(
        odd(&format!(
            "{ANYTHING}{again}{}{}",
            above("one", "1 BTC"),
            above("two", "2 BTC")
        )),
        [
            "warning: rule \"again\" has no effect: every verdict is the same without it",
            "note: rule \"two\" has no effect: every verdict is the same without it",
        ]
    );
}

#[test]
fn a_rule_in_fiat_that_decides_only_where_no_price_is_known_has_an_effect() {
    let fiat = "[fiat]\ncurrency = \"USD\"\nprice_max_age = \"15m\"\n";
    let both = format!(
        "{fiat}{ANYTHING}{}",
        rule("again", "allow", "fiat = { at_most = \"5 USD\" }")
    );
    assert_eq!(odd(&both), Vec::<String>::new());
}

#[test]
fn a_limit_on_what_is_never_allowed_counts_nothing() {
    let hot = rule("hot", "allow", "tier = [\"hot\"]");
    let cold = limit(
        "cold",
        "per = \"vault\"\nmax_count = 3\non_breach = \"deny\"\nwhen = { tier = [\"cold\"] }",
    );
    let found = odd(&format!("{hot}{cold}"));
    assert_eq!(
        found[0],
        "warning: limit \"cold\" counts nothing: no request it is about is allowed"
    );
    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn a_limit_below_which_a_stricter_one_always_is_never_binds() {
    let of = |id: &str, most: &str, breach: &str| {
        limit(
            id,
            &format!("per = \"vault\"\nmax_amount = \"{most}\"\non_breach = \"{breach}\""),
        )
    };
    let never = |id: &str| {
        vec![format!(
            "warning: limit \"{id}\" never binds: another limit always does first"
        )]
    };
    for (one, other, idle) in [
        (
            of("a", "1 BTC", "deny"),
            of("b", "2 BTC", "deny"),
            Some("b"),
        ),
        (of("a", "1 BTC", "deny"), of("b", "2 LTC", "deny"), None),
        (
            of("a", "1 BTC", "deny"),
            of("b", "1 BTC", "deny"),
            Some("b"),
        ),
        (
            of("a", "1 BTC", "deny"),
            of("b", "1 BTC", "hold"),
            Some("b"),
        ),
        (of("a", "1 BTC", "hold"), of("b", "2 BTC", "deny"), None),
        (
            of("a", "1 BTC", "deny"),
            of("b", "2 BTC", "deny").replace("24h", "23h"),
            Some("b"),
        ),
        (
            of("a", "1 BTC", "deny"),
            of("b", "2 BTC", "deny").replace("24h", "25h"),
            None,
        ),
        (
            of("a", "1 BTC", "deny"),
            of("b", "2 BTC", "deny").replace("vault", "wallet"),
            Some("b"),
        ),
        (
            of("a", "1 BTC", "deny").replace("vault", "wallet"),
            of("b", "2 BTC", "deny"),
            None,
        ),
        (
            of("a", "1 BTC", "deny").replace("vault", "wallet"),
            of("b", "2 BTC", "deny").replace("vault", "client"),
            None,
        ),
    ] {
        let found = odd(&format!("{ANYTHING}{one}{other}"));
        assert_eq!(found, idle.map(never).unwrap_or_default(), "{one}{other}");
    }
}

#[test]
fn a_limit_that_asks_for_people_replaces_only_one_that_asks_for_the_same() {
    let of = |id: &str, most: &str, quorum: u32| {
        limit(
            id,
            &format!(
                "per = \"vault\"\nmax_amount = \"{most}\"\non_breach = \"quorum\"\nrequire = [{{ group = \"treasury\", quorum = {quorum} }}]"
            ),
        )
    };
    let alike = odd(&format!(
        "{ANYTHING}{}{}",
        of("a", "1 BTC", 2),
        of("b", "2 BTC", 2)
    ));
    assert_eq!(
        alike,
        ["warning: limit \"b\" never binds: another limit always does first"]
    );
    let more = odd(&format!(
        "{ANYTHING}{}{}",
        of("a", "1 BTC", 2),
        of("b", "2 BTC", 3)
    ));
    assert_eq!(more, Vec::<String>::new());
}

#[test]
fn rules_that_ask_for_more_people_together_than_there_are_deny_and_are_named() {
    let three = "[[rules]]\nid = \"hot\"\neffect = \"allow\"\nrequire = [{ group = \"treasury\", quorum = 3 }]\nwhen = { tier = [\"hot\"] }\n";
    let two = "[[rules]]\nid = \"more\"\neffect = \"require\"\nrequire = [{ group = \"security\", quorum = 2 }]\nwhen = { asset = [\"BTC\"] }\n";
    let found = odd(&format!("{three}{two}"));
    assert_eq!(
        found[0],
        "warning: rules together ask for more than all operators could give, so these are denied: tier hot, asset BTC, destination known"
    );
    let notes = found.iter().filter(|line| line.starts_with("note"));
    assert_eq!(notes.count(), found.len() - 1);
    let denied = rule("no", "deny", "asset = [\"BTC\"], tier = [\"hot\"]");
    let found = odd(&format!("{three}{two}{denied}"));
    assert!(
        !found.iter().any(|line| line.contains("rules together")),
        "{found:?}"
    );
}

#[test]
fn a_group_that_nothing_asks_is_named_wherever_it_could_be_asked() {
    let head = |asked: &str| {
        let text = format!(
            "version = 1\n[groups]\nboard = [\"erin\"]\ntreasury = [\"alice\", \"bob\"]\n[governance]\nunfreeze = [{{ group = \"treasury\", quorum = 2 }}]\n\
             [governance.changes]\ndefault = {{ require = [{{ group = \"treasury\", quorum = 2 }}], delay = \"24h\" }}\n{asked}"
        );
        let findings = check(&crate::parse(&text)).unwrap();
        findings
            .iter()
            .any(|finding| finding.to_string() == "warning: group \"board\" is never asked")
    };
    let hot = rule("hot", "allow", "tier = [\"hot\"]");
    assert!(head(&hot));
    for asked in [
        "wallets = { require = [{ group = \"board\", quorum = 1 }, { group = \"treasury\", quorum = 2 }], delay = \"24h\" }\n",
        "[tiers]\nwarm = { group = \"board\", quorum = 1 }\n",
        "[tiers]\ncold = { group = \"board\", quorum = 1 }\n",
        "[[rules]]\nid = \"r\"\neffect = \"require\"\nrequire = [{ group = \"board\", quorum = 1 }]\nwhen = { asset = [\"BTC\"] }\n",
        "[[limits]]\nid = \"l\"\nper = \"vault\"\nmax_count = 1\nwindow = \"24h\"\non_breach = \"quorum\"\nrequire = [{ group = \"board\", quorum = 1 }]\n",
    ] {
        assert!(!head(&format!("{asked}{hot}")), "{asked}");
    }
}

#[test]
fn what_nobody_can_change_is_named() {
    let findings = check(&policy(&format!(
        "[governance.changes]\nrules = {{ require = [{{ group = \"treasury\", quorum = 2 }}], delay = \"2h\" }}\n{ANYTHING}"
    )))
    .unwrap();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 8);
    assert_eq!(
        told[0],
        "warning: nobody can change limits: [governance.changes] has neither \"limits\" nor \"default\""
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity() == Severity::Warning)
    );
}

#[test]
fn a_gap_names_the_destinations_that_nothing_pays() {
    let some = rule("some", "allow", "asset = [\"BTC\", \"LTC\"]");
    let ether = rule(
        "ether",
        "allow",
        "asset = [\"ETH\"], tier = [\"hot\", \"cold\"]",
    );
    let warm = rule(
        "warm",
        "allow",
        "asset = [\"ETH\"], tier = [\"warm\"], destination = [\"own\"]",
    );
    assert_eq!(
        odd(&format!("{some}{ether}{warm}")),
        ["note: nothing allows ETH from warm wallets to known or new destinations"]
    );
}
