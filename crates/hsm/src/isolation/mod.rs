//! A token in a worker process of its own: a vendor's library may hang or crash there and takes nothing along.
//!
//! The host starts the process (`child`), says hello over a socket pair that is the child's standard input (`message`,
//! `frame`), sends it the profile and then the PIN, and from then on requests and answers go over one line (`link`,
//! `outbox`, `calls`), many at a time and in any order. One thread (`supervisor`) watches deadlines and health (`signs`),
//! ends a worker that is no good and starts the next. The worker's side is `worker`: it opens an ordinary
//! [`Token`](crate::Token) and asks it what the host asks.
//!
//! What a worker says is believed no further than what a token says: signatures are verified in the worker, and again by
//! whoever relies on one in the host's process (docs/adr/0015).

mod calls;
mod child;
mod frame;
mod host;
mod link;
mod message;
mod outbox;
mod signs;
mod supervisor;
mod worker;

pub use child::Launch;
pub use host::Isolated;
pub use worker::{WorkerError, serve_worker};
