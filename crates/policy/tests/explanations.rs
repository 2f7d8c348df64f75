//! How an explanation, a hash and an id read to a person.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::error::Error;

use common::{ALLOW, HEAD, facts, id, policy};
use custodyd_policy::{GroupId, LimitBook, Policy, PolicyHash};

#[test]
fn an_explanation_tells_of_each_rule_and_limit_what_held_or_what_did_not() {
    let rest = r#"
[[rules]]
id = "big"
effect = "deny"
when = { tier = ["hot"], wallet = ["hot-2", "hot-3"], amount = { above = "5 LTC" } }
[[rules]]
id = "small"
effect = "require"
hold = "1h"
when = { tier = ["hot"], amount = { at_most = "5 LTC" } }
[[limits]]
id = "ether"
per = "wallet"
asset = "ETH"
max_count = 3
window = "1h"
on_breach = "deny"
when = { tier = ["hot"] }
[[limits]]
id = "litecoin"
per = "wallet"
max_amount = "10 LTC"
window = "1h"
on_breach = "deny"
when = { asset = ["LTC"] }
"#;
    let policy = policy(&format!("{ALLOW}{rest}"));
    let explained = policy.explain(&facts(1, "2 LTC"), &LimitBook::default());
    let text = explained.to_string();
    let (_, below) = text.split_once("\nrules:\n").unwrap();
    assert_eq!(
        below,
        "  + allow (allow): always
  - big (deny): amount 2 LTC is not above 5 LTC, wallet hot is not one of hot-2, hot-3
  + small (require): tier hot is hot, amount 2 LTC is at most 5 LTC
limits:
  - ether: asset LTC is not ETH
  + limit \"litecoin\" on wallet hot: used 0 LTC + 2 LTC of at most 10 LTC in 1h"
    );
    // The asset that a limit is about is told once, whichever way it is written.
    let fields: Vec<_> = explained.limits[1]
        .conditions
        .iter()
        .map(|c| c.field.as_str())
        .collect();
    assert_eq!(fields, ["asset"]);
    let none = common::policy(ALLOW).explain(&facts(1, "2 LTC"), &LimitBook::default());
    assert!(none.to_string().ends_with("\nlimits: none"), "{none}");
}

#[test]
fn a_hash_is_shown_whole_and_by_its_first_eight_digits() {
    // SHA-256 of nothing (FIPS 180-4).
    let hash = PolicyHash::of("");
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hash.to_string(), hex);
    assert_eq!(hash.short(), "e3b0c442");
    assert_eq!(format!("{hash:?}"), format!("PolicyHash({hex})"));
    assert_eq!((hash.as_bytes()[0], hash.as_bytes()[31]), (0xe3, 0x55));
    assert_eq!(hex.parse::<PolicyHash>().unwrap(), hash);
}

#[test]
fn an_id_is_shown_as_it_is_written_and_what_is_none_is_quoted() {
    let shown = format!("{:?}", id(1));
    assert_eq!(shown, format!("WithdrawalId(wd_{:032x})", 1));
    let refusal = "Not an id\n".parse::<GroupId>().unwrap_err().to_string();
    assert!(refusal.contains("\"Not an id\\n\""), "{refusal}");
}

#[test]
fn a_refusal_carries_what_is_wrong_as_its_source() {
    let refusal = Policy::parse(HEAD).unwrap_err();
    let source = refusal.source().unwrap().to_string();
    assert!(source.starts_with("no rule with effect"), "{source}");
}
