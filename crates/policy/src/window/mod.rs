//! The history that limits look back on, and the sums of its windows.

mod book;
mod fenwick;
mod history;
mod series;

pub(crate) use book::Used;
pub use book::{LimitBook, LimitUsage};
