//! How facts, instants and money are written: the one text form in policies, JSON and sentences.
#![allow(clippy::unwrap_used, clippy::panic)]

use custodyd_policy::{
    Call, ChangeKind, ClientId, Currency, DestinationClass, Effect, Fiat, Flag, Initiator, Tier,
    Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The text is what is shown, what JSON holds, and what is read back.
fn written<T>(all: &[T], texts: &[&str], as_str: impl Fn(T) -> &'static str)
where
    T: Copy + PartialEq + std::fmt::Debug + std::fmt::Display + Serialize + DeserializeOwned,
{
    assert_eq!(all.len(), texts.len());
    for (one, text) in all.iter().zip(texts) {
        assert_eq!(as_str(*one), *text);
        assert_eq!(one.to_string(), *text);
        // In columns as well.
        assert_eq!(format!("{one:>20}"), format!("{text:>20}"));
        let json = serde_json::Value::from(*text);
        assert_eq!(serde_json::to_value(one).unwrap(), json);
        assert_eq!(serde_json::from_value::<T>(json).unwrap(), *one);
    }
}

#[test]
fn tiers_classes_flags_calls_and_kinds_of_change_have_one_text_form() {
    let tiers = [Tier::Hot, Tier::Warm, Tier::Cold];
    written(&tiers, &["hot", "warm", "cold"], Tier::as_str);
    written(
        &[
            DestinationClass::Known,
            DestinationClass::New,
            DestinationClass::Own,
            DestinationClass::Blocked,
        ],
        &["known", "new", "own", "blocked"],
        DestinationClass::as_str,
    );
    written(
        &Flag::ALL,
        &[
            "first-seen",
            "look-alike",
            "cooling-off",
            "probe-then-drain",
        ],
        Flag::as_str,
    );
    written(
        &Call::ALL,
        &[
            "native",
            "erc20-transfer",
            "erc20-approve",
            "erc20-transfer-from",
            "unknown",
        ],
        Call::as_str,
    );
    written(
        &ChangeKind::ALL,
        &[
            "rules",
            "limits",
            "groups",
            "governance",
            "operators",
            "clients",
            "address-book",
            "block-list",
            "wallets",
        ],
        ChangeKind::as_str,
    );
}

#[test]
fn effects_have_one_text_form() {
    for (effect, text) in [
        (Effect::Allow, "allow"),
        (Effect::Deny, "deny"),
        (Effect::Require, "require"),
    ] {
        assert_eq!(effect.to_string(), text);
        assert_eq!(serde_json::to_value(effect).unwrap(), text);
    }
}

#[test]
fn an_initiator_says_whether_it_is_a_client_or_an_operator() {
    let shop: Initiator = "client/shop".parse().unwrap();
    assert_eq!(shop.client().unwrap().as_str(), "shop");
    assert_eq!(shop.operator(), None);
    assert_eq!(shop, Initiator::from("shop".parse::<ClientId>().unwrap()));
    let alice: Initiator = "operator/alice".parse().unwrap();
    assert_eq!(alice.operator().unwrap().as_str(), "alice");
    assert_eq!(alice.client(), None);
    for (initiator, text) in [(shop, "client/shop"), (alice, "operator/alice")] {
        assert_eq!(initiator.to_string(), text);
        assert_eq!(serde_json::to_value(&initiator).unwrap(), text);
        let read: Initiator = serde_json::from_value(text.into()).unwrap();
        assert_eq!(read, initiator);
    }
    for text in [
        "",
        "shop",
        "client/",
        "client/Shop",
        "person/alice",
        "operator/a/b",
    ] {
        let refusal = text.parse::<Initiator>().unwrap_err().to_string();
        assert!(
            refusal.contains("neither \"client/\" nor \"operator/\""),
            "{refusal}"
        );
        assert!(serde_json::from_value::<Initiator>(text.into()).is_err());
    }
}

#[test]
fn an_instant_is_counted_in_whole_seconds_rounded_down() {
    for (ms, seconds) in [(0, 0), (999, 0), (1_000, 1), (61_999, 61)] {
        assert_eq!(Timestamp::from_ms(ms).as_seconds(), seconds);
    }
}

#[test]
fn a_currency_is_three_capital_letters_wherever_it_is_shown() {
    let usd: Currency = "USD".parse().unwrap();
    assert_eq!(usd.to_string(), "USD");
    assert_eq!(format!("{usd:?}"), "Currency(USD)");
    assert_eq!(serde_json::to_value(usd).unwrap(), "USD");
    for text in ["", "US", "USDT", "usd", "U1D", "ÜS"] {
        assert!(text.parse::<Currency>().is_err(), "{text}");
    }
}

#[test]
fn an_amount_of_a_currency_is_read_up_to_thirty_characters() {
    let longest = format!("{}.25", "9".repeat(27));
    let fiat: Fiat = format!("{longest} USD").parse().unwrap();
    assert_eq!(fiat.cents, 10_u128.pow(29) - 75);
    assert_eq!(fiat.to_string(), format!("{longest} USD"));
    assert!(format!("9{longest} USD").parse::<Fiat>().is_err());
    for (text, cents) in [
        ("0 USD", 0),
        ("0.5 USD", 50),
        ("0.05 USD", 5),
        ("10 USD", 1_000),
    ] {
        assert_eq!(text.parse::<Fiat>().unwrap().cents, cents, "{text}");
    }
    for text in [
        "00 USD", "0a USD", "1.a USD", "1..5 USD", " 1 USD", ".5 USD",
    ] {
        assert!(text.parse::<Fiat>().is_err(), "{text}");
    }
}

#[test]
fn an_instant_is_written_up_to_the_year_9999() {
    for text in [
        "1970-01-01T00:00:00Z",
        "2024-02-29T23:59:59.250Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
    }
    for text in [
        "10000-01-01T00:00:00Z",
        "2026-03-04T24:00:00Z",
        "2026-03-04T10:60:00Z",
        "2026-03-04T10:00:60Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn time_that_passed_is_never_negative() {
    let (early, late) = (Timestamp::from_ms(1_500), Timestamp::from_ms(4_000));
    assert_eq!(late.saturating_ms_since(early), 2_500);
    assert_eq!(early.saturating_ms_since(late), 0);
    assert_eq!(late.saturating_ms_since(late), 0);
}
