//! custodyd: a custody and wallet-signing daemon over PKCS#11 HSMs.
//!
//! docs/ARCHITECTURE.md walks one withdrawal through these modules. The border that matters: `http` and `intake` only
//! authenticate and store; `engine` is the single writer and the only one that decides; `signer` is the only one that asks
//! the HSM for a signature; `nodes` and `store` do what they are told.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation
    )
)]

pub mod alerts;
pub mod audit;
pub mod canary;
pub mod ceremony;
pub mod clock;
pub mod cold;
mod condition;
pub mod config;
pub mod console;
pub mod directory;
pub mod engine;
pub mod failpoint;
pub mod feed;
pub mod genesis_file;
pub mod http;
pub mod intake;
pub mod journal;
mod json;
pub mod nodes;
pub mod nonces;
pub mod problem;
pub mod request;
pub mod signer;
pub mod standing;
pub mod state_dir;
pub mod store;
pub mod stored_request;
pub mod telemetry;
pub mod view;
pub mod webhooks;
