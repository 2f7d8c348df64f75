//! A vault is changed by proposals alone: by whom, when, and what that makes void.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

#[path = "../common/mod.rs"]
mod common;
mod effects;
mod voting;

use custodyd_chain::Address;
use custodyd_policy::OperatorId;
use custodyd_vault::{Change, Credential};

use common::ed25519;

fn key(name: &str, credential: u8) -> Credential {
    ed25519(name, credential).verifying_key().into()
}

fn frank() -> OperatorId {
    "frank".parse().unwrap()
}

fn add_frank() -> Change {
    Change::AddOperator {
        id: frank(),
        credentials: vec![key("frank", 0)],
    }
}

fn block(address: &str) -> Change {
    let address = Address::parse(common::ltc(), address).unwrap();
    Change::Block {
        addresses: [address].into(),
    }
}
