//! Small policies drawn at random, and every request of a small grid that their constants cut.

use std::collections::BTreeSet;

use custodyd_policy::{
    DestinationClass, Facts, LimitBook, OperatorId, Outcome, Policy, Requirement, Tier, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

pub(crate) const HEAD: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob", "carol"]
security = ["carol", "dave"]
everybody = ["alice", "bob", "carol", "dave"]
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[fiat]
currency = "USD"
price_max_age = "15m"
[tiers]
warm = { group = "treasury" }
cold = { group = "security", quorum = 1 }
"#;

/// A wrong answer of parse is a wrong generator.
pub(crate) fn parse(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn list(key: &'static str, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => subsequence(names, 1..names.len()).prop_map(move |some| format!("{key} = {some:?}")),
    ]
}

fn range(
    key: &'static str,
    unit: &'static str,
    numbers: [u32; 3],
) -> impl Strategy<Value = String> {
    let above =
        (0..3usize).prop_map(move |n| format!("{key} = {{ above = \"{} {unit}\" }}", numbers[n]));
    let most =
        (0..3usize).prop_map(move |n| format!("{key} = {{ at_most = \"{} {unit}\" }}", numbers[n]));
    prop_oneof![4 => Just(String::new()), 1 => above, 1 => most]
}

/// Conditions, as a table.
pub(crate) fn any_when() -> impl Strategy<Value = String> {
    (
        list("tier", &["hot", "warm", "cold"]),
        list("destination", &["known", "new", "own"]),
        list("client", &["exchange", "shop"]),
        list("tag", &["exchange", "payroll"]),
        list("flag", &["look-alike", "first-seen"]),
        range("amount", "LTC", [2, 4, 6]),
        range("fiat", "USD", [100, 200, 300]),
        prop_oneof![
            5 => Just(String::new()),
            1 => Just("hours = { from = \"09:00\", to = \"17:00\", days = [\"mon\", \"tue\"], time_zone = \"Europe/Zurich\" }".to_owned()),
        ],
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| {
            let parts: Vec<_> = [a, b, c, d, e, f, g, h].into_iter().filter(|part| !part.is_empty()).collect();
            format!("{{ {} }}", parts.join(", "))
        })
}

pub(crate) fn any_require() -> impl Strategy<Value = String> {
    select(vec![
        "[{ group = \"treasury\", quorum = 1 }]",
        "[{ group = \"treasury\", quorum = 2 }]",
        "[{ group = \"security\", quorum = 1 }]",
        "[{ group = \"everybody\", quorum = 2 }]",
        "[{ any_of = [{ group = \"treasury\", quorum = 2 }, { group = \"security\", quorum = 1 }] }]",
        "[{ group = \"treasury\", quorum = 1 }, { group = \"security\", quorum = 1 }]",
    ])
    .prop_map(str::to_owned)
}

pub(crate) fn any_rule() -> impl Strategy<Value = String> {
    let effect = select(vec!["allow", "allow", "deny", "require"]);
    (effect, any_when(), any_require(), any::<bool>()).prop_map(|(effect, when, require, asks)| {
        let asks = effect == "require" || (effect == "allow" && asks);
        let require = if asks {
            format!("require = {require}\n")
        } else {
            String::new()
        };
        format!("effect = \"{effect}\"\nwhen = {when}\n{require}")
    })
}

pub(crate) fn any_limit() -> impl Strategy<Value = String> {
    let max = select(vec![
        "max_amount = \"3 LTC\"",
        "max_amount = \"5 LTC\"",
        "max_count = 2",
        "max_fiat = \"250 USD\"",
    ]);
    let per = select(vec!["vault", "wallet", "tier", "client", "destination"]);
    let breach = select(vec![
        "on_breach = \"deny\"",
        "on_breach = \"hold\"",
        "on_breach = \"quorum\"\nrequire = [{ group = \"security\", quorum = 1 }]",
    ]);
    let window = select(vec!["12h", "24h"]);
    let when = prop_oneof![1 => Just("{}".to_owned()), 1 => list("tier", &["hot", "warm", "cold"]).prop_map(|list| format!("{{ {list} }}"))];
    (max, per, breach, window, when).prop_map(|(max, per, breach, window, when)| {
        format!("per = \"{per}\"\n{max}\nwindow = \"{window}\"\n{breach}\nwhen = {when}\n")
    })
}

/// A policy's text of these rules and limits, and one rule that allows something, so that it is one.
pub(crate) fn text(rules: &[String], limits: &[String]) -> String {
    let mut text = format!(
        "{HEAD}\n[[rules]]\nid = \"base\"\neffect = \"allow\"\nwhen = {{ client = [\"exchange\"], amount = {{ at_most = \"4 LTC\" }} }}\n"
    );
    for (number, rule) in rules.iter().enumerate() {
        text += &format!("[[rules]]\nid = \"r{number}\"\n{rule}\n");
    }
    for (number, limit) in limits.iter().enumerate() {
        text += &format!("[[limits]]\nid = \"l{number}\"\n{limit}\n");
    }
    text
}

pub(crate) fn any_policy() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(any_rule(), 0..5),
        prop::collection::vec(any_limit(), 0..3),
    )
        .prop_map(|(rules, limits)| text(&rules, &limits))
}

/// Each request of the grid: a value on, below and above each constant.
pub(crate) fn grid() -> Vec<Facts> {
    let mut all = Vec::new();
    let destinations = [
        (DestinationClass::Known, None),
        (DestinationClass::New, None),
        (DestinationClass::Own, Some(Tier::Hot)),
        (DestinationClass::Own, Some(Tier::Cold)),
    ];
    // Monday and Wednesday at noon.
    let times = [1_767_610_800_000_u64, 1_767_783_600_000];
    for tier in [Tier::Hot, Tier::Warm, Tier::Cold] {
        for (class, destination_tier) in destinations {
            for amount in [2, 3, 5, 7] {
                for client in ["exchange", "shop"] {
                    for fiat in [
                        None,
                        Some("100 USD"),
                        Some("150 USD"),
                        Some("270 USD"),
                        Some("400 USD"),
                    ] {
                        for (flags, tags, at) in [(0, 0, 0), (0, 1, 1), (1, 0, 0), (2, 1, 0)] {
                            let mut facts = crate::common::facts(1, &format!("{amount} LTC"));
                            facts.tier = tier;
                            facts.class = class;
                            facts.destination_tier = destination_tier;
                            facts.initiator = format!("client/{client}").parse().unwrap();
                            facts.fiat = fiat.map(|fiat| fiat.parse().unwrap());
                            facts.flags =
                                serde_json::from_value(serde_json::json!(FLAGS[flags])).unwrap();
                            facts.tags =
                                serde_json::from_value(serde_json::json!(TAGS[tags])).unwrap();
                            facts.at = Timestamp::from_ms(times[at]);
                            all.push(facts);
                        }
                    }
                }
            }
        }
    }
    all
}

const FLAGS: [&[&str]; 3] = [&[], &["look-alike"], &["first-seen"]];
const TAGS: [&[&str]; 2] = [&[], &["payroll"]];

/// Every set of the four operators.
pub(crate) fn crowds() -> Vec<BTreeSet<OperatorId>> {
    let names = ["alice", "bob", "carol", "dave"];
    (0..16u32)
        .map(|bits| {
            (0..4_usize)
                .filter(|n| bits >> n & 1 == 1)
                .map(|n| names[n].parse().unwrap())
                .collect()
        })
        .collect()
}

/// The verdict as what it means: who could let it go and after how long; `None` if nobody.
pub(crate) fn meaning(
    policy: &Policy,
    facts: &Facts,
    book: &LimitBook,
) -> Result<(Vec<bool>, u64), String> {
    match policy.evaluate(facts, book).outcome {
        Outcome::Allow {
            requirements,
            hold_ms,
        } => Ok((who(policy, &requirements), hold_ms)),
        Outcome::Deny => Err("denied".to_owned()),
        Outcome::HoldForLimit { until } => Err(until.to_string()),
    }
}

pub(crate) fn who(policy: &Policy, requirements: &[Requirement]) -> Vec<bool> {
    crowds()
        .iter()
        .map(|people| policy.satisfied(requirements, people).is_ok())
        .collect()
}
