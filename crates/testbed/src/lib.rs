//! Real parts for tests, demo and benchmarks: Litecoin Core, Anvil, PostgreSQL, SoftHSM tokens, network HSMs in containers,
//! and custodyd itself.
//!
//! Every part has a port and a folder of its own on this machine, and ends with its owner: by pid when it is dropped, and by
//! the kernel when the owning process is killed. A part that is not installed is an error that says `make setup`, never a test
//! that is skipped. The interface blocks: a part is a child process, and waiting for it needs no runtime.
#![allow(
    clippy::indexing_slicing,
    reason = "JSON values only, where a missing key is null and no panic"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod anvil;
mod authenticator;
mod child;
mod console_user;
mod daemon;
mod engine;
mod error;
mod house;
mod house_files;
mod house_hsm;
mod hsm_container;
mod invitation;
mod litecoind;
mod local_http;
mod parts;
mod postgres;
mod relay;
mod remote_token;
mod scratch;
mod soft_token;

pub use anvil::{Anvil, AnvilOptions, Mining};
pub use authenticator::SoftPasskey;
pub use child::{Child, Signal};
pub use console_user::{ConsoleAnswer, ConsoleUser, Deed, base64url, from_base64url};
pub use daemon::Daemon;
pub use error::TestbedError;
pub use house::{CLIENTS, House, OPERATORS, Plan, Programs, project};
pub use house_hsm::{HouseHsm, HsmPlan};
pub use hsm_container::{HsmContainer, Reach};
pub use invitation::Invitation;
pub use litecoind::Litecoind;
pub use local_http::{Response, get, post_json};
pub use parts::{SOFTHSM_MODULE, p11_kit_client_module, pkcs11_spy_module};
pub use postgres::Postgres;
pub use remote_token::RemoteToken;
pub use scratch::{free_port, random_hex, write_file, write_secret};
pub use soft_token::SoftToken;
