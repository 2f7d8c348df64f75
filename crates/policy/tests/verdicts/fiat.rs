//! Conditions and limits on what an amount is worth and costs, and cold to hot.

use custodyd_policy::{Facts, Fault, LimitBook, MINUTE_MS, Outcome, Policy, Prices, Reason, Tier};

use crate::common::{ALLOW, facts, policy};
use crate::limit;

const FIAT: &str = "[fiat]\ncurrency = \"USD\"\n";

fn worth(serial: u64, amount: &str, value: &str) -> Facts {
    let mut facts = facts(serial, amount);
    facts.fiat = (!value.is_empty()).then(|| value.parse().unwrap());
    facts
}

fn judge(policy: &Policy, facts: &Facts) -> Outcome {
    policy.evaluate(facts, &LimitBook::default()).outcome
}

fn faults(policy: &Policy, book: &LimitBook, facts: &Facts) -> Vec<Fault> {
    let verdict = policy.evaluate(facts, book);
    let faults = verdict
        .reasons
        .into_iter()
        .filter_map(|reason| match reason {
            Reason::EvaluationFailed { fault } => Some(fault),
            _ => None,
        });
    faults.collect()
}

#[test]
fn a_value_is_above_and_at_most_to_the_hundredth() {
    let policy = policy(&format!(
        "{FIAT}[[rules]]\nid = \"a\"\neffect = \"allow\"\nwhen = {{ fiat = {{ above = \"10 USD\", at_most = \"1000 USD\" }} }}\n"
    ));
    for (value, allowed) in [
        ("10 USD", false),
        ("10.01 USD", true),
        ("1000 USD", true),
        ("1000.01 USD", false),
    ] {
        let outcome = judge(&policy, &worth(1, "1 LTC", value));
        assert_eq!(matches!(outcome, Outcome::Allow { .. }), allowed, "{value}");
    }
    let verdict = policy.evaluate(&worth(1, "1 LTC", "20.5 USD"), &LimitBook::default());
    assert_eq!(
        verdict.reasons[0].to_string(),
        "rule \"a\" allows it: fiat 20.50 USD is above 10 USD and at most 1000 USD"
    );
}

#[test]
fn a_rule_that_a_missing_price_decides_denies_and_one_that_fails_anyway_does_not() {
    let rule = "[[rules]]\nid = \"big\"\neffect = \"require\"\nhold = \"1h\"\nwhen = { tier = [\"hot\"], fiat = { above = \"10 USD\" } }\n";
    let policy = policy(&format!("{FIAT}{}{rule}", crate::common::ALLOW));
    let unpriced = |fault: &[Fault]| matches!(fault, [Fault::RuleWithoutPrice { rule, .. }] if rule.as_str() == "big");
    for value in ["", "5 EUR"] {
        let facts = worth(1, "1 LTC", value);
        assert_eq!(judge(&policy, &facts), Outcome::Deny);
        let found = faults(&policy, &LimitBook::default(), &facts);
        assert!(unpriced(&found), "{found:?}");
        assert!(found[0].to_string().contains("no fresh price of it"));
    }
    // Its other condition does not hold, so no price is asked for.
    let mut warm = worth(1, "1 LTC", "");
    warm.tier = Tier::Warm;
    assert!(matches!(judge(&policy, &warm), Outcome::Allow { .. }));
}

#[test]
fn a_limit_in_fiat_adds_all_assets_up() {
    let daily = "per = \"vault\"\nmax_fiat = \"1000 USD\"\non_breach = \"deny\"";
    let policy = policy(&format!(
        "{FIAT}{}{}",
        crate::common::ALLOW,
        limit("usd", daily)
    ));
    let mut book = LimitBook::default();
    book.reserve(&policy, worth(1, "1 LTC", "400.50 USD"));
    book.reserve(&policy, worth(2, "1 ETH", "500 USD"));
    let verdict = policy.evaluate(&worth(3, "1 BTC", "99.51 USD"), &book);
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(
        verdict.reasons[0].to_string(),
        "limit \"usd\" on vault main: used 900.50 USD + 99.51 USD of at most 1000 USD in 1h, which is above it; it would fit at 2026-03-04T11:00:00Z"
    );
    let within = policy.evaluate(&worth(3, "1 BTC", "99.50 USD"), &book);
    assert!(matches!(within.outcome, Outcome::Allow { .. }));
    // The measure reads back as what it is.
    let json = serde_json::to_string(&within).unwrap();
    assert!(json.contains("\"max\":\"1000 USD\""), "{json}");
    assert_eq!(
        serde_json::from_str::<custodyd_policy::Verdict>(&json).unwrap(),
        within
    );
    let found = faults(&policy, &book, &worth(3, "1 BTC", ""));
    assert!(
        matches!(found[..], [Fault::LimitWithoutPrice { .. }]),
        "{found:?}"
    );
}

#[test]
fn an_admission_of_unknown_value_fills_the_limit() {
    let daily = "per = \"vault\"\nmax_fiat = \"1000 USD\"\non_breach = \"deny\"";
    let policy = policy(&format!(
        "{FIAT}{}{}",
        crate::common::ALLOW,
        limit("usd", daily)
    ));
    let mut book = LimitBook::default();
    book.reserve(&policy, worth(1, "1 LTC", ""));
    assert_eq!(
        policy
            .evaluate(&worth(2, "1 LTC", "0.01 USD"), &book)
            .outcome,
        Outcome::Deny
    );
    book.release(&worth(1, "1 LTC", "").withdrawal);
    assert!(matches!(
        policy
            .evaluate(&worth(2, "1 LTC", "0.01 USD"), &book)
            .outcome,
        Outcome::Allow { .. }
    ));
}

#[test]
fn a_fee_is_looked_at_by_itself() {
    let rule =
        "[[rules]]\nid = \"dear\"\neffect = \"deny\"\nwhen = { fee = { above = \"0.01 LTC\" } }\n";
    let policy = policy(&format!("{}{rule}", crate::common::ALLOW));
    for (fee, denied) in [("0.01 LTC", false), ("0.01000001 LTC", true)] {
        let mut facts = facts(1, "5 LTC");
        facts.fee = fee.parse().unwrap();
        assert_eq!(judge(&policy, &facts) == Outcome::Deny, denied, "{fee}");
    }
    // A fee in another asset is none above it.
    let mut ether = facts(1, "5 ETH");
    ether.fee = "1 ETH".parse().unwrap();
    assert!(matches!(judge(&policy, &ether), Outcome::Allow { .. }));
}

#[test]
fn nothing_goes_from_cold_to_hot_directly() {
    let policy = policy(crate::common::ALLOW);
    for (from, to, denied) in [
        (Tier::Cold, Some(Tier::Hot), true),
        (Tier::Cold, Some(Tier::Warm), false),
        (Tier::Cold, Some(Tier::Cold), false),
        (Tier::Cold, None, false),
        (Tier::Warm, Some(Tier::Hot), false),
        (Tier::Hot, Some(Tier::Hot), false),
    ] {
        let mut facts = facts(1, "1 LTC");
        (facts.tier, facts.destination_tier) = (from, to);
        let found = faults(&policy, &LimitBook::default(), &facts);
        assert_eq!(found == [Fault::ColdToHot], denied, "{from} to {to:?}");
        assert_eq!(
            judge(&policy, &facts) == Outcome::Deny,
            denied,
            "{from} to {to:?}"
        );
    }
}

#[test]
fn the_policy_says_in_what_money_and_how_fresh_a_price_must_be() {
    let policy = policy(&format!(
        "[fiat]\ncurrency = \"USD\"\nprice_max_age = \"10m\"\n{ALLOW}"
    ));
    let terms = policy.fiat().unwrap();
    let mut prices = Prices::default();
    let since = facts(1, "1 LTC").at;
    let price = "80".parse().unwrap();
    let amount: custodyd_chain::Amount = "2.5 LTC".parse().unwrap();
    prices.set(custodyd_chain::Asset::Ltc, price, terms.currency, since);
    let value = |after_ms| {
        let now = since.checked_add_ms(after_ms).unwrap();
        let value = terms.value_of(&prices, &amount, now);
        value.map(|value| value.to_string())
    };
    assert_eq!(value(0).as_deref(), Some("200 USD"));
    assert_eq!(value(10 * MINUTE_MS).as_deref(), Some("200 USD"));
    assert_eq!(value(10 * MINUTE_MS + 1), None);
}
