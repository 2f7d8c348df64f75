//! What limits look back on: for each of their keys the sums of its sliding window, in memory that does not grow with
//! history.

mod book;
mod places;
mod series;
mod standing;
mod total;
mod usage;

pub use book::LimitBook;
pub(crate) use standing::{Standing, Used};
pub use usage::LimitUsage;
