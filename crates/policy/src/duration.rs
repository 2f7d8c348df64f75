//! Lengths of time, in whole milliseconds.

use std::fmt;

use crate::ids::Quoted;

/// Milliseconds in a second.
pub const SECOND_MS: u64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// The longest duration a policy may name: 366 days, so that a limit can span any calendar year.
pub const MAX_DURATION_MS: u64 = 366 * DAY_MS;

/// A duration that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a whole number and a unit.
    #[error(
        "duration {0} is not a whole number followed by s, m, h or d; write for example \"90s\", \"15m\", \"24h\" or \"7d\""
    )]
    Grammar(Quoted),
    /// Zero.
    #[error("duration {0} is zero; write at least \"1s\", or leave the key out")]
    Zero(Quoted),
    /// Above [`MAX_DURATION_MS`].
    #[error("duration {0} is longer than 366d; write at most \"366d\"")]
    TooLong(Quoted),
}

/// Reads a duration such as `90s`, `15m`, `24h` or `7d`, in milliseconds: above zero, at most 366 days.
pub fn parse_duration(text: &str) -> Result<u64, DurationError> {
    let grammar = || DurationError::Grammar(Quoted::new(text));
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(grammar)?;
    let (digits, unit) = text.split_at_checked(unit_at).ok_or_else(grammar)?;
    let unit_ms = match unit {
        "s" => SECOND_MS,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return Err(grammar()),
    };
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return Err(grammar());
    }
    let too_long = || DurationError::TooLong(Quoted::new(text));
    let count: u64 = digits.parse().map_err(|_| too_long())?;
    let ms = count.checked_mul(unit_ms).ok_or_else(too_long)?;
    match ms {
        0 => Err(DurationError::Zero(Quoted::new(text))),
        1..=MAX_DURATION_MS => Ok(ms),
        _ => Err(too_long()),
    }
}

/// A length in milliseconds, shown in the largest unit that divides it: `24h`, `7d`, `90s`, `1500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One day is what people call 24h; from two days on they count days.
        let units = [
            (DAY_MS, "d"),
            (HOUR_MS, "h"),
            (MINUTE_MS, "m"),
            (SECOND_MS, "s"),
        ];
        for (unit_ms, name) in units {
            let one_day = unit_ms == DAY_MS && self.0 == DAY_MS;
            if self.0 >= unit_ms && self.0.is_multiple_of(unit_ms) && !one_day {
                let count = self.0.checked_div(unit_ms).unwrap_or_default();
                return write!(f, "{count}{name}");
            }
        }
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("90s"), Ok(90_000));
        assert_eq!(parse_duration("15m"), Ok(900_000));
        assert_eq!(parse_duration("24h"), Ok(86_400_000));
        assert_eq!(parse_duration("7d"), Ok(604_800_000));
        assert_eq!(parse_duration("366d"), Ok(MAX_DURATION_MS));
    }

    #[test]
    fn other_durations_are_refused_with_an_example() {
        for text in [
            "", "h", "24", "24 h", "1.5h", "-1h", "+1h", "24H", "1h30m", "01h", "1w", "1h ", "٣h",
            "1ms",
        ] {
            let refusal = parse_duration(text).unwrap_err();
            assert!(matches!(refusal, DurationError::Grammar(_)), "{text}");
            assert!(refusal.to_string().contains("\"24h\""));
        }
        assert!(matches!(parse_duration("0h"), Err(DurationError::Zero(_))));
        for text in ["367d", "99999999999999999999d", "18446744073709551615s"] {
            assert!(matches!(
                parse_duration(text),
                Err(DurationError::TooLong(_))
            ));
        }
    }

    #[test]
    fn spans_are_shown_as_people_write_them() {
        for text in ["90s", "15m", "24h", "7d", "1h", "25h", "366d", "1s"] {
            assert_eq!(Span(parse_duration(text).unwrap()).to_string(), text);
        }
        assert_eq!(Span(1_500).to_string(), "1500ms");
        assert_eq!(Span(0).to_string(), "0ms");
    }
}
