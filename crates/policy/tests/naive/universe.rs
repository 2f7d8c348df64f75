//! Random policies that say a bit of everything, and withdrawals close to their bounds.

use std::collections::BTreeSet;

use custodyd_policy::{Call, DestinationClass, Facts, Flag, MINUTE_MS, Tier, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::common;

/// What every policy begins with. Everything is allowed by one rule, so that the others decide.
pub(crate) const HEAD: &str = r#"
version = 1
[groups]
security = ["carol", "dave"]
treasury = ["alice", "bob", "carol"]
[organisations]
acme = ["alice", "carol"]
umbrella = ["bob"]
[calendars]
target = ["2026-03-04"]
[fiat]
currency = "USD"
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { require = [{ any_of = [{ group = "security", quorum = 2 }, { group = "treasury", quorum = 2 }] }] }
cold = { group = "security", quorum = 1 }
[[rules]]
id = "allow"
effect = "allow"
"#;

fn list(key: &'static str, values: &'static [&'static str]) -> BoxedStrategy<String> {
    let some = subsequence(values.to_vec(), 1..=values.len().min(2));
    some.prop_map(move |some| format!("{key} = [\"{}\"]", some.join("\", \"")))
        .boxed()
}

fn range(key: &'static str, unit: &'static str) -> BoxedStrategy<String> {
    (0u64..6, 0u64..6)
        .prop_map(move |(above, more)| match more {
            0 => format!("{key} = {{ above = \"{above} {unit}\" }}"),
            _ => format!(
                "{key} = {{ above = \"{above} {unit}\", at_most = \"{}.5 {unit}\" }}",
                above + more
            ),
        })
        .boxed()
}

fn hours() -> BoxedStrategy<String> {
    let clock = select(vec!["00:00", "06:30", "12:00", "23:59"]);
    let days = select(vec![
        "",
        ", days = [\"tue\", \"wed\"]",
        ", days = [\"wed\", \"sun\"], holidays = \"target\"",
        ", days = [\"holiday\", \"thu\"], holidays = \"target\"",
    ]);
    let zone = select(vec![
        "",
        ", utc_offset_minutes = -690",
        ", time_zone = \"Europe/Zurich\"",
        ", time_zone = \"Pacific/Auckland\"",
    ]);
    (clock.clone(), clock, days, zone)
        .prop_map(|(from, to, days, zone)| {
            format!("hours = {{ from = \"{from}\", to = \"{to}\"{days}{zone} }}")
        })
        .boxed()
}

fn any_when() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        list("tier", &["hot", "warm", "cold"]),
        list("wallet", &["hot", "hot-1"]),
        list("asset", &["LTC", "ETH"]),
        list("chain", &["litecoin-regtest", "eip155:31337"]),
        list("client", &["exchange", "shop"]),
        list("initiator", &["client/exchange", "operator/alice"]),
        list("destination", &["known", "new", "own"]),
        list("destination_tier", &["hot", "warm"]),
        list("tag", &["exchange", "vip"]),
        list("flag", &["first-seen", "look-alike", "probe-then-drain"]),
        list("call", &["native", "erc20-transfer"]),
        range("amount", "LTC"),
        range("fiat", "USD"),
        range("fee", "LTC"),
        hours(),
    ];
    let distinct = prop::collection::vec(condition, 0..4);
    distinct.prop_map(|conditions| {
        let mut keys = BTreeSet::new();
        let once = |one: &String| keys.insert(one.split(' ').next().unwrap_or_default().to_owned());
        let conditions: Vec<_> = conditions.into_iter().filter(once).collect();
        format!("when = {{ {} }}\n", conditions.join(", "))
    })
}

fn any_require() -> impl Strategy<Value = String> {
    select(vec![
        "{ group = \"treasury\", quorum = 1 }",
        "{ group = \"treasury\", quorum = 3 }",
        "{ group = \"treasury\", quorum = 2, organisations = 2 }",
        "{ group = \"security\", quorum = 1 }, { group = \"treasury\", quorum = 1 }",
        "{ any_of = [{ group = \"security\", quorum = 1 }, { group = \"treasury\", quorum = 2 }] }",
        "{ group = \"security\", quorum = 2 }",
    ])
    .prop_map(|list| format!("require = [{list}]\n"))
}

/// A rule's text without its id.
pub(crate) fn any_rule() -> impl Strategy<Value = String> {
    let effect = select(vec!["allow", "deny", "require", "require"]);
    let hold = select(vec!["", "hold = \"1h\"\n", "hold = \"90m\"\n"]);
    (effect, any_when(), any_require(), hold).prop_map(|(effect, when, require, hold)| match effect
    {
        "deny" => format!("effect = \"deny\"\n{when}"),
        _ => format!("effect = \"{effect}\"\n{when}{require}{hold}"),
    })
}

/// A limit's text without its id.
pub(crate) fn any_limit() -> impl Strategy<Value = String> {
    let per = select(vec![
        "vault",
        "wallet",
        "tier",
        "asset",
        "client",
        "destination",
    ]);
    let max = select(vec![
        "max_amount = \"6 LTC\"",
        "max_count = 2",
        "max_count = 1\nasset = \"ETH\"",
        "max_fiat = \"12 USD\"",
        "max_fiat = \"7.50 USD\"\nasset = \"LTC\"",
    ]);
    let breach = select(vec!["deny", "hold", "hold", "quorum", "escalate"]);
    let window = select(vec!["30m", "1h", "3h"]);
    (per, max, breach, window, any_when(), any_require()).prop_map(|(per, max, breach, window, when, require)| {
        let require = if breach.len() > 4 { require } else { String::new() };
        format!("per = \"{per}\"\n{max}\nwindow = \"{window}\"\non_breach = \"{breach}\"\n{when}{require}")
    })
}

/// A withdrawal on the minute, within some days around a holiday.
pub(crate) fn any_facts(serial: u64) -> impl Strategy<Value = Facts> {
    let place = (
        select(vec![Tier::Hot, Tier::Hot, Tier::Warm, Tier::Cold]),
        select(vec!["hot", "hot-1"]),
        select(vec!["LTC", "LTC", "ETH"]),
        0usize..3,
        select(vec![
            DestinationClass::Known,
            DestinationClass::New,
            DestinationClass::Own,
            DestinationClass::Blocked,
        ]),
        select(vec![None, None, Some(Tier::Hot), Some(Tier::Warm)]),
    );
    let sizes = (
        0u64..14,
        prop::option::weighted(
            0.85,
            (0u64..1_300, select(vec!["USD", "USD", "USD", "EUR"])),
        ),
        0u64..14,
    );
    let about = (
        subsequence(vec!["exchange", "vip"], 0..=2),
        subsequence(Flag::ALL.to_vec(), 0..=2),
        select(Call::ALL.to_vec()),
        select(vec!["client/exchange", "client/shop", "operator/alice"]),
        0u64..400,
        prop::bool::weighted(0.1),
    );
    (place, sizes, about).prop_map(move |(place, sizes, about)| {
        let (tier, wallet, asset, address, class, destination_tier) = place;
        let (halves, fiat, fee_halves) = sizes;
        let (tags, flags, call, initiator, minutes, far) = about;
        let half = |n: u64| format!("{}{} {asset}", n / 2, if n % 2 == 1 { ".5" } else { "" });
        let mut facts = common::facts(serial, &half(halves));
        (facts.tier, facts.class, facts.destination_tier, facts.call) =
            (tier, class, destination_tier, call);
        facts.wallet = wallet.parse().unwrap();
        facts.fee = half(fee_halves).parse().unwrap();
        facts.fiat = fiat.map(|(cents, currency)| {
            format!("{}.{:02} {currency}", cents / 100, cents % 100)
                .parse()
                .unwrap()
        });
        if asset == "LTC" {
            let destination = common::ADDRESSES[address];
            facts.destination = serde_json::from_value(destination.into()).unwrap();
        }
        facts.tags = tags.into_iter().map(|tag| tag.parse().unwrap()).collect();
        facts.flags = flags.into_iter().collect();
        facts.initiator = initiator.parse().unwrap();
        let minutes = if far { minutes * 60 } else { minutes };
        facts.at = Timestamp::from_ms(facts.at.as_ms() + minutes * MINUTE_MS);
        facts
    })
}
