//! Hours that are not empty, on a clock that exists, with holidays that are written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::Spanned;

use crate::duration::DAY_MS;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::hours::{DAY_MINUTES, Day, Holidays, Hours, parse_clock};
use crate::ids::{CalendarId, Quoted};
use crate::instant::Timestamp;
use crate::parse::{Parser, refused, syntax};
use crate::zone::Zone;

/// The dates of each calendar, as days since 1970-01-01.
pub(super) type Calendars = BTreeMap<CalendarId, Arc<BTreeSet<u64>>>;

/// Calendars with dates in them, each once.
pub(super) fn calendars(
    source: &str,
    written: BTreeMap<CalendarId, Spanned<Vec<Spanned<String>>>>,
) -> Result<Calendars, PolicyError> {
    let mut calendars = Calendars::new();
    for (calendar, dates) in written {
        if dates.get_ref().is_empty() {
            return Err(refused(
                source,
                &dates,
                PolicyFault::EmptyCalendar { calendar },
            ));
        }
        let mut days = BTreeSet::new();
        for date in dates.get_ref() {
            let text = date.get_ref();
            let midnight = format!("{text}T00:00:00Z").parse::<Timestamp>();
            let day = midnight.ok().and_then(|at| at.as_ms().checked_div(DAY_MS));
            let found = Quoted::new(text);
            let fault = match day {
                Some(day) if days.insert(day) => continue,
                Some(_) => PolicyFault::DateTwice { calendar, found },
                None => PolicyFault::Date { calendar, found },
            };
            return Err(refused(source, date, fault));
        }
        calendars.insert(calendar, Arc::new(days));
    }
    Ok(calendars)
}

impl Parser<'_> {
    pub(super) fn hours(
        &self,
        place: &Place,
        hours: &Spanned<syntax::Hours>,
    ) -> Result<Hours, PolicyError> {
        let written = hours.get_ref();
        let from = self.clock(place, "from", &written.from)?;
        let to = self.clock(place, "to", &written.to)?;
        if from == DAY_MINUTES {
            let (place, found) = (place.clone(), Quoted::new(written.from.get_ref()));
            let fault = PolicyFault::Clock {
                place,
                key: "from",
                found,
            };
            return Err(self.refused(&written.from, fault));
        }
        if from == to {
            let place = place.clone();
            return Err(self.refused(hours, PolicyFault::EmptyHours { place }));
        }
        let days = self.set(place, "days", written.days.as_ref())?;
        let names_holidays = |days: &BTreeSet<Day>| days.contains(&Day::Holiday);
        if written.holidays.is_none() && days.as_ref().is_some_and(names_holidays) {
            let place = place.clone();
            return Err(self.refused(hours, PolicyFault::HolidayWithoutCalendar { place }));
        }
        Ok(Hours {
            from,
            to,
            zone: self.zone(place, hours)?,
            holidays: match &written.holidays {
                Some(calendar) if days.is_some() => Some(self.holidays(place, calendar)?),
                Some(calendar) => {
                    let place = place.clone();
                    return Err(self.refused(calendar, PolicyFault::HolidaysWithoutDays { place }));
                }
                None => None,
            },
            days: days.unwrap_or_else(|| Day::ALL.into()),
        })
    }

    fn zone(&self, place: &Place, hours: &Spanned<syntax::Hours>) -> Result<Zone, PolicyError> {
        let written = hours.get_ref();
        match (&written.time_zone, &written.utc_offset_minutes) {
            (Some(_), Some(_)) => {
                let place = place.clone();
                Err(self.refused(hours, PolicyFault::TwoClocks { place }))
            }
            (Some(name), None) => Zone::named(name.get_ref()).map_err(|error| {
                let place = place.clone();
                self.refused(name, PolicyFault::TimeZone { place, error })
            }),
            (None, minutes) => self.utc_offset(place, minutes.as_ref()).map(Zone::Fixed),
        }
    }

    fn holidays(
        &self,
        place: &Place,
        calendar: &Spanned<CalendarId>,
    ) -> Result<Holidays, PolicyError> {
        let id = calendar.get_ref();
        match self.calendars.get(id) {
            Some(dates) => Ok(Holidays {
                calendar: id.clone(),
                dates: Arc::clone(dates),
            }),
            None => {
                let (place, calendar_id) = (place.clone(), id.clone());
                let known: Vec<_> = self.calendars.keys().map(CalendarId::as_str).collect();
                let fault = PolicyFault::UnknownCalendar {
                    place,
                    calendar: calendar_id,
                    known: known.join(", "),
                };
                Err(self.refused(calendar, fault))
            }
        }
    }

    fn clock(
        &self,
        place: &Place,
        key: &'static str,
        text: &Spanned<String>,
    ) -> Result<u32, PolicyError> {
        parse_clock(text.get_ref()).ok_or_else(|| {
            let (place, found) = (place.clone(), Quoted::new(text.get_ref()));
            self.refused(text, PolicyFault::Clock { place, key, found })
        })
    }

    /// From Baker Island's -12:00 to Kiritimati's +14:00.
    fn utc_offset(
        &self,
        place: &Place,
        minutes: Option<&Spanned<i64>>,
    ) -> Result<i32, PolicyError> {
        let Some(minutes) = minutes else { return Ok(0) };
        let found = *minutes.get_ref();
        match i32::try_from(found) {
            Ok(offset @ -720..=840) => Ok(offset),
            _ => {
                let place = place.clone();
                Err(self.refused(minutes, PolicyFault::UtcOffset { place, found }))
            }
        }
    }
}
