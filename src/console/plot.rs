//! Plots as inline SVG: positions of what templates/plot.html draws. Sums stay exact integers up to here; only a position in
//! pixels is a float. Every plot has a title, a description, and the same numbers as a table.

mod bars;

pub use bars::{Gauge, TierBar};

use custodyd_chain::{Amount, Asset, U256};

use super::words::Figure;

/// The plotting area, in the units of the SVG's viewBox.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
/// Places between zero and one that positions are rounded to while they are integers.
const PLACES: u64 = 100_000;
/// Rows of the table behind a plot.
const TABLE_ROWS: u64 = 12;

/// How much of `whole` this is, from 0 to 1.
fn share(part: U256, whole: U256) -> f64 {
    if whole.is_zero() {
        return 0.0;
    }
    let places = part.saturating_mul(U256::from(PLACES)) / whole;
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    f64::from(places).min(100_000.0) / 100_000.0
}

fn share_of_time(at: u64, from: u64, to: u64) -> f64 {
    let passed = U256::from(at.saturating_sub(from));
    share(passed, U256::from(to.saturating_sub(from)))
}

fn text(position: f64) -> String {
    format!("{position:.1}")
}

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Where, in the viewBox.
    pub at: String,
    /// What it says.
    pub text: String,
}

/// A line of a plot.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its value at the end.
    pub last: Figure,
}

/// A bar of a plot.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its left edge.
    pub x: String,
    /// Its upper edge.
    pub y: String,
    /// How wide.
    pub width: String,
    /// How high.
    pub height: String,
    /// What a pointer on it says.
    pub title: String,
}

/// A plot over time, with lines or with columns.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Distinguishes the plot on its page.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// The same in a sentence with numbers, for who doesn't see it.
    pub description: String,
    /// Lines, if it has such.
    pub lines: Vec<Line>,
    /// Columns, if it has such.
    pub columns: Vec<Column>,
    /// The vertical axis.
    pub y: Vec<Tick>,
    /// The horizontal axis.
    pub x: Vec<Tick>,
    /// The heads of the table: time first.
    pub heads: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// What an amount was from an instant on.
pub type Step = (u64, U256);

/// The time that a plot covers.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Where it begins, Unix milliseconds.
    pub from_ms: u64,
    /// Where it ends.
    pub to_ms: u64,
    /// How an instant in it is written: by the minute or by the day.
    pub by_day: bool,
}

impl Window {
    /// An instant as an axis says it.
    pub fn label(&self, at_ms: u64) -> String {
        let text = custodyd_policy::Timestamp::from_ms(at_ms).to_string();
        let (day, time) = text.split_once('T').unwrap_or((&text, ""));
        if self.by_day {
            day.to_owned()
        } else {
            format!(
                "{} {}",
                day.get(5..).unwrap_or(day),
                time.get(..5).unwrap_or(time)
            )
        }
    }

    /// `parts` + 1 instants from its beginning to its end.
    fn instants(&self, parts: u64) -> impl Iterator<Item = u64> {
        let (from, length) = (self.from_ms, self.to_ms.saturating_sub(self.from_ms));
        (0..=parts).map(move |part| {
            let passed = u128::from(length) * u128::from(part) / u128::from(parts.max(1));
            from.saturating_add(u64::try_from(passed).unwrap_or(length))
        })
    }

    fn ticks(&self) -> Vec<Tick> {
        let tick = |at| Tick {
            at: text(share_of_time(at, self.from_ms, self.to_ms) * WIDTH),
            text: self.label(at),
        };
        self.instants(4).map(tick).collect()
    }
}

/// The value of a series at an instant: that of the last step not after it.
fn value_at(steps: &[Step], at_ms: u64) -> Option<U256> {
    let after = steps.partition_point(|(at, _)| *at <= at_ms);
    steps.get(after.checked_sub(1)?).map(|(_, units)| *units)
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
        let all = series.iter().flat_map(|(_, steps)| steps);
        let top = nice(
            all.map(|(_, units)| *units).max().unwrap_or_default(),
            asset,
        );
        let amount = |units: U256| Amount::from_units(asset, units).unwrap_or(Amount::zero(asset));
        let line = |(name, steps): &(String, Vec<Step>)| Line {
            name: name.clone(),
            path: path(steps, top, window),
            last: Figure::from(&amount(value_at(steps, window.to_ms).unwrap_or_default())),
        };
        let lines: Vec<Line> = series.iter().map(line).collect();
        let said: Vec<String> = lines
            .iter()
            .map(|line| format!("{} {}", line.name, line.last.text()))
            .collect();
        let row = |at| {
            let values = series.iter().map(|(_, steps)| match value_at(steps, at) {
                Some(units) => amount(units).to_decimal(),
                None => "–".to_owned(),
            });
            std::iter::once(window.label(at)).chain(values).collect()
        };
        Self {
            id,
            description: format!(
                "{title} from {} to {}. At the end: {}.",
                window.label(window.from_ms),
                window.label(window.to_ms),
                said.join(", ")
            ),
            title,
            columns: Vec::new(),
            y: scale_ticks(top, asset),
            x: window.ticks(),
            heads: std::iter::once("Time (UTC)".to_owned())
                .chain(series.iter().map(|(name, _)| format!("{name}, {asset}")))
                .collect(),
            rows: window.instants(TABLE_ROWS).map(row).collect(),
            lines,
        }
    }

    /// How much a running total grew in each of `parts` equal times.
    pub fn columns(
        id: String,
        title: String,
        asset: Asset,
        total: &[Step],
        window: Window,
        parts: u64,
    ) -> Self {
        let bounds: Vec<u64> = window.instants(parts).collect();
        let at = |ms| value_at(total, ms).unwrap_or_default();
        let grown: Vec<(u64, u64, U256)> = bounds
            .windows(2)
            .filter_map(|pair| match pair {
                // A step belongs to the time in which it began.
                [from, to] => {
                    let before = at(from.saturating_sub(1));
                    Some((*from, *to, at(to.saturating_sub(1)).saturating_sub(before)))
                }
                _ => None,
            })
            .collect();
        let top = nice(
            grown
                .iter()
                .map(|(_, _, units)| *units)
                .max()
                .unwrap_or_default(),
            asset,
        );
        let amount = |units: U256| Amount::from_units(asset, units).unwrap_or(Amount::zero(asset));
        let column = |(from, to, units): &(u64, u64, U256)| {
            let left = share_of_time(*from, window.from_ms, window.to_ms) * WIDTH;
            let right = share_of_time(*to, window.from_ms, window.to_ms) * WIDTH;
            let height = share(*units, top) * HEIGHT;
            Column {
                x: text(left + 1.0),
                y: text(HEIGHT - height),
                width: text((right - left - 2.0).max(1.0)),
                height: text(height),
                title: format!("from {}: {}", window.label(*from), amount(*units)),
            }
        };
        let sum = at(window.to_ms).saturating_sub(at(window.from_ms.saturating_sub(1)));
        Self {
            id,
            description: format!(
                "{title} from {} to {}: {} in all.",
                window.label(window.from_ms),
                window.label(window.to_ms),
                amount(sum)
            ),
            title,
            lines: Vec::new(),
            columns: grown.iter().map(column).collect(),
            y: scale_ticks(top, asset),
            x: window.ticks(),
            heads: vec!["From (UTC)".to_owned(), asset.to_string()],
            rows: grown
                .iter()
                .map(|(from, _, units)| vec![window.label(*from), amount(*units).to_decimal()])
                .collect(),
        }
    }
}

/// A line that steps: across to the time of the next value, then up or down to it.
fn path(steps: &[Step], top: U256, window: Window) -> String {
    let y = |units: U256| text(HEIGHT - share(units, top) * HEIGHT);
    let mut path = String::new();
    for (at, units) in steps {
        let x = text(share_of_time(*at, window.from_ms, window.to_ms) * WIDTH);
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

/// The scale's end: the first of 1, 2, 4, 5, 8 or 10 times a power of ten of base units that is at least as much. All of them are a
/// whole number of quarters from a thousand units on.
fn nice(most: U256, asset: Asset) -> U256 {
    let ten = U256::from(10);
    let mut power = U256::from(1);
    while power.saturating_mul(ten) <= most {
        power = power.saturating_mul(ten);
    }
    if most.is_zero() {
        // Nothing at all: the scale is one whole coin.
        return Amount::parse(asset, "1").map_or(U256::from(4), |one| one.units());
    }
    [1_u64, 2, 4, 5, 8, 10]
        .into_iter()
        .map(|times| power.saturating_mul(U256::from(times)))
        .find(|end| *end >= most)
        .unwrap_or(most)
}

fn scale_ticks(top: U256, asset: Asset) -> Vec<Tick> {
    (0..=4_u64)
        .map(|quarter| {
            let units = top.saturating_mul(U256::from(quarter)) / U256::from(4);
            let amount = Amount::from_units(asset, units).unwrap_or(Amount::zero(asset));
            Tick {
                at: text(HEIGHT - share(units, top) * HEIGHT),
                text: amount.to_decimal(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn window() -> Window {
        Window {
            from_ms: 0,
            to_ms: 24 * HOUR,
            by_day: false,
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
        assert_eq!(plot.rows.len(), 13);
        assert_eq!(plot.rows[5], ["01-01 10:00", "5"]);
        assert_eq!(plot.rows[6], ["01-01 12:00", "10"]);
    }

    #[test]
    fn columns_are_what_a_total_grew_by_and_add_up_to_it() {
        let asset: Asset = "LTC".parse().unwrap();
        let total = [
            (0, units("1 LTC")),
            (HOUR / 2, units("1.5 LTC")),
            (HOUR, units("3 LTC")),
            (23 * HOUR + 1, units("7 LTC")),
        ];
        let window = Window {
            from_ms: HOUR / 4,
            to_ms: HOUR / 4 + 24 * HOUR,
            ..window()
        };
        let plot = Plot::columns("o".into(), "Outflow".into(), asset, &total, window, 24);
        let shown: Vec<&str> = plot.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(shown.len(), 24);
        assert_eq!(shown[0], "2");
        assert_eq!(shown[22], "4");
        assert!(
            plot.description.ends_with("6 LTC in all."),
            "{}",
            plot.description
        );
        assert_eq!(plot.columns[22].height, "200.0");
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
        assert!(none.lines.is_empty());
        assert_eq!(none.y.last().unwrap().text, "1");
    }
}
