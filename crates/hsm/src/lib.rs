//! The daemon's only way to HSMs: PKCS#11 modules, their tokens, and what signs with their keys.
//!
//! An [`Hsm`] is asked ([`Request`]) and answers ([`Response`]), whatever stands behind it: a [`Token`] in this process, with
//! worker threads of a session each; an [`Isolated`] one in a process of its own, so that a library that hangs or crashes takes
//! nothing along; or a [`Fleet`] of several tokens that hold the same keys. Each token is opened from a [`Profile`] (a vendor's
//! manners as data) and a PIN. Keys are named by their [`KeyId`], or brought along as a [`WrappedKey`]; object handles, sessions,
//! logins and the module's return codes stay inside. What leaves this crate as a signature has been verified against the key's
//! public point, and is low-S on secp256k1.
//!
//! Order of the files, top down: `request` and `hsm` (the interface) → `fleet` (several tokens) → `isolation` (a worker process)
//! → `token` (in this process) → `worker`, `queue` and `call` (threads, deadlines) → `session` (one logged-in session: locate,
//! sign) with `keygen`, `wrapped`, `canary` and `inspect` → `login`, `slot`, `module` (reaching the token) → `ec`, `verify`
//! (bytes). `fault` sorts return codes, `error` is what callers see; `profile`, `quirks` and `template` are the vendor's manners,
//! and `examine` tries them on a live token. `card` stands apart: a person's smart card, used by hand.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod attributes;
mod baseline;
mod call;
mod canary;
mod card;
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
pub use card::{Card, CardError, CardKey};
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
