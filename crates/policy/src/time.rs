//! Instants and lengths of time, in whole milliseconds. The clock is never read here: every instant is handed in.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. JSON number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant this many milliseconds after the Unix epoch.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.0 / SECOND_MS
    }

    /// The instant `ms` later, unless it does not exist.
    pub const fn checked_add_ms(self, ms: u64) -> Option<Self> {
        match self.0.checked_add(ms) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The instant `ms` earlier, unless it lies before the epoch.
    pub const fn checked_sub_ms(self, ms: u64) -> Option<Self> {
        match self.0.checked_sub(ms) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// Milliseconds from `earlier` to this instant; zero if `earlier` is later.
    pub const fn saturating_ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    /// As RFC 3339 in UTC, by days_from_civil's inverse (H. Hinnant, "chrono-compatible low-level date algorithms").
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 / DAY_MS;
        let ms = self.0 % DAY_MS;
        // Shift the epoch to 0000-03-01, so that the leap day is the last of its year. None of this can overflow:
        // a u64 of milliseconds is below 2^38 days.
        let shifted = days.saturating_add(719_468);
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = day_of_era
            .saturating_sub(day_of_era / 1_460)
            .saturating_add(day_of_era / 36_524)
            .saturating_sub(day_of_era / 146_096)
            / 365;
        let leap_days = (year_of_era / 4).saturating_sub(year_of_era / 100);
        let day_of_year =
            day_of_era.saturating_sub(year_of_era.saturating_mul(365).saturating_add(leap_days));
        let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
        let day = day_of_year
            .saturating_sub(month_from_march.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(1);
        let (month, carried) = if month_from_march < 10 {
            (month_from_march.saturating_add(3), 0)
        } else {
            (month_from_march.saturating_sub(9), 1)
        };
        let year = era
            .saturating_mul(400)
            .saturating_add(year_of_era)
            .saturating_add(carried);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            ms / HOUR_MS,
            ms / MINUTE_MS % 60,
            ms / SECOND_MS % 60
        )?;
        if ms % SECOND_MS != 0 {
            write!(f, ".{:03}", ms % SECOND_MS)?;
        }
        f.write_str("Z")
    }
}

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
            if self.0 >= unit_ms && self.0 % unit_ms == 0 && !one_day {
                return write!(f, "{}{name}", self.0 / unit_ms);
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

    #[test]
    fn instants_are_shown_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).to_string(), text);
        }
        // No instant makes it fail.
        assert!(Timestamp::from_ms(u64::MAX).to_string().ends_with('Z'));
    }

    #[test]
    fn an_instant_is_a_json_number() {
        let at = Timestamp::from_ms(1_767_225_600_000);
        assert_eq!(serde_json::to_string(&at).unwrap(), "1767225600000");
        assert!(serde_json::from_str::<Timestamp>("-1").is_err());
        assert!(serde_json::from_str::<Timestamp>("1.5").is_err());
    }
}
