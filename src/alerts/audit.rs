//! Verifying the whole journal from time to time while the daemon runs: an edit of an old row is told within that time, and
//! not at the next start.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::stopped;
use crate::{
    journal::{Anchor, JournalKey, Tip},
    store::{AuditError, Store},
};

/// What to verify.
#[derive(Debug)]
pub(super) struct Audit {
    pub(super) store: Store,
    pub(super) vault: String,
    pub(super) journal_key: JournalKey,
    pub(super) anchor: std::path::PathBuf,
}

/// What came of it: nothing, or what is wrong.
pub(super) type Found = Option<String>;

impl Audit {
    /// Verifies each `every`, first after that time, and tells what came of it, until `stop` says so.
    pub(super) async fn run(
        self,
        every: Duration,
        found: mpsc::Sender<Found>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stopped(&mut stop) => return,
            }
            let result = match self.verify().await {
                Ok(()) => {
                    let _ = found.send(None).await;
                    "sound"
                }
                // That the database doesn't answer is told elsewhere, and says nothing of the journal.
                Err(AuditError::Store(error)) => {
                    tracing::warn!(%error, "the journal could not be verified");
                    "failed"
                }
                Err(fault) => {
                    let _ = found.send(Some(fault.to_string())).await;
                    "faulty"
                }
            };
            metrics::counter!("custodyd_journal_audits_total", "result" => result).increment(1);
        }
    }

    async fn verify(&self) -> Result<(), AuditError> {
        let (vault, key) = (self.vault.as_str(), &self.journal_key);
        self.store
            .verify_journal(vault, key, Tip::START, |_| {})
            .await?;
        // After it, so that the database has whatever the anchor names.
        let anchor = Anchor::at(self.anchor.clone());
        self.store.check_anchor(vault, &anchor, key).await
    }
}
