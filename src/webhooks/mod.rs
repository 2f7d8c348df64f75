//! Webhooks: signed messages to those whom the configuration names, in the form of Standard Webhooks.

mod backoff;
mod deliver;
mod reach;
mod signing;

pub use deliver::DeliveryFault;
pub use signing::SecretError;

pub(crate) use backoff::pause_ms;
pub(crate) use deliver::{Courier, Message};
pub(crate) use reach::names_this_machine;
