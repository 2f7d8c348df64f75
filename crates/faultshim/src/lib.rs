//! A PKCS#11 2.40 module for tests and benchmarks: it forwards to a real module and injects faults by instruction.
//!
//! It is built twice from the same sources. As a shared library it is what [`library`] finds and a profile names as its
//! module; there `FAULTSHIM_MODULE` names the real module and `FAULTSHIM_RULES` a file with [`Rules`], read again
//! whenever it changes. As a Rust library it gives tests the safe half: [`Control`] writes rules and reads [`Counts`].
//! Nothing that is released may depend on it; `scripts/check-layers` holds that.
//!
//! Order of the files, top down: `exports` (the C functions) → `around` (what happens around each call) → `signing`,
//! `making`, `reading` (calls whose work may be altered) → `emulated`, `manner`, `template` → `shim`, `real` (what was
//! loaded). `rules`, `function`, `code`, `counts` and `control` are the safe half.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod around;
mod code;
mod control;
mod counts;
mod emulated;
mod exports;
mod function;
mod making;
mod manner;
mod reading;
mod real;
mod rules;
mod sessions;
mod shim;
mod signing;
mod template;

pub use code::Code;
pub use control::{Control, library};
pub use counts::Counts;
pub use function::Function;
pub use rules::{Emulation, Injection, Manner, Rule, Rules};
