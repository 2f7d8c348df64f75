//! Analysis
mod axes;
mod bits;
mod compile;
mod constants;
pub(crate) mod claim;
mod implication;
mod model;
mod outflow;
mod prices;
mod region;
mod sample;
mod space;
mod time;
pub(crate) mod world;
mod prove;
pub use prove::{Answer, Counterexample, Proof, Step, prove};
pub use claim::{Claim, ClaimError, Claims};
pub use model::TooManyRegions;
