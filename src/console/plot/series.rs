//! Series over time as plots: amounts as lines that step, and what a running total grew by as columns.

use std::collections::BTreeSet;

use custodyd_chain::{Amount, Asset, U256};

use super::{
    Column, HEIGHT, Line, Plot, Step, WIDTH, Window,
    scale::{nice, ticks},
    share, text,
};
use crate::console::words::Figure;

/// Rows of the table behind a plot.
const TABLE_ROWS: u64 = 12;
/// The widest column, in the units of the viewBox: a few of them shall not look like a wall.
const WIDEST: f64 = 60.0;

/// The value of a series at an instant: that of the last step not after it.
fn value_at(steps: &[Step], at_ms: u64) -> Option<U256> {
    let after = steps.partition_point(|(at, _)| *at <= at_ms);
    steps.get(after.checked_sub(1)?).map(|(_, units)| *units)
}

fn amount(asset: Asset, units: U256) -> Amount {
    Amount::from_units(asset, units).unwrap_or(Amount::zero(asset))
}

fn most(all: impl Iterator<Item = U256>) -> U256 {
    all.max().unwrap_or_default()
}

impl Plot {
    /// How amounts of one asset stood over time, each as a line that goes on until the next step.
    pub fn lines(
        id: String,
        title: String,
        asset: Asset,
        series: &[(String, Vec<Step>)],
        window: Window,
    ) -> Self {
        let steps = || series.iter().flat_map(|(_, steps)| steps);
        let top = nice(most(steps().map(|(_, units)| *units)), asset);
        let line = |(name, steps): &(String, Vec<Step>)| {
            let last = value_at(steps, window.to_ms).unwrap_or_default();
            Line {
                name: name.clone(),
                path: path(steps, top, window),
                last: Figure::from(&amount(asset, last)),
            }
        };
        let lines: Vec<Line> = series.iter().map(line).collect();
        let named = |line: &Line| format!("{} {}", line.name, line.last.text());
        let now: Vec<String> = lines.iter().map(named).collect();
        let now = now.join(", ");
        let row = |at| {
            let values = series.iter().map(|(_, steps)| match value_at(steps, at) {
                Some(units) => amount(asset, units).to_decimal(),
                None => "–".to_owned(),
            });
            std::iter::once(window.label(at)).chain(values).collect()
        };
        let instants: BTreeSet<u64> = steps().map(|(at, _)| *at).collect();
        Self {
            id,
            description: format!(
                "{title} from {} to {}. At the end: {now}.",
                window.label(window.from_ms),
                window.label(window.to_ms),
            ),
            said: undrawn(&instants, window, &now),
            title,
            columns: Vec::new(),
            y: ticks(top, asset),
            x: window.ticks(),
            heads: std::iter::once("Time (UTC)".to_owned())
                .chain(series.iter().map(|(name, _)| format!("{name}, {asset}")))
                .collect(),
            rows: window.instants(TABLE_ROWS).map(row).collect(),
            lines,
        }
    }

    /// How much a running total grew, in columns of a round time each.
    pub fn columns(
        id: String,
        title: String,
        asset: Asset,
        total: &[Step],
        window: Window,
    ) -> Self {
        let window = window.in_columns();
        let bounds = window.bounds();
        let at = |ms| value_at(total, ms).unwrap_or_default();
        let grown: Vec<(u64, u64, U256)> = bounds
            .windows(2)
            .filter_map(|pair| match pair {
                // A step belongs to the time in which it began; one at the very end to the last.
                [from, to] => {
                    let last = if *to == window.to_ms {
                        *to
                    } else {
                        to.saturating_sub(1)
                    };
                    let before = at(from.saturating_sub(1));
                    Some((*from, *to, at(last).saturating_sub(before)))
                }
                _ => None,
            })
            .collect();
        let top = nice(most(grown.iter().map(|(_, _, units)| *units)), asset);
        let column = |(from, to, units): &(u64, u64, U256)| {
            let (left, right) = (window.x(*from), window.x(*to));
            let width = (right - left - 2.0).clamp(1.0, WIDEST);
            let height = share(*units, top) * HEIGHT;
            Column {
                x: text((left + right - width) / 2.0),
                y: text(HEIGHT - height),
                width: text(width),
                height: text(height),
                title: format!("from {}: {}", window.label(*from), amount(asset, *units)),
            }
        };
        let sum = at(window.to_ms).saturating_sub(at(window.from_ms.saturating_sub(1)));
        let (from, to) = (window.label(window.from_ms), window.label(window.to_ms));
        Self {
            id,
            description: format!(
                "{title} from {from} to {to}: {} in all.",
                amount(asset, sum)
            ),
            title,
            said: match grown.len() {
                _ if sum.is_zero() => Some(format!("None from {from} to {to} (UTC).")),
                0 | 1 => Some(format!("{} since {from} (UTC).", amount(asset, sum))),
                _ => None,
            },
            lines: Vec::new(),
            columns: grown.iter().map(column).collect(),
            y: ticks(top, asset),
            x: window.ticks(),
            heads: vec!["From (UTC)".to_owned(), asset.to_string()],
            rows: grown
                .iter()
                .map(|(from, _, units)| {
                    vec![window.label(*from), amount(asset, *units).to_decimal()]
                })
                .collect(),
        }
    }
}

/// What is said where no line can be drawn yet: nothing is known, or one instant alone.
fn undrawn(instants: &BTreeSet<u64>, window: Window, now: &str) -> Option<String> {
    let first = match instants.first() {
        None => {
            let said = "No sample yet: the first is taken when a node tells of a balance.";
            return Some(said.to_owned());
        }
        Some(first) => *first,
    };
    // One from before the window says that nothing changed since, which is a line.
    (instants.len() == 1 && first >= window.from_ms).then(|| {
        format!(
            "One sample so far, of the ten minutes from {} (UTC) on: {now}. A line begins with the second.",
            window.label(first)
        )
    })
}

/// A line that steps: across to the time of the next value, then up or down to it.
fn path(steps: &[Step], top: U256, window: Window) -> String {
    let y = |units: U256| text(HEIGHT - share(units, top) * HEIGHT);
    let mut path = String::new();
    for (at, units) in steps {
        let x = text(window.x(*at));
        if path.is_empty() {
            path = format!("M{x} {}", y(*units));
        } else {
            path.push_str(&format!("H{x}V{}", y(*units)));
        }
    }
    if !path.is_empty() {
        path.push_str(&format!("H{}", text(WIDTH)));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn window() -> Window {
        Window {
            from_ms: 0,
            to_ms: 24 * HOUR,
        }
    }

    fn units(text: &str) -> U256 {
        text.parse::<Amount>().unwrap().units()
    }

    #[test]
    fn a_line_steps_from_value_to_value_and_goes_on_to_the_end() {
        let asset: Asset = "LTC".parse().unwrap();
        let steps = vec![(0, units("5 LTC")), (12 * HOUR, units("10 LTC"))];
        let plot = Plot::lines(
            "b".into(),
            "Balances".into(),
            asset,
            &[("hot".into(), steps)],
            window(),
        );
        assert_eq!(plot.lines[0].path, "M0.0 100.0H360.0V0.0H720.0");
        assert_eq!(plot.lines[0].last.text(), "10 LTC");
        assert_eq!(plot.y.last().unwrap().text, "10");
        assert!(
            plot.description.ends_with("At the end: hot 10 LTC."),
            "{}",
            plot.description
        );
        assert_eq!(plot.said, None);
        assert_eq!(plot.rows.len(), 13);
        assert_eq!(plot.rows[5], ["01-01 10:00", "5"]);
        assert_eq!(plot.rows[6], ["01-01 12:00", "10"]);
    }

    #[test]
    fn columns_are_what_a_total_grew_by_and_add_up_to_it() {
        let asset: Asset = "LTC".parse().unwrap();
        let total = [
            (DAY, units("1 LTC")),
            (DAY + HOUR / 2, units("1.5 LTC")),
            (DAY + HOUR, units("3 LTC")),
            (DAY + 23 * HOUR + 1, units("7 LTC")),
        ];
        let window = Window {
            from_ms: DAY + HOUR / 4,
            to_ms: DAY + HOUR / 4 + 23 * HOUR,
        };
        let plot = Plot::columns("o".into(), "Outflow".into(), asset, &total, window);
        let shown: Vec<&str> = plot.rows.iter().map(|row| row[1].as_str()).collect();
        // By the whole hour: the first column begins before what was asked for, the last one ends with it.
        assert_eq!(shown.len(), 24);
        assert_eq!((shown[0], shown[1], shown[23]), ("1.5", "1.5", "4"));
        assert!(
            plot.description.ends_with("7 LTC in all."),
            "{}",
            plot.description
        );
        assert_eq!(plot.columns[23].height, "200.0");
        assert_eq!(plot.said, None);
    }

    #[test]
    fn where_nothing_can_be_drawn_a_sentence_says_why() {
        let asset: Asset = "LTC".parse().unwrap();
        let lines = |steps: Vec<Step>, from_ms| {
            let window = Window {
                from_ms,
                ..window()
            };
            let series = [("hot".to_owned(), steps)];
            Plot::lines("b".into(), "Balances".into(), asset, &series, window).said
        };
        assert!(lines(vec![], 0).unwrap().starts_with("No sample yet"));
        let one = vec![(2 * HOUR, units("5 LTC"))];
        let said = lines(one.clone(), 2 * HOUR).unwrap();
        assert!(
            said.starts_with("One sample so far") && said.contains("hot 5 LTC"),
            "{said}"
        );
        assert_eq!(lines(one, 3 * HOUR), None, "nothing changed since");
        let two = vec![(2 * HOUR, units("5 LTC")), (3 * HOUR, units("4 LTC"))];
        assert_eq!(lines(two, 2 * HOUR), None);

        let total = [(HOUR, units("3 LTC"))];
        let paid = |from_ms| {
            let window = Window {
                from_ms,
                ..window()
            };
            Plot::columns("o".into(), "Outflow".into(), asset, &total, window).said
        };
        assert_eq!(paid(0), None);
        assert!(paid(2 * HOUR).unwrap().starts_with("None from"));
        let young = Window {
            from_ms: HOUR,
            to_ms: HOUR + HOUR / 10,
        };
        let plot = Plot::columns("o".into(), "Outflow".into(), asset, &total, young);
        assert_eq!(plot.said.unwrap(), "3 LTC since 01:00 (UTC).");
    }

    #[test]
    fn the_largest_amount_there_is_and_nothing_at_all_can_be_drawn() {
        let asset: Asset = "ETH".parse().unwrap();
        let cap = asset.cap();
        let plot = Plot::lines(
            "b".into(),
            "B".into(),
            asset,
            &[("hot".into(), vec![(0, cap)])],
            window(),
        );
        assert!(plot.lines[0].path.ends_with("H720.0"), "{:?}", plot.lines);
        let none = Plot::lines("b".into(), "B".into(), asset, &[], window());
        assert!(none.lines.is_empty() && none.said.is_some());
        assert_eq!(none.y.last().unwrap().text, "1");
    }
}
