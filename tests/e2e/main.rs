//! The main job on real parts: Litecoin Core, Anvil, SoftHSM, and custodyd as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod bad_approvals;
mod bad_destinations;
mod bad_inputs;
mod bad_signatures;
mod canary;
mod cold;
mod console;
mod containers;
mod disk;
mod doctor;
mod edge_crowd;
mod edge_inputs;
mod edge_tls;
mod edits;
mod faults;
mod fleet;
mod genesis;
mod governance;
mod governance_acts;
mod house;
mod keys;
mod main_job;
mod monitoring;
mod nonces;
mod policy_tools;
mod postgres;
mod prices;
mod python;
mod python_example;
mod restore;
mod schemathesis;
mod screening;
mod secrets;
mod smart_card;
mod spy;
mod sqlite;
mod statement;
mod tampering;
mod typed;
mod typed_client;
mod webhooks;
mod wire;
mod wrapped;
