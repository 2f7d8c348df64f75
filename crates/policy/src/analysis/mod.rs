//! Analysis
mod axes;
mod bits;
mod compile;
mod constants;
pub(crate) mod claim;
mod implication;
mod model;
mod prices;
mod region;
mod sample;
mod space;
mod time;
pub(crate) mod world;
pub use model::TooManyRegions;
