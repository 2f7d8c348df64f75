//! What limits count apart: vaults, wallets, tiers, assets, initiators and destinations.

use custodyd_policy::{Facts, HOUR_MS, LimitBook, Measure, Outcome, Policy, Reason, Tier};

use crate::common::{ADDRESSES, ALLOW, facts, id, policy};
use crate::{allowed, limit, minutes_ago, reserve};

const DIMENSIONS: [&str; 6] = ["vault", "wallet", "tier", "asset", "client", "destination"];

fn one_per(dimension: &str) -> Policy {
    let body = format!("per = \"{dimension}\"\nmax_count = 1\non_breach = \"deny\"");
    policy(&format!("{ALLOW}{}", limit("l", &body)))
}

/// Another withdrawal, which shares nothing with [`facts`] but the tier's rules.
fn elsewhere(serial: u64, dimension: &str) -> Facts {
    let mut other = facts(
        serial,
        if dimension == "asset" {
            "1 ETH"
        } else {
            "1 LTC"
        },
    );
    other.at = minutes_ago(1);
    match dimension {
        "vault" => other.vault = "second".parse().unwrap(),
        "wallet" => other.wallet = "hot-2".parse().unwrap(),
        "tier" => other.tier = Tier::Cold,
        "client" => other.initiator = "operator/alice".parse().unwrap(),
        "destination" => {
            other.destination = serde_json::from_value(ADDRESSES[1].into()).unwrap();
        }
        _ => {}
    }
    other
}

#[test]
fn an_admission_stands_aside_only_where_it_was_counted() {
    for dimension in DIMENSIONS {
        let policy = one_per(dimension);
        let mut book = LimitBook::default();
        reserve(&policy, &mut book, 1, "1 LTC", minutes_ago(1));
        book.reserve(&policy, elsewhere(2, dimension));
        // Judged again where it is, it does not stand in its own way; judged elsewhere, the other one does.
        let outcome = |facts: &Facts| policy.evaluate(facts, &book).outcome;
        assert_eq!(outcome(&facts(1, "1 LTC")), allowed(&[], 0), "{dimension}");
        assert_ne!(
            outcome(&elsewhere(2, dimension)),
            Outcome::Deny,
            "{dimension}"
        );
        assert_eq!(
            outcome(&elsewhere(1, dimension)),
            Outcome::Deny,
            "{dimension}"
        );
    }
}

#[test]
fn a_verdict_names_what_a_limit_counts_as_usage_does() {
    for (dimension, here, there) in [
        ("vault", "vault main", "vault second"),
        ("wallet", "wallet hot", "wallet hot-2"),
        ("tier", "tier hot", "tier cold"),
        ("asset", "asset LTC", "asset ETH"),
        ("client", "client exchange", "operator alice"),
    ] {
        let policy = one_per(dimension);
        for (asked, key) in [(facts(1, "1 LTC"), here), (elsewhere(1, dimension), there)] {
            let mut book = LimitBook::default();
            let verdict = policy.evaluate(&asked, &book);
            let checks = verdict.reasons.iter().find_map(|reason| match reason {
                Reason::LimitWithin { check } => Some(check),
                _ => None,
            });
            assert_eq!(checks.unwrap().key, key);
            book.reserve(&policy, &asked);
            assert_eq!(book.usage(&policy, asked.at)[0].key, key);
        }
    }
}

#[test]
fn nothing_that_still_counts_is_forgotten_when_many_wallets_and_destinations_were_paid() {
    const MANY: u64 = 3_000;
    let limits = DIMENSIONS.map(|dimension| {
        let body = format!("per = \"{dimension}\"\nmax_count = 1000000\non_breach = \"deny\"");
        limit(dimension, &body)
    });
    let policy = policy(&format!("{ALLOW}{}", limits.concat()));
    let mut book = LimitBook::default();
    let mut admitted = facts(0, "1 LTC");
    for serial in 1..=MANY {
        admitted.withdrawal = id(serial);
        admitted.wallet = format!("wallet-{serial}").parse().unwrap();
        book.reserve(&policy, &admitted);
    }
    let used = |name: &str, book: &LimitBook, at| -> u64 {
        let usage = book.usage(&policy, at);
        let of_limit = usage.iter().filter(|usage| usage.limit.as_str() == name);
        of_limit
            .map(|usage| match usage.used {
                Measure::Count(count) => count,
                _ => 0,
            })
            .sum()
    };
    for dimension in DIMENSIONS {
        assert_eq!(used(dimension, &book, admitted.at), MANY, "{dimension}");
    }
    // An hour later each has left, and what comes then counts alone.
    admitted.at = admitted.at.checked_add_ms(HOUR_MS).unwrap();
    admitted.withdrawal = id(MANY + 1);
    book.reserve(&policy, &admitted);
    for dimension in DIMENSIONS {
        assert_eq!(used(dimension, &book, admitted.at), 1, "{dimension}");
    }
}
