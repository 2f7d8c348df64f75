//! What a policy may not say: each is refused with its line, by its own fault, with what to write instead.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

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
    (line - HEAD.lines().count(), error.fault)
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
        let fault = $fault;
        assert!(matches!(fault, $pattern), "{fault:?}");
        assert!(fault.to_string().contains($says), "{fault}");
    };
}

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
        rule("effect = \"deny\"\nwhen = { chain = [\"x\"] }"),
        PolicyFault::Syntax { .. },
        "unknown field `chain`"
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
fn a_window_of_zero_or_without_unit() {
    let window = |text: &str| {
        limit(&format!(
            "per = \"vault\"\nmax_count = 1\non_breach = \"deny\"\nwindow = {text}"
        ))
    };
    refused!(window("\"0h\""), PolicyFault::Duration { .. }, "is zero");
    refused!(window("\"24\""), PolicyFault::Duration { .. }, "\"24h\"");
    refused!(window("\"367d\""), PolicyFault::Duration { .. }, "366d");
    refused!(window("24"), PolicyFault::Syntax { .. }, "with their unit");
    refused!(
        rule("effect = \"require\"\nhold = \"0s\""),
        PolicyFault::Duration { .. },
        "is zero"
    );
    refused!(
        after_head("[approvals]\nexpire_after = \"1 day\"\n").1,
        PolicyFault::Duration { .. },
        "\"24h\""
    );
    refused!(
        after_head("[destinations]\ncool_off = \"-1h\"\n").1,
        PolicyFault::Duration { .. },
        "\"24h\""
    );
}

#[test]
fn a_limit_without_unit_or_without_maximum() {
    let with = |body: &str| {
        limit(&format!(
            "per = \"vault\"\nwindow = \"1h\"\non_breach = \"deny\"\n{body}"
        ))
    };
    refused!(
        with("max_amount = \"10\""),
        PolicyFault::AmountWithoutUnit { .. },
        "\"10 LTC\""
    );
    refused!(
        with("max_amount = 10"),
        PolicyFault::Syntax { .. },
        "\"10 LTC\""
    );
    refused!(
        with("max_amount = \"10 DOGE\""),
        PolicyFault::Amount { .. },
        "BTC, LTC, ETH"
    );
    refused!(
        with("max_amount = \"1e3 LTC\""),
        PolicyFault::Amount { .. },
        "max_amount"
    );
    refused!(
        with("max_amount = \"-1 LTC\""),
        PolicyFault::Amount { .. },
        "max_amount"
    );
    refused!(
        with("max_amount = \"0.000000001 LTC\""),
        PolicyFault::Amount { .. },
        "decimals"
    );
    refused!(
        with("max_amount = \"0 LTC\""),
        PolicyFault::ZeroMaximum { .. },
        "deny rule"
    );
    refused!(
        with("max_count = 0"),
        PolicyFault::ZeroMaximum { .. },
        "deny rule"
    );
    refused!(with("max_count = -1"), PolicyFault::Syntax { .. }, "-1");
    refused!(
        with(""),
        PolicyFault::OneMaximum { .. },
        "`max_amount` or `max_count`"
    );
    refused!(
        with("max_count = 1\nmax_amount = \"1 LTC\""),
        PolicyFault::OneMaximum { .. },
        "two limits"
    );
    refused!(
        with("asset = \"BTC\"\nmax_amount = \"1 LTC\""),
        PolicyFault::LimitAsset { .. },
        "in one asset"
    );
}

#[test]
fn a_limit_whose_breach_does_not_say_who() {
    let with = |body: &str| {
        limit(&format!(
            "per = \"vault\"\nwindow = \"1h\"\nmax_count = 1\n{body}"
        ))
    };
    refused!(
        with("on_breach = \"quorum\""),
        PolicyFault::QuorumWithoutRequire { .. },
        "require = ["
    );
    refused!(
        with("on_breach = \"deny\"\nrequire = [{ group = \"treasury\", quorum = 1 }]"),
        PolicyFault::RequireWithoutQuorum { .. },
        "on_breach = \"quorum\""
    );
    refused!(
        with("on_breach = \"alert\""),
        PolicyFault::Syntax { .. },
        "`deny`, `hold`, `quorum`"
    );
}

#[test]
fn a_rule_that_can_never_match() {
    let when = |when: &str| rule(&format!("effect = \"deny\"\nwhen = {{ {when} }}"));
    for field in ["tier", "wallet", "asset", "client", "destination"] {
        refused!(
            when(&format!("{field} = []")),
            PolicyFault::EmptyList { .. },
            "can never match"
        );
    }
    refused!(
        when("client = [\"a\", \"a\"]"),
        PolicyFault::DuplicateInList { .. },
        "names a twice"
    );
    refused!(
        when("amount = {}"),
        PolicyFault::NoBound { .. },
        "`above`, `at_most` or both"
    );
    refused!(
        when("amount = { above = \"2 LTC\", at_most = \"1 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { above = \"1 LTC\", at_most = \"1.0 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { at_most = \"0 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { above = \"1\" }"),
        PolicyFault::AmountWithoutUnit { .. },
        "\"1 LTC\""
    );
    refused!(
        when("amount = { above = \"1 LTC\", at_most = \"2 BTC\" }"),
        PolicyFault::MixedBounds { .. },
        "in one asset"
    );
    refused!(
        when("asset = [\"BTC\", \"LTC\"], amount = { above = \"1 LTC\" }"),
        PolicyFault::AssetNeverMatches { .. },
        "asset = [\"LTC\"]"
    );
    let hours = |hours: &str| when(&format!("hours = {{ {hours} }}"));
    refused!(
        hours("from = \"09:00\", to = \"09:00\""),
        PolicyFault::EmptyHours { .. },
        "for whole days"
    );
    refused!(
        hours("from = \"09:00\", to = \"17:00\", days = []"),
        PolicyFault::EmptyList { .. },
        "`days`"
    );
    refused!(
        hours("from = \"9:00\", to = \"17:00\""),
        PolicyFault::Clock { key: "from", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"24:00\", to = \"17:00\""),
        PolicyFault::Clock { key: "from", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"09:00\", to = \"25:00\""),
        PolicyFault::Clock { key: "to", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"09:00\", to = \"10:00\", utc_offset_minutes = 841"),
        PolicyFault::UtcOffset { .. },
        "-720 to 840"
    );
    let blocked = "when = { destination = [\"blocked\"] }";
    refused!(
        rule(&format!("effect = \"allow\"\n{blocked}")),
        PolicyFault::OnlyBlocked { .. },
        "always denied"
    );
    let body = "per = \"vault\"\nwindow = \"1h\"\nmax_amount = \"1 LTC\"\non_breach = \"deny\"\n";
    refused!(
        limit(&format!("{body}{blocked}")),
        PolicyFault::OnlyBlocked { .. },
        "always denied"
    );
    refused!(
        limit(&format!("{body}when = {{ asset = [\"BTC\"] }}")),
        PolicyFault::AssetNeverMatches { .. },
        "LTC"
    );
    refused!(
        limit(&format!(
            "{body}when = {{ amount = {{ above = \"1 BTC\" }} }}"
        )),
        PolicyFault::AssetNeverMatches { .. },
        "LTC"
    );
}

#[test]
fn a_rule_whose_effect_cannot_use_what_it_asks() {
    refused!(
        rule("effect = \"deny\"\nhold = \"1h\""),
        PolicyFault::DenyAsks { key: "hold", .. },
        "remove `hold`"
    );
    refused!(
        rule("effect = \"deny\"\nrequire = [{ group = \"treasury\", quorum = 1 }]"),
        PolicyFault::DenyAsks { key: "require", .. },
        "remove `require`"
    );
    refused!(
        rule("effect = \"require\""),
        PolicyFault::RequiresNothing { .. },
        "add `require` or `hold`"
    );
    let nothing = refusal(HEAD);
    refused!(
        nothing.fault,
        PolicyFault::NothingAllowed,
        "everything would be denied"
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
