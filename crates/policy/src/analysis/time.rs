//! Time, cut by the hours that policies name. An atom is a set of instants at which the same hours hold; it is shown by
//! one of them.
//!
//! Hours, zones and holidays are periodic but for the dates that are listed and for what zones do over the years. Every
//! day from 2026 to 2030, and on to the last holiday, is looked at; days with the same weekday, distances from UTC and
//! holidays around them are alike, and of each kind one is cut at every minute at which hours may begin or end.

use std::collections::{BTreeMap, BTreeSet};

use crate::duration::{DAY_MS, MINUTE_MS};
use crate::hours::Hours;
use crate::instant::Timestamp;

/// 2026-01-05, a Monday, in days since 1970-01-01.
const FROM_DAY: u64 = 20_458;
/// Five years of days.
const DAYS: u64 = 1_827;
/// Clocks of this century are a multiple of a quarter of an hour from UTC, or as far as the policy says.
const QUARTER: i128 = 15;

/// An instant that stands for all at which the same hours hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeAtom {
    pub(crate) at: Timestamp,
    /// For each hours condition, in the order of the list, whether it holds.
    pub(crate) holds: Vec<bool>,
}

/// The atoms that these hours cut time into; one, if there are none.
pub(crate) fn atoms(hours: &[Hours]) -> Vec<TimeAtom> {
    let mut found: BTreeMap<Vec<bool>, Timestamp> = BTreeMap::new();
    if hours.is_empty() {
        // Ten in the morning of a working day.
        found.insert(Vec::new(), instant(FROM_DAY.saturating_add(2), 600));
    }
    let mut seen = BTreeSet::new();
    for day in FROM_DAY..last_day(hours) {
        if hours.is_empty() || !seen.insert(kind(hours, day)) {
            continue;
        }
        for minute in minutes(hours, day) {
            let at = instant(day, minute);
            let holds = hours.iter().map(|hours| hours.contains(at)).collect();
            found.entry(holds).or_insert(at);
        }
    }
    let atoms = found.into_iter();
    let mut atoms: Vec<TimeAtom> = atoms.map(|(holds, at)| TimeAtom { at, holds }).collect();
    atoms.sort_by_key(|atom| atom.at);
    atoms
}

fn instant(day: u64, minute: u64) -> Timestamp {
    let minutes = minute.saturating_mul(MINUTE_MS);
    Timestamp::from_ms(day.saturating_mul(DAY_MS).saturating_add(minutes))
}

fn last_day(hours: &[Hours]) -> u64 {
    let dates = hours
        .iter()
        .filter_map(|hours| hours.holidays.as_ref()?.dates.last());
    let last = dates.copied().max().unwrap_or_default().saturating_add(9);
    last.max(FROM_DAY.saturating_add(DAYS))
}

/// Weekday; distances from UTC and holidays around, for each hours condition; the day itself, if clocks change on it.
type Kind = (u64, Vec<(i128, Vec<bool>)>, Option<u64>);

/// What makes a day of UTC like another: the weekday; of each hours condition the distances from UTC at its begin and
/// end, and which of the local days around it are holidays. A day on which clocks change is like no other.
fn kind(hours: &[Hours], day: u64) -> Kind {
    let mut clocks_change = false;
    let clocks = hours.iter().map(|hours| {
        let (first, last) = (
            offset(hours, day, 0),
            offset(hours, day.saturating_add(1), 0),
        );
        clocks_change |= first != last;
        let dates = hours.holidays.as_ref().map(|holidays| &holidays.dates);
        // Local days from two before to one after: hours past midnight begin on the day before.
        let around = (day.saturating_sub(2)..=day.saturating_add(1))
            .map(|day| dates.is_some_and(|dates| dates.contains(&day)));
        (first, around.collect())
    });
    let clocks = clocks.collect();
    (day % 7, clocks, clocks_change.then_some(day))
}

/// Local time less UTC, in minutes.
fn offset(hours: &Hours, day: u64, minute: u64) -> i128 {
    let at = instant(day, minute);
    let distance = hours
        .zone
        .local_ms(at)
        .saturating_sub(i128::from(at.as_ms()));
    distance.div_euclid(i128::from(MINUTE_MS))
}

/// The minutes of a UTC day at which hours may begin or end, or a local day begin.
fn minutes(hours: &[Hours], day: u64) -> Vec<u64> {
    let mut rests = BTreeSet::from([0]);
    for hours in hours {
        for offset in [
            offset(hours, day, 0),
            offset(hours, day.saturating_add(1), 0),
        ] {
            for clock in [0, hours.from, hours.to] {
                rests.insert(i128::from(clock).saturating_sub(offset).rem_euclid(QUARTER));
            }
        }
    }
    let may_change = |minute: &u64| rests.contains(&i128::from(*minute).rem_euclid(QUARTER));
    (0..DAY_MS / MINUTE_MS).filter(may_change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hours::Day;
    use crate::zone::Zone;

    fn hours(zone: &str, from: u32, to: u32, days: &[Day]) -> Hours {
        Hours {
            from,
            to,
            days: days.iter().copied().collect(),
            zone: Zone::named(zone).unwrap(),
            holidays: None,
        }
    }

    #[test]
    fn hours_of_any_one_day_of_the_week_hold_at_one_atom_and_not_at_another() {
        for day in Day::ALL {
            let hours = [hours("UTC", 600, 720, &[day])];
            let atoms = atoms(&hours);
            let mut holds: Vec<bool> = atoms.iter().map(|atom| atom.holds[0]).collect();
            holds.sort_unstable();
            assert_eq!(holds, [false, true], "{day}");
            for atom in atoms {
                assert_eq!(hours[0].contains(atom.at), atom.holds[0], "{day}");
            }
        }
    }

    /// 2026-03-08, from 07:00 to 08:00 UTC: the clocks of New York have gone forward, those of Chicago have not.
    #[test]
    fn an_hour_that_only_a_change_of_clocks_makes_is_found() {
        let both = [
            hours("America/New_York", 180, 210, &Day::ALL),
            hours("America/Chicago", 60, 90, &Day::ALL),
        ];
        let atoms = atoms(&both);
        let found = atoms.iter().find(|atom| atom.holds == [true, true]);
        assert_eq!(found.unwrap().at.to_string(), "2026-03-08T07:00:00Z");
    }

    #[test]
    fn days_a_week_apart_are_alike_unless_clocks_change_on_one() {
        let new_york = [hours("America/New_York", 180, 210, &Day::ALL)];
        // 2026-03-08.
        let change = FROM_DAY + 62;
        assert_eq!(kind(&new_york, change).2, Some(change));
        assert_eq!(kind(&new_york, change - 1).2, None);
        assert_eq!(kind(&new_york, change - 1), kind(&new_york, change - 8));
        assert_ne!(kind(&new_york, change - 1), kind(&new_york, change - 2));
        assert_ne!(kind(&new_york, change + 7), kind(&new_york, change - 7));
        let distances = [change - 1, change + 1].map(|day| offset(&new_york[0], day, 0));
        assert_eq!(distances, [-300, -240]);
    }
}
