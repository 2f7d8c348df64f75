//! Alerts on their way to the webhook: one after the other, tried again until they arrive or are too old. What has not
//! arrived when the daemon ends is in the spool, and is sent first by the next.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use custodyd_policy::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{
    Alert, Phase,
    spool::{Letter, Spool},
    stopped,
};
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
pub(super) fn letter(vault: &str, alert: &Alert) -> Letter {
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
    Letter {
        message: Message {
            id: format!("alert_{}", uuid::Uuid::now_v7().simple()),
            body: body.to_string(),
        },
        raised: alert.at,
    }
}

/// Sends alerts.
pub(super) struct Outbox {
    pub(super) courier: Courier,
    pub(super) clock: Clock,
    pub(super) pulse: Arc<Pulse>,
    /// How long one is tried.
    pub(super) give_up: Duration,
    /// What waits, for the next process.
    pub(super) spool: Option<Spool>,
    /// Whether something is in the spool alone.
    pub(super) overflow: Arc<AtomicBool>,
}

impl Outbox {
    /// Sends what was `left` and what comes, until nothing more can come. From `stop` on each that waits is tried once more,
    /// for a short while.
    pub(super) async fn run(
        self,
        left: Vec<Letter>,
        mut alerts: mpsc::Receiver<Letter>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut left = VecDeque::from(left);
        while let Some(letter) = self.next(&mut left, &mut alerts).await {
            let behind = || left.len().saturating_add(alerts.len());
            show(behind().saturating_add(1));
            tokio::select! {
                biased;
                () = self.send(&letter) => show(behind()),
                () = stopped(&mut stop) => {
                    left.push_front(letter);
                    break;
                }
            }
        }
        let rest = async {
            while let Some(Letter { message, .. }) = self.next(&mut left, &mut alerts).await {
                let sent = self.courier.deliver(&message, self.clock.now()).await;
                if sent.is_ok() {
                    self.forget(&message).await;
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }

    /// What was left comes before what came since, and that before what found no room meanwhile.
    async fn next(
        &self,
        left: &mut VecDeque<Letter>,
        alerts: &mut mpsc::Receiver<Letter>,
    ) -> Option<Letter> {
        if left.is_empty() && alerts.is_empty() && self.overflow.swap(false, Ordering::Relaxed) {
            let spool = self.spool.as_ref();
            let read = spool.map(Spool::left).unwrap_or_default();
            self.overflow.fetch_or(read.more, Ordering::Relaxed);
            left.extend(read.letters);
        }
        match left.pop_front() {
            Some(letter) => Some(letter),
            None => alerts.recv().await,
        }
    }

    /// Sends one, however often that takes.
    async fn send(&self, letter: &Letter) {
        let message = &letter.message;
        self.try_until_settled(message, letter.raised).await;
        self.forget(message).await;
    }

    async fn forget(&self, message: &Message) {
        if let Some(spool) = &self.spool {
            spool.forget(&message.id).await;
        }
    }

    async fn try_until_settled(&self, message: &Message, raised: Timestamp) {
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
            let age = Duration::from_millis(now.saturating_ms_since(raised));
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

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
