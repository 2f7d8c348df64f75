//! Entries of the address book.

use std::collections::BTreeSet;

use custodyd_policy::{Tag, Timestamp};

/// A destination that people agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, for people.
    pub name: String,
    /// What policy may know it by, from the start: also while it is new.
    pub tags: BTreeSet<Tag>,
    /// When it came into the address book.
    pub added_at: Timestamp,
    /// Whether the genesis has it. Those who signed that at the ceremony had their time to look at it: it is
    /// known at once.
    pub founding: bool,
}

impl Entry {
    /// Whether it is known at `at`: the cool-off is over. A cool-off that would end beyond time itself never does.
    pub fn is_known(&self, cool_off_ms: u64, at: Timestamp) -> bool {
        self.founding
            || self
                .added_at
                .checked_add_ms(cool_off_ms)
                .is_some_and(|end| end <= at)
    }
}
