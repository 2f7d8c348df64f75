//! Plots as inline SVG: positions of what templates/plot.html draws. Sums stay exact integers up to here; only a position in
//! pixels is a float. Every plot has a title, a description, and the same numbers as a table; one that there is nothing to draw of
//! says so in a sentence.

mod bars;
mod scale;
mod series;
mod window;

pub use bars::{Gauge, TierBar};
pub use window::Window;

use custodyd_chain::U256;

use super::words::Figure;

/// The plotting area, in the units of the SVG's viewBox.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
/// Places between zero and one that positions are rounded to while they are integers.
const PLACES: u64 = 100_000;

/// How much of `whole` this is, from 0 to 1.
fn share(part: U256, whole: U256) -> f64 {
    if whole.is_zero() {
        return 0.0;
    }
    let places = part.saturating_mul(U256::from(PLACES)) / whole;
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    f64::from(places).min(100_000.0) / 100_000.0
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
    /// Which end of the words stands there, as `text-anchor` names it.
    pub anchor: &'static str,
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
    /// What is said in its place, if there is nothing to draw.
    pub said: Option<String>,
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
