//! Hours of the week, and holidays, on a local clock.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::duration::{DAY_MS, MINUTE_MS};
use crate::ids::CalendarId;
use crate::instant::Timestamp;
use crate::zone::Zone;

/// Minutes in a day.
pub(crate) const DAY_MINUTES: u32 = 24 * 60;

/// A day of the week, Monday first (ISO 8601), or a holiday, which is no day of the week.
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
    Holiday,
}

impl Day {
    /// The days of the week.
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
            Self::Holiday => "holiday",
        })
    }
}

/// Dates that are holidays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holidays {
    /// The calendar's name in the policy.
    pub(crate) calendar: CalendarId,
    /// Days since 1970-01-01; never empty.
    pub(crate) dates: Arc<BTreeSet<u64>>,
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
    /// Whose clock it is.
    pub(crate) zone: Zone,
    /// The dates that are not their weekday but holidays.
    pub(crate) holidays: Option<Holidays>,
}

impl Hours {
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        let (day, minute) = self.local(at);
        let in_hours = |start: u32, end: u32| (start..end).contains(&minute);
        if self.from < self.to {
            return in_hours(self.from, self.to) && self.days.contains(&self.kind(day));
        }
        let began_today = in_hours(self.from, DAY_MINUTES) && self.days.contains(&self.kind(day));
        let began_yesterday =
            in_hours(0, self.to) && self.days.contains(&self.kind(day.saturating_sub(1)));
        began_today || began_yesterday
    }

    /// A holiday, or the day of the week, of the day that begins so many days after 1970-01-01.
    fn kind(&self, day: i128) -> Day {
        let is_holiday = self.holidays.as_ref().is_some_and(|holidays| {
            u64::try_from(day).is_ok_and(|day| holidays.dates.contains(&day))
        });
        if is_holiday {
            Day::Holiday
        } else {
            Day::of(day)
        }
    }

    /// Days since 1970-01-01 and minutes since midnight, local.
    fn local(&self, at: Timestamp) -> (i128, u32) {
        let local_ms = self.zone.local_ms(at);
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
        format!("{} {}", self.kind(day), Clock(minute))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}-{}", Clock(self.from), Clock(self.to))?;
        if !Day::ALL.iter().all(|day| self.days.contains(day)) || self.holidays.is_some() {
            let names: Vec<_> = self.days.iter().map(Day::to_string).collect();
            write!(f, " on {}", names.join(","))?;
        }
        write!(f, " {}", self.zone)?;
        if let Some(holidays) = &self.holidays {
            write!(f, ", holidays of {}", holidays.calendar)?;
        }
        Ok(())
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
            zone: Zone::Fixed(utc_offset_minutes),
            holidays: None,
        }
    }

    fn zurich(from: &str, to: &str, days: &[Day]) -> Hours {
        Hours {
            zone: Zone::named("Europe/Zurich").unwrap(),
            ..hours(from, to, days, 0)
        }
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_that_is_skipped_never_comes_and_one_that_is_repeated_lasts_twice() {
        let night = zurich("02:00", "03:00", &Day::ALL);
        let minutes = |from: &str| {
            let from = instant(from);
            let all = (0..24 * 60).map(|m| from.checked_add_ms(m * MINUTE_MS).unwrap());
            all.filter(|at| night.contains(*at)).count()
        };
        assert_eq!(minutes("2026-03-28T23:00:00Z"), 0);
        assert_eq!(minutes("2026-10-24T22:00:00Z"), 120);
        assert_eq!(minutes("2026-06-01T22:00:00Z"), 60);
        // Around a change the hours keep to the clock on the wall.
        let office = zurich("09:00", "17:00", &[Day::Sun]);
        assert!(office.contains(instant("2026-03-29T07:00:00Z")));
        assert!(!office.contains(instant("2026-03-29T06:59:59Z")));
        assert!(office.contains(instant("2026-10-25T15:59:59Z")));
        assert_eq!(office.to_string(), "in 09:00-17:00 on sun Europe/Zurich");
    }

    #[test]
    fn a_holiday_is_not_its_weekday() {
        // 2026-12-25 is a Friday.
        let dates: BTreeSet<u64> = [instant("2026-12-25T00:00:00Z").as_ms() / DAY_MS].into();
        let with = |days: &[Day], from: &str, to: &str| Hours {
            holidays: Some(Holidays {
                calendar: "target".parse().unwrap(),
                dates: Arc::new(dates.clone()),
            }),
            ..zurich(from, to, days)
        };
        let office = with(&[Day::Thu, Day::Fri], "09:00", "17:00");
        assert!(office.contains(instant("2026-12-24T10:00:00Z")));
        assert!(!office.contains(instant("2026-12-25T10:00:00Z")));
        assert!(office.contains(instant("2027-01-01T10:00:00Z")));
        assert_eq!(
            office.describe(instant("2026-12-25T10:00:00Z")),
            "holiday 11:00"
        );
        assert_eq!(
            office.to_string(),
            "in 09:00-17:00 on thu,fri Europe/Zurich, holidays of target"
        );
        let off = with(&[Day::Holiday], "09:00", "17:00");
        assert!(off.contains(instant("2026-12-25T10:00:00Z")));
        assert!(!off.contains(instant("2026-12-26T10:00:00Z")));
        // It begins at midnight on the local clock, and hours past midnight belong to the day they begin on.
        let late = with(&[Day::Holiday], "22:00", "02:00");
        assert!(!late.contains(instant("2026-12-24T22:30:00Z")));
        assert!(late.contains(instant("2026-12-25T21:00:00Z")));
        assert!(late.contains(instant("2026-12-26T00:59:00Z")));
        assert!(!late.contains(instant("2026-12-26T01:00:00Z")));
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
