//! What tiers should hold, where the three amounts contradict each other or another entry.

use custodyd_policy::{PolicyFault, Tier};

use crate::common::{ALLOW, HEAD, policy};
use crate::{refusal, refused};

fn entry(asset: &str, amounts: [&str; 3]) -> String {
    let [floor, target, ceiling] = amounts;
    format!(
        "[[treasury]]\nasset = \"{asset}\"\ntier = \"hot\"\nfloor = \"{floor}\"\ntarget = \"{target}\"\nceiling = \"{ceiling}\"\n"
    )
}

fn fault(entries: &str) -> PolicyFault {
    let error = refusal(&format!("{HEAD}{ALLOW}{entries}"));
    assert!(error.line.is_some(), "{error}");
    *error.fault
}

#[test]
fn amounts_that_are_not_in_their_order() {
    for amounts in [
        ["2 LTC", "1 LTC", "3 LTC"],
        ["1 LTC", "4 LTC", "3 LTC"],
        ["3 LTC", "2 LTC", "1 LTC"],
    ] {
        refused!(
            fault(&entry("LTC", amounts)),
            PolicyFault::TargetOrder { .. },
            "treasury LTC hot: floor"
        );
    }
    refused!(
        fault(&entry("LTC", ["0 LTC", "0 LTC", "0 LTC"])),
        PolicyFault::ZeroCeiling { .. },
        "leave the entry out"
    );
}

#[test]
fn amounts_without_a_unit_or_of_another_asset() {
    refused!(
        fault(&entry("LTC", ["1 LTC", "2 BTC", "3 LTC"])),
        PolicyFault::TargetAsset { key: "target", .. },
        "`target` is in BTC"
    );
    refused!(
        fault(&entry("LTC", ["1", "2 LTC", "3 LTC"])),
        PolicyFault::AmountWithoutUnit { .. },
        "\"1 LTC\""
    );
}

#[test]
fn one_asset_and_tier_twice_and_a_key_that_is_unknown_or_missing() {
    let one = entry("LTC", ["1 LTC", "2 LTC", "3 LTC"]);
    refused!(
        fault(&format!("{one}{one}")),
        PolicyFault::TargetTwice { .. },
        "is written before, on line"
    );
    refused!(
        fault(&format!("{one}colour = \"red\"\n")),
        PolicyFault::Syntax { .. },
        "unknown field `colour`"
    );
    refused!(
        fault(&one.replace("floor = \"1 LTC\"\n", "")),
        PolicyFault::Syntax { .. },
        "missing field `floor`"
    );
}

#[test]
fn equal_amounts_are_in_order_and_what_is_not_named_has_no_target() {
    let written =
        entry("LTC", ["2 LTC", "2 LTC", "2 LTC"]) + &entry("BTC", ["0 BTC", "1 BTC", "2 BTC"]);
    let policy = policy(&format!("{ALLOW}{written}"));
    let found: Vec<String> = policy
        .treasury()
        .iter()
        .map(|((asset, tier), target)| format!("{asset} {tier} {target}"))
        .collect();
    assert_eq!(
        found,
        [
            "BTC hot 1 BTC (from 0 BTC to 2 BTC)",
            "LTC hot 2 LTC (from 2 LTC to 2 LTC)"
        ]
    );
    let ltc = "LTC".parse().unwrap();
    assert!(!policy.treasury().contains_key(&(ltc, Tier::Cold)));
}
