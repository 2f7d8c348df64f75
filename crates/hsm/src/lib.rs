//! The daemon's only way to an HSM: one PKCS#11 module, one token, worker threads with a session each.
//!
//! A [`Token`] is opened from a [`Profile`] (a vendor's manners as data) and a PIN. From then on keys are named by
//! their [`KeyId`] alone; object handles, sessions, logins and the module's return codes stay inside. What leaves this
//! crate as a signature is low-S (secp256k1) and has been verified against the key's own public point.
//!
//! An [`Hsm`] is asked: either a [`Token`] in this process, or an [`Isolated`] one in a process of its own (`isolation`), so that
//! a library that hangs or crashes takes nothing along.
//!
//! Order of the files, top down: `token` (the interface) → `worker`, `queue` and `call` (threads, deadlines) → `session`
//! (one logged-in session: locate, sign) with `keygen` and `inspect` → `login`, `slot`, `module` (reaching the token)
//! → `ec`, `verify` (bytes). `fault` sorts return codes, `error` is what callers see.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod attributes;
mod baseline;
mod call;
mod canary;
mod counters;
mod ec;
mod error;
mod examine;
mod fault;
mod fleet;
mod hsm;
mod inspect;
mod isolation;
mod key;
mod keygen;
mod login;
mod module;
mod pin;
mod pin_command;
mod profile;
mod profile_file;
mod queue;
mod quirks;
mod request;
mod return_code;
mod self_check;
mod session;
mod slot;
mod template;
mod token;
mod trial;
mod verify;
mod worker;
mod wrapped;
mod wrapping;

pub use attributes::{Flag, KeyAttributes};
pub use baseline::{RawKey, RawRate, raw_sign_rate, raw_sign_rate_of};
pub use canary::{CanaryReport, Drawn};
pub use counters::Counters;
pub use error::{Class, HsmError, Name};
pub use examine::{Examination, Finding, Outcome, examine};
pub use fleet::{Fleet, FleetSettings, Opening};
pub use hsm::{Health, Hsm, MemberStatus};
pub use isolation::{Isolated, Launch, WorkerError, serve_worker};
pub use key::{Curve, KeyId, KeyReport, ParseKeyError, ParsePointError, PublicPoint};
pub use pin::{PinError, PinForm, PinSource};
pub use profile::{Profile, ProfileError, Selector, SessionMode};
pub use quirks::{EcParamsForm, EcPointForm, Quirks};
pub use request::{KeyRef, Reply, Request, Response, WrappedKey};
pub use self_check::self_check;
pub use slot::TokenInfo;
pub use template::{PrivateTemplate, PublicTemplate, Templates};
pub use token::Token;
pub use verify::verifies;
pub use wrapped::{WrappedCost, make_wrapped_keys, make_wrapping_key, wrapped_cost};
pub use wrapping::{WrapMechanism, Wrapping};
