//! The console as people use it: Chromium, its virtual authenticator, and the real daemon on real nodes and tokens.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod bed;
mod stage;

mod aim;
mod alteration;
mod changes;
mod cold;
mod decisions;
mod enrolment;
mod freeze;
mod invited;
mod journal;
mod keyboard;
mod live;
mod looks;
mod theft;
mod together;
mod treasury;
mod unanswered;
