//! What a policy may not say: each is refused with its line, by its own fault, with what to write instead.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../common/mod.rs"]
mod common;
mod destinations;
mod fiat;
mod governance;
mod hours;
mod limits;
mod requirements;
mod rules;
mod treasury;

use common::{ALLOW, HEAD};
use custodyd_policy::{MAX_POLICY_BYTES, Policy, PolicyError, PolicyFault};

fn refusal(source: &str) -> PolicyError {
    match Policy::parse(source) {
        Ok(_) => panic!("accepted: {source}"),
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains('\n'), "more than one line: {shown}");
            error
        }
    }
}

/// A policy with this after the usual head, and the refusal's line counted within it.
fn after_head(rest: &str) -> (usize, PolicyFault) {
    let error = refusal(&format!("{HEAD}{rest}"));
    let line = error.line.unwrap_or_else(|| panic!("no line: {error}"));
    (line - HEAD.lines().count(), *error.fault)
}

fn rule(body: &str) -> PolicyFault {
    let (line, fault) = after_head(&format!("{ALLOW}[[rules]]\nid = \"r\"\n{body}\n"));
    assert!((5..=8).contains(&line), "line {line}: {fault}");
    fault
}

fn limit(body: &str) -> PolicyFault {
    let (line, fault) = after_head(&format!("{ALLOW}[[limits]]\nid = \"l\"\n{body}\n"));
    assert!((5..=11).contains(&line), "line {line}: {fault}");
    fault
}

macro_rules! refused {
    ($fault:expr, $pattern:pat, $says:literal) => {
        let fault: &PolicyFault = &$fault;
        assert!(matches!(fault, $pattern), "{fault:?}");
        assert!(fault.to_string().contains($says), "{fault}");
    };
}
use refused;

#[test]
fn an_empty_policy() {
    for source in ["", " \n\t\n", "# version = 1\n\n# nothing\n"] {
        refused!(
            refusal(source).fault,
            PolicyFault::Empty,
            "begin with `version = 1`"
        );
    }
}

#[test]
fn unknown_and_missing_keys() {
    refused!(
        rule("effekt = \"deny\""),
        PolicyFault::Syntax { .. },
        "unknown field `effekt`, expected one of"
    );
    refused!(
        rule("effect = \"deny\"\nwhen = { colour = [\"red\"] }"),
        PolicyFault::Syntax { .. },
        "unknown field `colour`"
    );
    refused!(
        rule("effect = \"permit\""),
        PolicyFault::Syntax { .. },
        "expected one of `allow`, `deny`, `require`"
    );
    refused!(
        rule("effect = \"deny\"\nwhen = { tier = [\"tepid\"] }"),
        PolicyFault::Syntax { .. },
        "`hot`, `warm`, `cold`"
    );
    refused!(
        rule("effect = \"deny\"\nwhen = { asset = [\"DOGE\"] }"),
        PolicyFault::Syntax { .. },
        "BTC, LTC, ETH"
    );
    refused!(
        rule("effect = \"deny\"\nwhen = { wallet = [\"Hot 1\"] }"),
        PolicyFault::Syntax { .. },
        "wallet id"
    );
    refused!(
        after_head("[groupz]\n").1,
        PolicyFault::Syntax { .. },
        "unknown field `groupz`"
    );
    refused!(
        refusal("version = 1\n").fault,
        PolicyFault::Syntax { .. },
        "missing field"
    );
    refused!(
        refusal("version = 1\nversion = 1\n").fault,
        PolicyFault::Syntax { .. },
        "duplicate key"
    );
    refused!(
        refusal("not toml").fault,
        PolicyFault::Syntax { .. },
        "expected"
    );
    refused!(
        refusal(&HEAD.replace("version = 1", "version = 2")).fault,
        PolicyFault::Version { found: 2 },
        "write `version = 1`"
    );
}

#[test]
fn two_rules_or_limits_with_one_id() {
    let (line, fault) = after_head(&format!("{ALLOW}{ALLOW}"));
    assert_eq!(line, 6);
    let first = HEAD.lines().count() + 2;
    assert!(
        matches!(fault, PolicyFault::DuplicateRule { first: at, .. } if at == first),
        "{fault:?}"
    );
    let one = "[[limits]]\nid = \"l\"\nper = \"vault\"\nmax_count = 1\nwindow = \"1h\"\non_breach = \"deny\"\n";
    let (_, fault) = after_head(&format!("{ALLOW}{one}{one}"));
    refused!(
        fault,
        PolicyFault::DuplicateLimit { .. },
        "give each limit an id of its own"
    );
}

#[test]
fn a_quorum_above_the_groups_size() {
    let ask = |list: &str| rule(&format!("effect = \"require\"\nrequire = [{list}]"));
    refused!(
        ask("{ group = \"treasury\", quorum = 4 }"),
        PolicyFault::QuorumAboveGroup {
            quorum: 4,
            members: 3,
            ..
        },
        "write at most 3"
    );
    refused!(
        ask("{ group = \"treasury\", quorum = 0 }"),
        PolicyFault::ZeroQuorum { .. },
        "at least 1"
    );
    refused!(ask(""), PolicyFault::NoRequirements { .. }, "empty list");
    refused!(
        ask("{ group = \"treasury\", quorum = -1 }"),
        PolicyFault::Syntax { .. },
        "-1"
    );
    refused!(
        ask("{ group = \"treasury\", quorum = 1 }, { group = \"treasury\", quorum = 2 }"),
        PolicyFault::GroupTwice { .. },
        "the higher quorum"
    );
    // Carol is in both groups, and there are four people.
    refused!(
        ask("{ group = \"treasury\", quorum = 3 }, { group = \"security\", quorum = 2 }"),
        PolicyFault::QuorumsOverlap { .. },
        "one person counts once"
    );
}

#[test]
fn a_group_nobody_is_in() {
    let with = |groups: &str| refusal(&HEAD.replace("security = [\"carol\", \"dave\"]", groups));
    let error = with("security = []");
    assert_eq!(error.line, Some(5));
    refused!(error.fault, PolicyFault::EmptyGroup { .. }, "nobody in it");
    refused!(
        with("security = [\"dave\", \"dave\"]").fault,
        PolicyFault::DuplicateMember { .. },
        "counts once"
    );
    refused!(
        with("").fault,
        PolicyFault::UnknownGroup { .. },
        "there is no group \"security\""
    );
    refused!(
        rule("effect = \"require\"\nrequire = [{ group = \"trasury\", quorum = 1 }]"),
        PolicyFault::UnknownGroup { .. },
        "write one of: security, treasury"
    );
}

#[test]
fn a_warm_or_cold_wallet_without_people() {
    let tiers = "warm = { group = \"treasury\" }\ncold = { group = \"security\", quorum = 1 }\n";
    let with =
        |floors: &str, rest: &str| refusal(&format!("{}{rest}", HEAD.replace(tiers, floors)));
    let cold = "cold = { group = \"security\", quorum = 1 }\n";
    refused!(
        with("", ALLOW).fault,
        PolicyFault::TierWithoutFloor { .. },
        "`[tiers]` with `warm"
    );
    refused!(
        with("warm = { group = \"treasury\" }\n", ALLOW).fault,
        PolicyFault::TierWithoutFloor { .. },
        "cold"
    );
    refused!(
        with(
            &format!("warm = {{ group = \"treasury\", quorum = 0 }}\n{cold}"),
            ALLOW
        )
        .fault,
        PolicyFault::ZeroQuorum { .. },
        "tiers.warm"
    );
    refused!(
        with(
            &format!("warm = {{ group = \"treasury\", quorum = 4 }}\n{cold}"),
            ALLOW
        )
        .fault,
        PolicyFault::QuorumAboveGroup { .. },
        "tiers.warm"
    );
    refused!(
        with(
            &format!("warm = {{ group = \"treasury\", hold = \"0s\" }}\n{cold}"),
            ALLOW
        )
        .fault,
        PolicyFault::Duration { .. },
        "tiers.warm"
    );
    // A policy for hot wallets only needs no floor.
    let hot = "[[rules]]\nid = \"hot\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"] }\n";
    assert!(Policy::parse(&format!("{}{hot}", HEAD.replace(tiers, ""))).is_ok());
}

#[test]
fn a_freeze_that_nobody_could_end() {
    let with =
        |list: &str| refusal(&HEAD.replace("{ group = \"treasury\", quorum = 2 }", list)).fault;
    refused!(
        with(""),
        PolicyFault::NoRequirements { .. },
        "governance.unfreeze"
    );
    refused!(
        with("{ group = \"board\", quorum = 1 }"),
        PolicyFault::UnknownGroup { .. },
        "governance.unfreeze"
    );
    refused!(
        with("{ group = \"security\", quorum = 3 }"),
        PolicyFault::QuorumAboveGroup { .. },
        "governance.unfreeze"
    );
}

#[test]
fn a_toml_bomb() {
    let big = format!("{HEAD}{ALLOW}#{}", "x".repeat(MAX_POLICY_BYTES));
    refused!(
        refusal(&big).fault,
        PolicyFault::TooLarge { .. },
        "at most 262144"
    );
    let deep = MAX_POLICY_BYTES / 4;
    for bomb in [
        format!("version = {}", "[".repeat(deep)),
        format!("version = {}", "{a=".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
        format!("version = {}1{}", "[".repeat(deep), "]".repeat(deep)),
        "[[rules]]\n".repeat(deep / 4),
        "version = 1\0".to_owned(),
    ] {
        refused!(refusal(&bomb).fault, PolicyFault::Syntax { .. }, "");
    }
    // As many rules as fit are no bomb.
    let rules: String = (0..2_000)
        .map(|n| {
            format!(
                "[[rules]]\nid = \"r{n}\"\neffect = \"deny\"\nwhen = {{ client = [\"c{n}\"] }}\n"
            )
        })
        .collect();
    assert_eq!(
        common::policy(&format!("{ALLOW}{rules}")).rule_count(),
        2_001
    );
}

#[test]
fn a_refusal_is_one_printable_line_however_long_and_odd_the_file() {
    for key in [
        "x".repeat(100_000),
        "\"line\\r\\nbreak\"".to_owned(),
        "\"\\u001B[31mred\\u0000\"".to_owned(),
        "\"\\u202Eright to left\"".to_owned(),
    ] {
        let error = refusal(&format!("version = 1\n{key} = 1\n"));
        let shown = error.to_string();
        assert!(shown.starts_with("line 2: "), "{shown}");
        assert!(shown.len() < 1_000, "{} bytes", shown.len());
        let odd = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!shown.contains(odd), "{shown:?}");
    }
}

#[test]
fn a_policy_may_be_as_long_as_it_may_and_not_one_byte_more() {
    let policy = format!("{HEAD}{ALLOW}#");
    let longest = format!("{policy}{}", "x".repeat(MAX_POLICY_BYTES - policy.len()));
    assert!(Policy::parse(&longest).is_ok());
    let fault = refusal(&format!("{longest}x")).fault;
    assert!(matches!(*fault, PolicyFault::TooLarge { .. }), "{fault:?}");
}
