//! The feed's rows held against what the journal tells. Rows that were pruned are not missed; those that are kept must be its
//! end, without a gap.

use sha2::{Digest as _, Sha256};

use super::AuditFault;
use crate::{
    feed::FeedRow,
    store::{Store, StoreError},
};

const PAGE: u32 = 1000;

/// What the journal tells, as hashes: a feed is too long to be held in memory.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(u64, [u8; 32])>);

impl Told {
    /// Takes the next row that is due.
    pub(super) fn due(&mut self, row: &FeedRow) {
        self.0.push((row.seq, digest(row)));
    }

    /// Compares with what is stored; gives how many rows there are.
    pub(super) async fn check(self, store: &Store, vault: &str) -> Result<u64, AuditFault> {
        let mut due = self.0.into_iter().peekable();
        // Pruned since the journal was read.
        if let Some((first, _)) = store.feed_first(vault, 0).await? {
            while due.next_if(|(seq, _)| *seq < first).is_some() {}
        }
        let (mut count, mut after) = (0_u64, 0);
        loop {
            let rows: Result<Vec<FeedRow>, StoreError> =
                store.feed(vault, after, u64::MAX, PAGE).await;
            let rows = rows?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in &rows {
                match due.next() {
                    Some((seq, expected)) if seq == row.seq => {
                        if digest(row) != expected {
                            return Err(fault(seq, "differs from what the journal says"));
                        }
                    }
                    Some((missing, _)) if missing < row.seq => {
                        return Err(fault(missing, "is missing"));
                    }
                    _ => return Err(fault(row.seq, "the journal knows nothing of it")),
                }
                count = count.saturating_add(1);
            }
        }
        match due.next() {
            Some((missing, _)) => Err(fault(missing, "is missing")),
            None => Ok(count),
        }
    }
}

fn fault(seq: u64, reason: &'static str) -> AuditFault {
    AuditFault::Projection {
        table: "feed",
        id: seq.to_string(),
        reason,
    }
}

/// Of all columns, each with its length before it.
fn digest(row: &FeedRow) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for number in [row.seq, row.journal_seq, row.at_ms] {
        hasher.update(number.to_be_bytes());
    }
    let texts = [Some(&row.kind), Some(&row.subject), row.withdrawal.as_ref()];
    for text in texts
        .into_iter()
        .chain([row.client.as_ref(), Some(&row.document)])
    {
        let length = text.map_or(u64::MAX, |t| u64::try_from(t.len()).unwrap_or(u64::MAX));
        hasher.update(length.to_be_bytes());
        hasher.update(text.map_or("", String::as_str));
    }
    hasher.finalize().into()
}
