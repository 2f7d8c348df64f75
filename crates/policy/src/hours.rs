//! Hours of the week, at a fixed distance from UTC.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::duration::{DAY_MS, MINUTE_MS};
use crate::instant::Timestamp;

/// Minutes in a day.
pub(crate) const DAY_MINUTES: u32 = 24 * 60;

/// A day of the week, Monday first (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    pub(crate) const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The day of the week of the day that begins `days` days after 1970-01-01, a Thursday.
    fn of(days: i128) -> Self {
        match days.rem_euclid(7) {
            0 => Self::Thu,
            1 => Self::Fri,
            2 => Self::Sat,
            3 => Self::Sun,
            4 => Self::Mon,
            5 => Self::Tue,
            _ => Self::Wed,
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        })
    }
}

/// From one time of day up to, not including, another, on days of the week. When `to` is before `from` the hours
/// go past midnight, and the day is the one on which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hours {
    /// Minutes after midnight, below [`DAY_MINUTES`].
    pub(crate) from: u32,
    /// Minutes after midnight, at most [`DAY_MINUTES`]; not equal to `from`.
    pub(crate) to: u32,
    /// Never empty.
    pub(crate) days: BTreeSet<Day>,
    /// Local time less UTC, in minutes.
    pub(crate) utc_offset_minutes: i32,
}

impl Hours {
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        let (day, minute) = self.local(at);
        let in_hours = |start: u32, end: u32| (start..end).contains(&minute);
        if self.from < self.to {
            return in_hours(self.from, self.to) && self.days.contains(&Day::of(day));
        }
        let began_today = in_hours(self.from, DAY_MINUTES) && self.days.contains(&Day::of(day));
        let began_yesterday =
            in_hours(0, self.to) && self.days.contains(&Day::of(day.saturating_sub(1)));
        began_today || began_yesterday
    }

    /// Days since 1970-01-01 and minutes since midnight, local. In 128 bits no instant is out of range.
    fn local(&self, at: Timestamp) -> (i128, u32) {
        let offset_ms = i128::from(self.utc_offset_minutes).saturating_mul(i128::from(MINUTE_MS));
        let local_ms = i128::from(at.as_ms()).saturating_add(offset_ms);
        let minute = local_ms
            .rem_euclid(i128::from(DAY_MS))
            .div_euclid(i128::from(MINUTE_MS));
        (
            local_ms.div_euclid(i128::from(DAY_MS)),
            u32::try_from(minute).expect("a remainder of a day is below 1440 minutes"),
        )
    }

    /// The local time of `at` as the hours see it, such as `fri 17:05`.
    pub(crate) fn describe(&self, at: Timestamp) -> String {
        let (day, minute) = self.local(at);
        format!("{} {}", Day::of(day), Clock(minute))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}-{}", Clock(self.from), Clock(self.to))?;
        if self.days.len() < Day::ALL.len() {
            let names: Vec<_> = self.days.iter().map(Day::to_string).collect();
            write!(f, " on {}", names.join(","))?;
        }
        let sign = if self.utc_offset_minutes < 0 {
            '-'
        } else {
            '+'
        };
        let offset = self.utc_offset_minutes.unsigned_abs();
        if offset == 0 {
            f.write_str(" UTC")
        } else {
            write!(f, " UTC{sign}{}", Clock(offset))
        }
    }
}

struct Clock(u32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Reads `HH:MM`, from `00:00` to `24:00`, as minutes after midnight.
pub(crate) fn parse_clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::HOUR_MS;

    /// 2026-01-05 is a Monday.
    const MONDAY: u64 = 1_767_571_200_000;

    fn at(day: u64, hour: u64, minute: u64) -> Timestamp {
        Timestamp::from_ms(MONDAY + day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS)
    }

    fn hours(from: &str, to: &str, days: &[Day], utc_offset_minutes: i32) -> Hours {
        Hours {
            from: parse_clock(from).unwrap(),
            to: parse_clock(to).unwrap(),
            days: days.iter().copied().collect(),
            utc_offset_minutes,
        }
    }

    #[test]
    fn office_hours_begin_at_from_and_end_before_to() {
        let office = hours("09:00", "17:00", &[Day::Mon, Day::Fri], 0);
        assert!(office.contains(at(0, 9, 0)));
        assert!(office.contains(at(0, 16, 59)));
        assert!(!office.contains(at(0, 8, 59)));
        assert!(!office.contains(at(0, 17, 0)));
        assert!(!office.contains(at(1, 12, 0)));
        assert!(office.contains(at(4, 12, 0)));
        assert_eq!(office.to_string(), "in 09:00-17:00 on mon,fri UTC");
        assert_eq!(office.describe(at(4, 17, 5)), "fri 17:05");
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_begin_on() {
        let night = hours("22:00", "06:00", &[Day::Fri], 0);
        assert!(night.contains(at(4, 22, 0)));
        assert!(night.contains(at(5, 5, 59)));
        assert!(!night.contains(at(4, 5, 59)));
        assert!(!night.contains(at(5, 6, 0)));
        assert!(!night.contains(at(5, 22, 0)));
    }

    #[test]
    fn an_offset_moves_the_hours_and_the_day() {
        // Monday 23:30 UTC is Tuesday 05:15 in Kathmandu.
        let kathmandu = hours("05:00", "06:00", &[Day::Tue], 345);
        assert!(kathmandu.contains(at(0, 23, 30)));
        assert_eq!(kathmandu.to_string(), "in 05:00-06:00 on tue UTC+05:45");
        let new_york = hours("20:00", "24:00", &[Day::Sun], -300);
        assert!(new_york.contains(at(0, 1, 0)));
        // Before the epoch in local time, and at the end of time: still an answer.
        assert!(!new_york.contains(Timestamp::from_ms(0)));
        assert_eq!(new_york.describe(Timestamp::from_ms(0)), "wed 19:00");
        assert!(!new_york.describe(Timestamp::from_ms(u64::MAX)).is_empty());
    }

    #[test]
    fn a_time_of_day_is_two_digits_a_colon_and_two_digits() {
        assert_eq!(parse_clock("00:00"), Some(0));
        assert_eq!(parse_clock("24:00"), Some(1440));
        for text in [
            "", "9:00", "09:0", "09:60", "24:01", "25:00", "-1:00", "09:00:00", "0900", "+9:00",
        ] {
            assert_eq!(parse_clock(text), None, "{text}");
        }
    }
}
