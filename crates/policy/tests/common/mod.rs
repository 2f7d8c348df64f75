//! Policies and facts that the tests start from.
#![allow(dead_code)]

use custodyd_policy::{DestinationClass, Facts, Policy, Tier, Timestamp, WithdrawalId};

/// The least a policy needs around its rules.
pub(crate) const HEAD: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob", "carol"]
security = ["carol", "dave"]
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury" }
cold = { group = "security", quorum = 1 }
"#;

/// Allows everything that the invariants leave.
pub(crate) const ALLOW: &str = r#"
[[rules]]
id = "allow"
effect = "allow"
"#;

pub(crate) const ADDRESSES: [&str; 3] = [
    "litecoin-regtest:rltc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpjt8zj4",
    "litecoin-regtest:rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er",
    "litecoin-regtest:rltc1qqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrzlqxnz",
];

pub(crate) fn policy(rest: &str) -> Policy {
    Policy::parse(&format!("{HEAD}{rest}")).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn id(serial: u64) -> WithdrawalId {
    WithdrawalId::from_bytes(u128::from(serial).to_be_bytes())
}

/// A hot withdrawal to a known address, on Wednesday 2026-03-04 at 10:00 UTC.
pub(crate) fn facts(serial: u64, amount: &str) -> Facts {
    let asset = amount.rsplit(' ').next().unwrap();
    let destination = match asset {
        "ETH" => "eip155:31337:0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "BTC" => "bitcoin:bc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpyfl4f3",
        _ => ADDRESSES[0],
    };
    Facts {
        withdrawal: id(serial),
        vault: "main".parse().unwrap(),
        wallet: "hot".parse().unwrap(),
        tier: Tier::Hot,
        amount: amount.parse().unwrap(),
        destination: serde_json::from_value(destination.into()).unwrap(),
        class: DestinationClass::Known,
        initiator: "client/exchange".parse().unwrap(),
        fiat: None,
        fee: format!("0 {asset}").parse().unwrap(),
        destination_tier: None,
        tags: Default::default(),
        flags: Default::default(),
        resembles: None,
        call: Default::default(),
        at: Timestamp::from_ms(1_772_618_400_000),
    }
}
