//! Keys on a token that nobody knows: a crash between making and recording, another program's, or somebody's who had the PIN.

use custodyd_hsm::{Hsm, KeyReport};
use custodyd_vault::{KeyId, Vault};

use super::{ours, owner};

/// Tells the log and the metrics of every key that no wallet and no journal knows. A key that was asked for and is there
/// already is none: it is adopted by its CKA_ID when it would be made.
pub(in crate::cli) fn report_orphans(hsm: &dyn Hsm, vault: &Vault, journal_id: &KeyId) {
    let reports = match hsm.list() {
        Ok(reports) => reports,
        // A key of another program's that can't be read is no reason not to serve.
        Err(error) => {
            tracing::warn!(%error, "the token's keys can't be listed, so orphans go unnoticed");
            return;
        }
    };
    let orphans = orphans(&reports, vault, journal_id);
    for orphan in &orphans {
        tracing::warn!(
            id = %ours(&orphan.id), label = orphan.label, curve = %orphan.curve, public_key = %orphan.public,
            "orphan: a key on the token that no wallet knows; it is never used and never destroyed"
        );
    }
    let count = u32::try_from(orphans.len()).unwrap_or(u32::MAX);
    metrics::gauge!("custodyd_hsm_orphan_keys").set(f64::from(count));
}

fn orphans<'a>(reports: &'a [KeyReport], vault: &Vault, journal_id: &KeyId) -> Vec<&'a KeyReport> {
    let is_orphan = |report: &&KeyReport| owner(vault, journal_id, &ours(&report.id)).is_none();
    reports.iter().filter(is_orphan).collect()
}
