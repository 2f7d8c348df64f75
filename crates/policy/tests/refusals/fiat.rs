//! Values that have no currency, or another one; ranges of them that hold nothing.

use custodyd_policy::{Policy, PolicyFault};

use crate::common::{ALLOW, HEAD};
use crate::{limit, refusal, refused, rule};

const FIAT: &str = "[fiat]\ncurrency = \"USD\"\n";

fn with(fiat: &str, rest: &str) -> PolicyFault {
    let error = refusal(&format!("{HEAD}{fiat}{ALLOW}{rest}"));
    assert!(
        error.line.is_some_and(|line| line > HEAD.lines().count()),
        "{error}"
    );
    *error.fault
}

fn ranged(range: &str) -> PolicyFault {
    with(
        FIAT,
        &format!("[[rules]]\nid = \"r\"\neffect = \"deny\"\nwhen = {{ fiat = {{ {range} }} }}\n"),
    )
}

fn maximum(max: &str) -> String {
    format!("per = \"vault\"\nwindow = \"1h\"\non_breach = \"deny\"\n{max}\n")
}

#[test]
fn a_value_without_a_currency_of_the_policy() {
    refused!(
        rule("effect = \"deny\"\nwhen = { fiat = { above = \"1 USD\" } }"),
        PolicyFault::NoFiatTerms { key: "above", .. },
        "[fiat] with currency = \"USD\""
    );
    refused!(
        limit(&maximum("max_fiat = \"1 USD\"")),
        PolicyFault::NoFiatTerms {
            key: "max_fiat",
            ..
        },
        "no currency"
    );
    refused!(
        ranged("above = \"1 EUR\""),
        PolicyFault::OtherCurrency { .. },
        "write it in USD"
    );
    refused!(
        ranged("above = \"1\""),
        PolicyFault::AmountWithoutUnit { .. },
        "\"1 USD\""
    );
    for text in ["1 usd", "1.234 USD", "-1 USD", "1e3 USD", "", "USD 1"] {
        refused!(
            ranged(&format!("above = \"{text}\"")),
            PolicyFault::Fiat { .. },
            "rule \"r\": `above`"
        );
    }
    refused!(
        ranged("above = 1"),
        PolicyFault::Syntax { .. },
        "with their unit"
    );
}

#[test]
fn a_range_that_holds_no_value() {
    refused!(
        ranged(""),
        PolicyFault::NoBound { field: "fiat", .. },
        "`fiat` has no bound"
    );
    refused!(
        ranged("at_most = \"0 USD\""),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        ranged("above = \"2 USD\", at_most = \"1.99 USD\""),
        PolicyFault::EmptyRange { .. },
        "above 2 USD and at most 1.99 USD"
    );
    let fee = |range: &str| {
        rule(&format!(
            "effect = \"deny\"\nwhen = {{ fee = {{ {range} }} }}"
        ))
    };
    refused!(
        fee(""),
        PolicyFault::NoBound { field: "fee", .. },
        "`fee` has no bound"
    );
    refused!(
        fee("above = \"1 LTC\", at_most = \"2 BTC\""),
        PolicyFault::MixedBounds { .. },
        "in one asset"
    );
}

#[test]
fn a_currency_that_is_none_or_has_two_meanings() {
    for text in ["usd", "US", "USDT", "", "U$D"] {
        let fault = with(&format!("[fiat]\ncurrency = \"{text}\"\n"), "");
        refused!(
            fault,
            PolicyFault::Fiat {
                key: "currency",
                ..
            },
            "three capital letters"
        );
    }
    refused!(
        with("[fiat]\ncurrency = \"BTC\"\n", ""),
        PolicyFault::CurrencyIsAsset { .. },
        "name another currency"
    );
    refused!(
        with("[fiat]\n", ""),
        PolicyFault::Syntax { .. },
        "missing field `currency`"
    );
    refused!(
        with(&format!("{FIAT}price_max_age = \"0s\"\n"), ""),
        PolicyFault::Duration {
            key: "price_max_age",
            ..
        },
        "fiat: `price_max_age`"
    );
    let policy = Policy::parse(&format!("{HEAD}{FIAT}{ALLOW}")).unwrap();
    assert_eq!(policy.fiat().unwrap().price_max_age_ms, 15 * 60_000);
}

#[test]
fn a_limit_in_fiat_and_in_something_else() {
    let both = |max: &str| with(FIAT, &format!("[[limits]]\nid = \"l\"\n{}", maximum(max)));
    refused!(
        both("max_fiat = \"1 USD\"\nmax_count = 1"),
        PolicyFault::OneMaximum { .. },
        "a limit each"
    );
    refused!(
        both("max_fiat = \"1 USD\"\nmax_amount = \"1 LTC\""),
        PolicyFault::OneMaximum { .. },
        "`max_fiat`"
    );
    refused!(
        both("max_fiat = \"0 USD\""),
        PolicyFault::ZeroMaximum { .. },
        "deny rule"
    );
    refused!(
        both("max_fiat = \"1 LTC\""),
        PolicyFault::OtherCurrency { .. },
        "in USD"
    );
}
