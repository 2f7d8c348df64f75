//! What pages look into that takes longer than a page may: each is done once, one at a time, and kept for who asks next.

use super::{governance::Checks, journal::Audits};
use crate::http::Comparisons;

/// Audits, comparisons and checks of one process.
#[derive(Debug, Default)]
pub struct Looks {
    /// Audits of the journal that were asked for.
    pub(super) audits: Audits,
    /// What proposed policies mean beside the one in force.
    pub(super) comparisons: Comparisons,
    /// What is odd about the policy in force.
    pub(super) checks: Checks,
}
