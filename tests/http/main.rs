//! The API's edge over real sockets: the real router, intake and SQLite store, real Ed25519 keys. No engine: what gets
//! through stays in the inbox, and a refusal is only one when the inbox stays empty.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod access;
mod authentication;
mod bad_inputs;
mod bodies;
mod console;
mod console_acts;
mod console_guard;
mod console_sessions;
mod console_sign_in;
mod crowd;
mod description;
mod edge;
mod events;
mod framing;
mod hsm;
mod large;
mod origin;
mod page;
mod patience;
mod proposals;
mod sight;
mod tls;
mod tls_wire;
mod trail;
mod unnamed;
mod wire;
