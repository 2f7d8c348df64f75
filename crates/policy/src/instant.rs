//! Instants, in whole milliseconds. The clock is never read here: every instant is handed in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::duration::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::ids::Quoted;

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

/// A text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no instant; write it in UTC, for example \"2026-03-04T10:00:00Z\"")]
pub struct TimestampError(Quoted);

impl fmt::Display for Timestamp {
    /// As RFC 3339, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            ms / HOUR_MS,
            ms / MINUTE_MS % 60,
            ms / SECOND_MS % 60
        )?;
        if !ms.is_multiple_of(SECOND_MS) {
            write!(f, ".{:03}", ms % SECOND_MS)?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// RFC 3339 in UTC, to the second or to three decimals of it.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text)
            .map(Self)
            // Whatever is shown otherwise than it was written, such as the 31st of April, is no instant.
            .filter(|at| at.to_string() == text)
            .ok_or_else(|| TimestampError(Quoted::new(text)))
    }
}

fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, ms) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, fraction.parse().ok()?),
        None => (time, 0),
    };
    let [hour, minute, second] = numbers(clock, ':')?;
    if year > 9_999 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    days_from_civil(year, month, day)?
        .checked_mul(DAY_MS)?
        .checked_add(hour.checked_mul(HOUR_MS)?)?
        .checked_add(minute.checked_mul(MINUTE_MS)?)?
        .checked_add(second.checked_mul(SECOND_MS)?)?
        .checked_add(ms)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text
        .split(separator)
        .map(|part| part.parse().ok())
        .collect();
    parts?.try_into().ok()
}

/// Days from 0000-03-01 to 1970-01-01. Counting years from March makes the leap day the last of its year.
const EPOCH: u64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;

/// Year, month and day of the day that begins so many days after 1970-01-01 (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", civil_from_days). No u64 of milliseconds has enough days to overflow it.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(EPOCH);
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era = day_of_era
        .saturating_sub(day_of_era / 1_460)
        .saturating_add(day_of_era / 36_524)
        .saturating_sub(day_of_era / 146_096)
        / 365;
    let day_of_year = day_of_era.saturating_sub(days_before_year(year_of_era));
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = day_of_year
        .saturating_sub(days_before_month(month_from_march))
        .saturating_add(1);
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    match month_from_march {
        0..=9 => (year, month_from_march.saturating_add(3), day),
        _ => (
            year.saturating_add(1),
            month_from_march.saturating_sub(9),
            day,
        ),
    }
}

/// The inverse, for months from 1 to 12; `None` before 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month_from_march) = match month {
        0..=2 => (year.checked_sub(1)?, month.checked_add(9)?),
        _ => (year, month.checked_sub(3)?),
    };
    (year / 400)
        .checked_mul(ERA)?
        .checked_add(days_before_year(year % 400))?
        .checked_add(days_before_month(month_from_march))?
        .checked_add(day.checked_sub(1)?)?
        .checked_sub(EPOCH)
}

fn days_before_year(year_of_era: u64) -> u64 {
    let leap_days = (year_of_era / 4).saturating_sub(year_of_era / 100);
    year_of_era.saturating_mul(365).saturating_add(leap_days)
}

fn days_before_month(month_from_march: u64) -> u64 {
    month_from_march.saturating_mul(153).saturating_add(2) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(text.parse(), Ok(Timestamp::from_ms(ms)));
        }
        // No instant makes it fail.
        assert!(Timestamp::from_ms(u64::MAX).to_string().ends_with('Z'));
    }

    #[test]
    fn every_day_of_a_century_reads_back() {
        for day in 0..36_600 {
            let at = Timestamp::from_ms(day * DAY_MS + 1_001);
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026-03-04",
            "2026-03-04T10:00:00",
            "2026-03-04T10:00:00+01:00",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-00-01T10:00:00Z",
            "2026-04-00T10:00:00Z",
            "2026-03-04T24:00:00Z",
            "2026-03-04T10:00:60Z",
            "2026-3-4T10:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-03-04T10:00:00.5Z",
            "2026-03-04T10:00:00.000Z",
            "+2026-03-04T10:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_instant_is_a_json_number() {
        let at = Timestamp::from_ms(1_767_225_600_000);
        assert_eq!(serde_json::to_string(&at).unwrap(), "1767225600000");
        assert!(serde_json::from_str::<Timestamp>("-1").is_err());
        assert!(serde_json::from_str::<Timestamp>("1.5").is_err());
    }
}
