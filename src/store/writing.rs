//! Whether writes succeed. Reads go on when a disk is full, so they tell nothing of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a failed write is remembered when no later one succeeds. What is outstanding tries again within 15 s; when
/// nothing is, the next request must be let in to find out.
const MEMORY: Duration = Duration::from_secs(20);

/// The last write, if it failed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Writing(Arc<Mutex<Option<(Instant, String)>>>);

impl Writing {
    /// Takes note of how a write ended: `None` for well, or why the database did not take it.
    pub(super) fn note(&self, failure: Option<String>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = failure.map(|what| (Instant::now(), what));
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .filter(|(at, _)| at.elapsed() < MEMORY)
            .map(|(_, what)| what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_is_remembered_until_one_succeeds() {
        let writing = Writing::default();
        assert_eq!(writing.trouble(), None);
        writing.note(Some("full".to_owned()));
        assert_eq!(writing.clone().trouble().as_deref(), Some("full"));
        writing.note(None);
        assert_eq!(writing.trouble(), None);
    }
}
