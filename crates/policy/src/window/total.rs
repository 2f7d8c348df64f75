//! How much and how many, summed together.

use custodyd_chain::U256;

/// An amount in the unit of the limit and a number of withdrawals, summed together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) weight: U256,
    pub(crate) count: u64,
}

impl Total {
    /// One withdrawal.
    pub(crate) const fn one(weight: U256) -> Self {
        Self { weight, count: 1 }
    }

    /// Modulo 2^256 and 2^64: differences of running totals are right as long as what is inside a window fits. A
    /// weight is below 2^128, so it would take 2^128 of them at once.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            weight: self.weight.wrapping_add(other.weight),
            count: self.count.wrapping_add(other.count),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            weight: self.weight.wrapping_sub(other.weight),
            count: self.count.wrapping_sub(other.count),
        }
    }
}
