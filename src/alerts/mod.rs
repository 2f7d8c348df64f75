//! Alerts: what somebody must hear of without looking. The engine hands over facts and never waits ([`Alerts`]); one task
//! ([`Watch`]) looks at them, at parts and at the vault, and has a pure core ([`Detector`]) say what is to be told; it goes to
//! the log, to the metrics, and to the webhook of `[alerts]` where there is one.

mod audit;
mod burst;
mod coins;
mod detect;
mod fact;
mod incident;
mod kind;
mod outbox;
#[cfg(test)]
mod reconciliation_tests;
mod sight;
mod spool;
mod watch;

use tokio::sync::{mpsc, watch as signal};

pub use detect::{Alert, Condition, Detector, Phase, Thresholds};
pub use fact::Fact;
pub use kind::{Kind, Severity};
pub use sight::VaultSight;
pub use watch::{Subjects, Watch};

/// Batches of facts that may wait; past it they are dropped and counted.
const QUEUE: usize = 1_024;

/// Where facts are handed in. Clones share the queue. Handing in never waits, and nobody need be there.
#[derive(Debug, Clone, Default)]
pub struct Alerts(Option<mpsc::Sender<Vec<Fact>>>);

/// Where facts come out.
#[derive(Debug)]
pub struct Facts(mpsc::Receiver<Vec<Fact>>);

impl Alerts {
    /// A queue for facts.
    pub fn queue() -> (Self, Facts) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(Some(sender)), Facts(receiver))
    }

    /// These happened.
    pub fn see(&self, facts: Vec<Fact>) {
        let Some(queue) = self.0.as_ref().filter(|_| !facts.is_empty()) else {
            return;
        };
        if queue.try_send(facts).is_err() {
            metrics::counter!("custodyd_alert_facts_dropped_total").increment(1);
        }
    }
}

/// Until the daemon stops.
async fn stopped(stop: &mut signal::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await.map(|_| ()));
}
