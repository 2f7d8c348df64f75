//! Time, cut by the hours that policies name. An atom is a set of instants at which the same hours hold; it is shown by
//! one of them.

use std::collections::BTreeMap;

use crate::duration::{DAY_MS, MINUTE_MS};
use crate::hours::Hours;
use crate::instant::Timestamp;

/// 2026-01-05T00:00:00Z, a Monday: from here on instants are looked at.
pub(crate) const FROM: u64 = 1_767_571_200_000;
/// Hours at a fixed distance from UTC come again every week.
const WEEK_MINUTES: u64 = 7 * DAY_MS / MINUTE_MS;

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
    let minutes = if hours.is_empty() { 1 } else { WEEK_MINUTES };
    for minute in 0..minutes {
        let at = Timestamp::from_ms(FROM.saturating_add(minute.saturating_mul(MINUTE_MS)));
        let holds = hours.iter().map(|hours| hours.contains(at)).collect();
        found.entry(holds).or_insert(at);
    }
    let mut atoms: Vec<TimeAtom> = found
        .into_iter()
        .map(|(holds, at)| TimeAtom { at, holds })
        .collect();
    atoms.sort_by_key(|atom| atom.at);
    atoms
}
