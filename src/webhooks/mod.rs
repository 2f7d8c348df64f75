//! Webhooks: signed messages to those whom the configuration names, in the form of Standard Webhooks.
//!
//! Each endpoint has a task that reads the feed. Delivery is at least once, in order for each withdrawal, and survives a crash:
//! what an endpoint is owed is in tables, or follows from how far it is. Nothing here touches the vault or slows the engine.

mod backoff;
mod deliver;
mod endpoint;
mod lanes;
mod reach;
mod replay;
mod send;
mod signing;

use std::{sync::Arc, time::Duration};

use custodyd_hsm::PinSource;
use tokio::{sync::watch, task::JoinSet};

pub use deliver::DeliveryFault;
pub use replay::{Which, replay};
pub use signing::SecretError;

pub(crate) use backoff::pause_ms;
pub(crate) use deliver::{Courier, Message};
pub(crate) use reach::names_this_machine;
pub(crate) use signing::Secrets;

use crate::{
    clock::Clock,
    config::{ConfigError, WebhookConfig},
    engine::Pulse,
    feed::{Audience, Feed},
    store::Store,
};
use endpoint::Endpoint;

/// Wait before the database is asked again at the start.
const SETBACK: Duration = Duration::from_secs(1);

/// What deliveries are made with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The vault whose events they are.
    pub vault: String,
    /// Where these come from.
    pub feed: Feed,
    /// Where it is said that an endpoint doesn't take its events.
    pub pulse: Arc<Pulse>,
    /// The time.
    pub clock: Clock,
    /// A random number, for pauses.
    pub chance: fn() -> u64,
}

/// Whether these secrets can be used now.
///
/// # Errors
/// Why not.
pub async fn check(secrets: &[PinSource]) -> Result<(), SecretError> {
    Secrets::read(secrets).await.map(drop)
}

/// Begins to deliver to each endpoint, until `stop` says so. The tasks end once all is on record.
///
/// # Errors
/// An endpoint that can't be used.
pub fn start(
    endpoints: &[WebhookConfig],
    parts: &Parts,
    stop: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, ConfigError> {
    let mut ready = Vec::new();
    for config in endpoints {
        let courier = Courier::new(config.recipient()?)?;
        ready.push((courier, config));
    }
    let mut tasks = JoinSet::new();
    for (courier, config) in ready {
        let (parts, stop) = (parts.clone(), stop.clone());
        let give_up = Duration::from_secs(config.give_up_s);
        tasks.spawn(deliver_all(parts, courier, audience(config), give_up, stop));
    }
    Ok(tasks)
}

/// Whose events an endpoint hears, and which.
pub fn audience(config: &WebhookConfig) -> Audience {
    Audience {
        clients: config.clients.iter().map(ToString::to_string).collect(),
        types: config.types.clone(),
    }
}

async fn deliver_all(
    parts: Parts,
    courier: Courier,
    audience: Audience,
    give_up: Duration,
    stop: watch::Receiver<bool>,
) {
    loop {
        let opened = Endpoint::open(parts.clone(), courier.clone(), audience.clone(), give_up);
        match opened.await {
            Ok(endpoint) => return endpoint.run(stop).await,
            Err(error) => {
                tracing::warn!(endpoint = courier.id(), %error, "webhooks wait for the database");
                tokio::time::sleep(SETBACK).await;
            }
        }
        if *stop.borrow() {
            return;
        }
    }
}
