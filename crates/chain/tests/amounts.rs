//! Amounts: what parses, what does not, and that nothing is lost on the way to text and back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use custodyd_chain::{Amount, AmountError, Asset, U256};
use proptest::prelude::*;

fn ltc(text: &str) -> Amount {
    Amount::parse(Asset::Ltc, text).unwrap()
}

#[test]
fn decimal_strings_that_parse_are_written_back_shortest() {
    for (asset, text, units, shortest) in [
        (Asset::Ltc, "0", "0", "0"),
        (Asset::Ltc, "0.5", "50000000", "0.5"),
        (Asset::Ltc, "1.50000000", "150000000", "1.5"),
        (Asset::Ltc, "10", "1000000000", "10"),
        (Asset::Ltc, "0.00000001", "1", "0.00000001"),
        (Asset::Ltc, "84000000", "8400000000000000", "84000000"),
        (Asset::Btc, "21000000", "2100000000000000", "21000000"),
        (Asset::Eth, "1", "1000000000000000000", "1"),
        (
            Asset::Eth,
            "0.000000000000000001",
            "1",
            "0.000000000000000001",
        ),
        (
            Asset::Eth,
            "170141183460469231731.687303715884105727",
            "170141183460469231731687303715884105727",
            "170141183460469231731.687303715884105727",
        ),
    ] {
        let amount = Amount::parse(asset, text).unwrap();
        assert_eq!(amount.units().to_string(), units, "{text}");
        assert_eq!(amount.to_decimal(), shortest, "{text}");
        assert_eq!(amount.to_string(), format!("{shortest} {asset}"));
    }
}

#[test]
fn strings_that_are_no_plain_decimal_are_malformed() {
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "+1",
        "-1",
        "-0",
        "1e18",
        "1E8",
        "0x10",
        "1,5",
        "1.000,5",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "1\0",
        "\0",
        "NaN",
        "inf",
        "1.2.3",
        "１",
        "٣",
        "1\u{202e}",
        "½",
        "1.٣",
    ] {
        assert_eq!(
            Amount::parse(Asset::Ltc, text),
            Err(AmountError::Malformed(quoted(text))),
            "{text:?}"
        );
    }
    assert!(matches!(
        Amount::parse(Asset::Ltc, &"1".repeat(10_000)),
        Err(AmountError::Malformed(shown)) if shown.chars().count() == 101
    ));
}

/// Errors show printable ASCII as it is and everything else escaped.
fn quoted(text: &str) -> String {
    let shown = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c.to_string()
        } else {
            c.escape_unicode().to_string()
        }
    };
    text.chars().map(shown).collect()
}

#[test]
fn leading_zeros_extra_decimals_and_impossible_amounts_each_have_their_error() {
    for text in ["00.5", "01", "00", "007"] {
        assert_eq!(
            Amount::parse(Asset::Ltc, text),
            Err(AmountError::LeadingZero(text.to_owned()))
        );
    }
    assert!(matches!(
        Amount::parse(Asset::Ltc, "0.000000001"),
        Err(AmountError::TooManyDecimals { decimals: 8, .. })
    ));
    assert!(matches!(
        Amount::parse(Asset::Eth, "0.0000000000000000001"),
        Err(AmountError::TooManyDecimals { decimals: 18, .. })
    ));
    let two_to_64 = "18446744073709551616";
    let two_to_256 =
        "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    for (asset, text) in [
        (Asset::Ltc, "84000000.00000001"),
        (Asset::Btc, "21000000.00000001"),
        (Asset::Ltc, two_to_64),
        (Asset::Ltc, two_to_256),
        (Asset::Eth, two_to_256),
        (Asset::Eth, "170141183460469231731.687303715884105728"),
    ] {
        assert_eq!(
            Amount::parse(asset, text),
            Err(AmountError::AboveCap {
                input: text.to_owned(),
                asset
            })
        );
    }
}

#[test]
fn sums_and_differences_never_wrap_and_never_mix_assets() {
    let cap = Amount::from_units(Asset::Ltc, Asset::Ltc.cap()).unwrap();
    let one = ltc("0.00000001");
    assert_eq!(
        cap.checked_add(&one),
        Err(AmountError::Overflow {
            left: cap,
            right: one
        })
    );
    let zero = Amount::zero(Asset::Ltc);
    assert_eq!(
        zero.checked_sub(&one),
        Err(AmountError::Underflow {
            left: zero,
            right: one
        })
    );
    assert!(zero.is_zero() && !one.is_zero());
    let btc = Amount::parse(Asset::Btc, "1").unwrap();
    let mismatch = AmountError::AssetMismatch {
        left: one,
        right: btc,
    };
    assert_eq!(one.checked_add(&btc), Err(mismatch.clone()));
    assert_eq!(one.checked_sub(&btc), Err(mismatch.clone()));
    assert_eq!(one.cmp_same(&btc), Err(mismatch));
    assert!(ltc("2").cmp_same(&ltc("10")).unwrap().is_lt());
}

#[test]
fn json_is_the_text_form_and_nothing_else() {
    assert_eq!(serde_json::to_string(&ltc("1.5")).unwrap(), "\"1.5 LTC\"");
    assert_eq!(
        serde_json::from_str::<Amount>("\"1.5 LTC\"").unwrap(),
        ltc("1.5")
    );
    for json in [
        "1.5",
        "150000000",
        "\"1.5\"",
        "\"1.5  LTC\"",
        "\"1.5 ltc\"",
        "\"1.5 DOGE\"",
        "\"LTC\"",
        "null",
    ] {
        assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
    }
}

fn any_amount() -> impl Strategy<Value = Amount> {
    let asset = prop_oneof![Just(Asset::Btc), Just(Asset::Ltc), Just(Asset::Eth)];
    (asset, any::<u128>(), 0_u32..128).prop_map(|(asset, bits, shift)| {
        let units = U256::from(bits >> shift) % (asset.cap() + U256::from(1_u8));
        Amount::from_units(asset, units).unwrap()
    })
}

proptest! {
    #[test]
    fn an_amount_is_the_same_after_text_and_json(amount in any_amount()) {
        prop_assert_eq!(amount.to_string().parse::<Amount>().unwrap(), amount);
        prop_assert_eq!(Amount::parse(amount.asset(), &amount.to_decimal()).unwrap(), amount);
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
    }

    #[test]
    fn a_sum_less_one_part_is_the_other(left in any_amount(), right in any_amount()) {
        if let Ok(sum) = left.checked_add(&right) {
            prop_assert_eq!(sum.checked_sub(&right).unwrap(), left);
            prop_assert!(sum.cmp_same(&left).unwrap().is_ge());
        }
    }

    #[test]
    fn no_text_makes_parsing_panic_or_accepts_what_it_would_not_write(text in "\\PC{0,40}|[0-9.]{0,30}") {
        if let Ok(amount) = Amount::parse(Asset::Eth, &text) {
            let written = amount.to_decimal();
            prop_assert!(text == written || text.trim_end_matches('0').trim_end_matches('.') == written.trim_end_matches('0').trim_end_matches('.'));
        }
    }
}
