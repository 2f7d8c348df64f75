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
