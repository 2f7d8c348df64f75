//! Nodes as custodyd meets them: real ones that pay, confirm, reorganise, go down and come back, and ones that answer nonsense.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "nodes/bitcoin_family.rs"]
mod bitcoin_family;
#[path = "nodes/ethereum.rs"]
mod ethereum;
#[path = "nodes/fixture.rs"]
mod fixture;
#[path = "nodes/hostile.rs"]
mod hostile;
#[path = "nodes/rivals.rs"]
mod rivals;
