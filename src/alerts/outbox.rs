//! Alerts on their way to the webhook: one after the other, tried again until they arrive or are too old. Kept in memory
//! only: what still holds after a restart is seen and told again.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{Alert, Phase, stopped};
use crate::{
    clock::Clock,
    engine::Pulse,
    webhooks::{Courier, DeliveryFault, Message, pause_ms},
};

/// The longest pause between two tries, milliseconds. An alert that comes an hour late is none.
const LONGEST_PAUSE_MS: u64 = 60_000;
/// Time for what waits when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// What `/readyz` calls it when alerts don't arrive.
const PART: &str = "alerts";

/// Puts an alert into the form in which it is sent.
pub(super) fn message(vault: &str, alert: &Alert) -> Message {
    let phase = match alert.phase {
        Phase::Firing => "alert.firing",
        Phase::Resolved => "alert.resolved",
    };
    let body = json!({
        "type": phase,
        "timestamp": alert.at.as_ms(),
        "data": {
            "vault": vault,
            "kind": alert.kind.word(),
            "severity": alert.kind.severity().word(),
            "subject": alert.subject,
            "since": alert.since.as_ms(),
            "summary": alert.summary,
        },
    });
    Message {
        id: format!("alert_{}", uuid::Uuid::now_v7().simple()),
        body: body.to_string(),
    }
}

/// Sends alerts.
pub(super) struct Outbox {
    pub(super) courier: Courier,
    pub(super) clock: Clock,
    pub(super) pulse: Arc<Pulse>,
    /// How long one is tried.
    pub(super) give_up: Duration,
}

impl Outbox {
    /// Sends what comes until nothing more can come. From `stop` on each that waits is tried once more, for a short while.
    pub(super) async fn run(
        self,
        mut alerts: mpsc::Receiver<Message>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut unsent = None;
        while let Some(message) = alerts.recv().await {
            // This one and those behind it.
            show(alerts.len().saturating_add(1));
            tokio::select! {
                biased;
                () = self.send(&message) => show(alerts.len()),
                () = stopped(&mut stop) => {
                    unsent = Some(message);
                    break;
                }
            }
        }
        let rest = async {
            if let Some(message) = &unsent {
                let _ = self.courier.deliver(message, self.clock.now()).await;
            }
            while let Some(message) = alerts.recv().await {
                let _ = self.courier.deliver(&message, self.clock.now()).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }

    /// Sends one, however often that takes.
    async fn send(&self, message: &Message) {
        let began = self.clock.now();
        let mut failures = 0_u32;
        loop {
            let now = self.clock.now();
            let fault = match self.courier.deliver(message, now).await {
                Ok(()) => {
                    count("delivered");
                    return self.pulse.note_trouble(PART, None);
                }
                Err(fault) => fault,
            };
            count("failed");
            self.pulse.note_trouble(PART, Some(fault.to_string()));
            let age = Duration::from_millis(now.saturating_ms_since(began));
            if matches!(fault, DeliveryFault::Gone) || age >= self.give_up {
                return given_up(&fault.to_string());
            }
            failures = failures.saturating_add(1);
            let pause = pause_ms(failures, now.as_ms()).min(LONGEST_PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

fn show(waiting: usize) {
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    metrics::gauge!("custodyd_alert_queue").set(waiting);
}

fn count(result: &'static str) {
    metrics::counter!("custodyd_alert_deliveries_total", "result" => result).increment(1);
}

/// An alert that won't arrive.
pub(super) fn given_up(why: &str) {
    count("given_up");
    tracing::error!(why, "an alert was given up; it is in this log");
}
