//! Policies as objects to reason about: what is odd about one ([`check`]), what changes from one to another ([`diff`]),
//! and whether claims about one are true ([`prove`]).
//!
//! # The method
//!
//! **The space.** Conditions are intervals and finite sets, so the constants that policies and claims name cut requests into
//! finitely many kinds. [`axes`] has an axis for each thing that conditions look at: what pays (wallet, tier, chain and
//! call, which depend on each other), what is paid to (class, own tier, cooling off), who asks, the amount and the fee of
//! each asset, the fiat value (unknown among its atoms), the time, each flag and each tag. [`constants`] cuts them: a set
//! into each named value and "any other", an interval at its bounds in base units, and [`time`] the instants of five years
//! and of all holidays by which hours hold. One request stands for all with the same atoms, and [`sample`] makes it.
//!
//! **Regions.** A [`region`] is a product of sets of atoms. A rule's conditions become clauses, conjunctions of tests that
//! hold in all of a region, in none of it, or are open. [`model`] walks from a region and splits it only by a test that
//! is open and may still change the answer, and stops where nothing can allow any more or something denies. So the full
//! product is never made.
//!
//! **Limits.** A verdict with something used up either denies or asks for what the verdict with nothing used up asks for,
//! and more. So `requires` and `never` are decided with empty windows. Limits of two policies are compared by meaning
//! ([`sameness`]); what colluding people can have paid is bounded by a cover of windows from above and by requests
//! that `evaluate` admits from below ([`outflow`]).
//!
//! **People.** Whether approvals imply others is decided over sets of people, those in the same groups and organisations
//! being alike ([`implication`]).
//!
//! Nothing is believed that `evaluate` does not confirm: each counterexample and each example of a difference was
//! judged by it. What can't be decided within bounds is an error or "undecided", never "true".

mod axes;
mod bits;
mod check;
pub(crate) mod claim;
mod compile;
mod constants;
mod describe;
mod diff;
#[cfg(test)]
mod fixture;
mod implication;
mod model;
mod outflow;
mod prices;
mod prove;
mod region;
mod sameness;
mod sample;
mod space;
mod time;
pub(crate) mod world;

pub use check::{Finding, Severity, check};
pub use claim::{Claim, ClaimError, Claims};
pub use diff::{Example, LimitChange, PolicyDiff, VerdictChange, diff, diff_within};
pub use model::TooManyRegions;
pub use prove::{Answer, Counterexample, Proof, Step, prove, prove_all};
