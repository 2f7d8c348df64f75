//! The rows that are about the past and not about the state: samples and the index of subjects. An engine keeps them as it
//! goes; a walk over the journal finds the same.

use std::collections::BTreeSet;

use custodyd_vault::{Recorded, Vault};

use super::{
    samples::{SampleWalk, Samples},
    subjects::{SubjectWalk, subjects},
};
use crate::store::{Projection, Store, StoreError};

/// What an engine remembers from commit to commit, and of the commit under way.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: Samples,
    subjects: BTreeSet<String>,
}

impl History {
    /// Takes an event of the commit under way in; `before` is the vault before it.
    pub(super) fn see(&mut self, before: &Vault, recorded: &Recorded) {
        // Its rows were written by the commits of those ten minutes.
        drop(self.samples.see(before, recorded));
        self.subjects.extend(subjects(&recorded.event));
    }

    /// The rows of the commit whose head is at `head_seq`.
    pub(super) fn take(&mut self, vault: &Vault, head_seq: u64) -> Vec<Projection> {
        let mut rows = self.samples.take(vault);
        let found = std::mem::take(&mut self.subjects).into_iter();
        rows.extend(found.map(|subject| Projection::Subject { subject, head_seq }));
        rows
    }
}

/// A walk over a whole journal.
#[derive(Debug)]
pub struct HistoryWalk {
    samples: SampleWalk,
    subjects: SubjectWalk,
}

impl HistoryWalk {
    /// Of a vault's journal as far as it is signed now.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(store: &Store, vault: &str) -> Result<Self, StoreError> {
        let (mut heads, mut after) = (Vec::new(), 0);
        loop {
            let page = store.heads(vault, after, 512).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            heads.extend(page.iter().map(|head| head.seq));
        }
        Ok(Self {
            samples: SampleWalk::default(),
            subjects: SubjectWalk::new(heads),
        })
    }

    /// Takes the next event in; the first one has no vault before it.
    pub fn see(&mut self, before: Option<&Vault>, recorded: &Recorded) {
        self.samples.see(before, recorded);
        self.subjects.see(recorded);
    }

    /// The rows that the journal calls for, ending with this vault and a head of `now_ms`.
    pub fn ended(self, vault: &Vault, now_ms: u64) -> Vec<Projection> {
        self.go_on(vault, now_ms).0
    }

    /// The same, and what an engine goes on from.
    pub(super) fn go_on(self, vault: &Vault, now_ms: u64) -> (Vec<Projection>, History) {
        let (mut rows, samples) = self.samples.ended(vault, now_ms);
        rows.extend(self.subjects.ended());
        let history = History {
            samples,
            subjects: BTreeSet::new(),
        };
        (rows, history)
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
