//! The time that a plot covers, and what its axis says: round times, as many as there is room for.

use custodyd_chain::U256;
use custodyd_policy::Timestamp;

use super::{Tick, WIDTH, share, text};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Distances between the marks of an axis.
const STEPS: [u64; 14] = [
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    30 * DAY_MS,
    61 * DAY_MS,
];
/// Times that a column may stand for.
const COLUMNS: [u64; 5] = [10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS];
/// Marks of an axis at most.
const MOST_TICKS: u64 = 6;
/// Columns at most.
const MOST_COLUMNS: u64 = 53;
/// A mark that is nearer to an edge than this has its words on the inner side of it.
const EDGE: f64 = 45.0;

/// The time that a plot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where it begins, Unix milliseconds.
    pub from_ms: u64,
    /// Where it ends.
    pub to_ms: u64,
}

impl Window {
    /// The same from `first_ms` on, if nothing is known of the time before.
    #[must_use]
    pub fn beginning(self, first_ms: Option<u64>) -> Self {
        let from_ms = first_ms.map_or(self.from_ms, |first| self.from_ms.max(first));
        let from_ms = from_ms.min(self.to_ms);
        Self { from_ms, ..self }
    }

    fn length(&self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// Where an instant stands.
    pub(super) fn x(&self, at_ms: u64) -> f64 {
        let passed = U256::from(at_ms.saturating_sub(self.from_ms));
        share(passed, U256::from(self.length())) * WIDTH
    }

    /// An instant in words, as exactly as the window is short.
    pub fn label(&self, at_ms: u64) -> String {
        let exact = if self.length() > 7 * DAY_MS {
            DAY_MS
        } else {
            MINUTE_MS
        };
        self.said(at_ms, exact)
    }

    /// An instant that is known to a multiple of `exact` milliseconds.
    fn said(&self, at_ms: u64, exact: u64) -> String {
        let (day, time) = split(at_ms);
        let year = self.length() > 180 * DAY_MS;
        let short = day.get(5..).unwrap_or(&day);
        let time = time.get(..5).unwrap_or(&time);
        match exact {
            DAY_MS.. if year => day,
            DAY_MS.. => short.to_owned(),
            _ if split(self.from_ms).0 == split(self.to_ms).0 => time.to_owned(),
            _ => format!("{short} {time}"),
        }
    }

    /// `parts` + 1 instants from its beginning to its end.
    pub(super) fn instants(&self, parts: u64) -> impl Iterator<Item = u64> {
        let (from, length) = (self.from_ms, self.length());
        (0..=parts).map(move |part| {
            let passed = u128::from(length) * u128::from(part) / u128::from(parts.max(1));
            from.saturating_add(u64::try_from(passed).unwrap_or(length))
        })
    }

    /// The axis.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let step = fitting(&STEPS, self.length(), MOST_TICKS);
        let first = self.from_ms.next_multiple_of(step);
        let every = usize::try_from(step).unwrap_or(usize::MAX);
        let tick = |at| {
            let x = self.x(at);
            Tick {
                at: text(x),
                text: self.said(at, step),
                anchor: match x {
                    ..EDGE => "start",
                    x if x > WIDTH - EDGE => "end",
                    _ => "middle",
                },
            }
        };
        (first..=self.to_ms).step_by(every).map(tick).collect()
    }

    /// The same from the beginning of its first column on, which is a round time. What it shows is complete only if the series
    /// is known from there on.
    #[must_use]
    pub fn in_columns(self) -> Self {
        let from_ms = self.from_ms - self.from_ms % self.column();
        Self { from_ms, ..self }
    }

    fn column(&self) -> u64 {
        fitting(&COLUMNS, self.length(), MOST_COLUMNS)
    }

    /// Where its columns begin, and where the last one ends.
    pub(super) fn bounds(&self) -> Vec<u64> {
        let every = usize::try_from(self.column()).unwrap_or(usize::MAX);
        let mut bounds: Vec<u64> = (self.from_ms..self.to_ms).step_by(every).collect();
        bounds.push(self.to_ms);
        bounds
    }
}

/// Day and time of an instant.
fn split(at_ms: u64) -> (String, String) {
    let text = Timestamp::from_ms(at_ms).to_string();
    match text.split_once('T') {
        Some((day, time)) => (day.to_owned(), time.to_owned()),
        None => (text, String::new()),
    }
}

/// The shortest of these of which at most `most` make up the length.
fn fitting(steps: &[u64], length: u64, most: u64) -> u64 {
    let fits = |step: &&u64| length / **step < most;
    let longest = steps.last().copied().unwrap_or(DAY_MS);
    steps.iter().find(fits).copied().unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from_ms: u64, to_ms: u64) -> Window {
        Window { from_ms, to_ms }
    }

    fn said(window: Window) -> Vec<String> {
        let ticks = window.ticks().into_iter();
        ticks.map(|tick| tick.text).collect()
    }

    #[test]
    fn an_axis_says_round_times_however_long_it_is() {
        let at = |hour: u64, minute: u64| hour * HOUR_MS + minute * MINUTE_MS;
        assert_eq!(
            said(window(at(11, 43), at(12, 9))),
            ["11:45", "11:50", "11:55", "12:00", "12:05"]
        );
        assert_eq!(
            said(window(at(3, 10), at(23, 50))),
            ["06:00", "12:00", "18:00"]
        );
        assert_eq!(
            said(window(at(9, 0), at(9 + 7 * 24, 0))),
            ["01-03", "01-05", "01-07"]
        );
        let year = said(window(at(9, 0), 365 * DAY_MS));
        assert!(year.len() > 4 && year[0] == "1970-03-03", "{year:?}");
        assert_eq!(said(window(at(9, 0), at(9, 0))), ["09:00"]);
    }

    #[test]
    fn words_at_an_edge_stay_within_the_plot() {
        let ticks = window(0, 24 * HOUR_MS).ticks();
        let anchors: Vec<_> = ticks.iter().map(|tick| tick.anchor).collect();
        assert_eq!(anchors, ["start", "middle", "middle", "middle", "end"]);
    }

    #[test]
    fn columns_are_round_times_that_cover_the_window_and_no_more_than_can_be_told_apart() {
        for (days, width) in [
            (1, HOUR_MS),
            (7, 6 * HOUR_MS),
            (30, DAY_MS),
            (365, 7 * DAY_MS),
        ] {
            let to = 20_000 * DAY_MS + 777;
            let asked = window(to - days * DAY_MS, to);
            let drawn = asked.in_columns();
            let bounds = drawn.bounds();
            assert!(drawn.from_ms <= asked.from_ms && drawn.from_ms.is_multiple_of(width));
            assert_eq!((bounds[0], bounds[1] - bounds[0]), (drawn.from_ms, width));
            assert_eq!(bounds.last(), Some(&to));
            assert!(bounds.len() <= 55, "{}", bounds.len());
        }
        let young = window(0, 25 * MINUTE_MS).bounds();
        assert_eq!(young.len(), 4, "{young:?}");
    }

    #[test]
    fn a_window_begins_with_what_is_known_and_never_before_it_was_asked_for() {
        let asked = window(100, 200);
        assert_eq!(asked.beginning(Some(150)), window(150, 200));
        assert_eq!(asked.beginning(Some(20)), asked);
        assert_eq!(asked.beginning(None), asked);
        assert_eq!(asked.beginning(Some(900)), window(200, 200));
    }
}
