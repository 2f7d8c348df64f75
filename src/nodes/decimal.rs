//! Core's amounts: JSON numbers in whole coins, read exactly. `0.1` has no binary float, so none is ever made.

/// Digits after the point of a coin of the Bitcoin family.
const DECIMALS: i32 = 8;
/// Longest number that is looked at.
const MAX_TEXT: usize = 40;

/// Satoshis (litoshis) in a JSON number of coins: `1.5`, `50.00000000`, `1e-8` (RFC 8259, section 6).
///
/// `None` if it is not such a number, is negative, is finer than a satoshi, or leaves 64 bits.
pub(super) fn satoshis(number: &str) -> Option<u64> {
    if number.len() > MAX_TEXT {
        return None;
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (number, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || (whole.len() > 1 && whole.starts_with('0'))
        || !all_digits(whole)
        || !all_digits(fraction)
    {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse::<u128>().ok()?;
    let shift = DECIMALS
        .checked_add(exponent)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scale = 10_u128.checked_pow(shift.unsigned_abs());
    let satoshis = match (digits, scale) {
        (0, _) => 0,
        (_, None) => return None,
        (_, Some(scale)) if shift >= 0 => digits.checked_mul(scale)?,
        (_, Some(scale)) if digits.checked_rem(scale)? == 0 => digits.checked_div(scale)?,
        _ => return None,
    };
    u64::try_from(satoshis).ok()
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude: i32 = digits.parse().ok()?;
    Some(if text.starts_with('-') {
        magnitude.checked_neg()?
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_where_a_float_is_not() {
        for (text, units) in [
            ("0", 0),
            ("0.00000000", 0),
            ("0.1", 10_000_000),
            ("0.3", 30_000_000),
            ("50.00000000", 5_000_000_000),
            ("20999999.99999999", 2_099_999_999_999_999),
            ("83999999.99999999", 8_399_999_999_999_999),
            ("90071992.54740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(satoshis(text), Some(units), "{text}");
        }
        assert_eq!(
            satoshis("0.1").unwrap() + satoshis("0.2").unwrap(),
            satoshis("0.3").unwrap()
        );
    }

    #[test]
    fn exponents_are_numbers_too() {
        for (text, units) in [
            ("1e-8", 1),
            ("1e-08", 1),
            ("1E-8", 1),
            ("1.2e-7", 12),
            ("1.5e1", 1_500_000_000),
            ("1e+0", 100_000_000),
            ("0e999", 0),
        ] {
            assert_eq!(satoshis(text), Some(units), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for text in [
            "",
            "-1",
            "-0.1",
            "+1",
            "1.",
            ".1",
            "01",
            "1e",
            "1e-9",
            "0.000000001",
            "1e-99",
            "1e99",
            "1e9999",
            "184467440738",
            "NaN",
            "null",
            "\"1\"",
            "1 ",
            "1,5",
            "0x1",
            "1e1.5",
        ] {
            assert_eq!(satoshis(text), None, "{text}");
        }
    }
}
