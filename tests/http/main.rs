//! The API's edge over real sockets: the real router, intake and SQLite store, real Ed25519 keys. No engine: what gets
//! through stays in the inbox, and a refusal is only one when the inbox stays empty.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod authentication;
mod bodies;
mod description;
mod edge;
mod events;
mod framing;
mod hsm;
mod patience;
mod proposals;
mod sight;
mod wire;
