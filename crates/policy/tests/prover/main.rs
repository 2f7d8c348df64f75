//! The prover against brute force: small policies at random, every request of a small grid.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod claims;
#[path = "../common/mod.rs"]
mod common;
mod differences;
mod outflow;
mod universe;
