//! How much each tier should hold of each asset. It is for people and their plans: no verdict depends on it.

use std::collections::BTreeMap;
use std::fmt;

use custodyd_chain::{Amount, Asset};

use crate::facts::Tier;
use crate::policy::Policy;

/// What one tier should hold of one asset: floor ≤ target ≤ ceiling, all in that asset, and the ceiling above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierTarget {
    /// Below this it should be refilled.
    pub floor: Amount,
    /// Where a refill or a sweep should end.
    pub target: Amount,
    /// Above this it should be swept.
    pub ceiling: Amount,
}

impl fmt::Display for TierTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (from {} to {})",
            self.target, self.floor, self.ceiling
        )
    }
}

impl Policy {
    /// What each tier should hold, by asset and tier; nothing for those that the policy doesn't name.
    pub fn treasury(&self) -> &BTreeMap<(Asset, Tier), TierTarget> {
        &self.0.treasury
    }
}
