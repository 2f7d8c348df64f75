//! What the policy says about destinations: when one is new, what resembles another, what a probe looks like, and which
//! are screened by somebody else first. Only settings: the vault looks, and tells the rules by class and
//! [`Flag`](crate::Flag).

use std::collections::BTreeSet;

use crate::duration::{DAY_MS, SECOND_MS};
use crate::facts::DestinationClass;

/// Characters that may be compared at either end of an address.
pub(crate) const MAX_COMPARED: u8 = 16;
/// Characters that must be compared at least, both ends together: with fewer, addresses of strangers meet by chance.
pub(crate) const MIN_COMPARED: u8 = 4;
/// The longest window in which a small payment counts as a probe: earlier payments are not kept for it.
pub const MAX_PROBE_WINDOW_MS: u64 = 30 * DAY_MS;
/// The most that `probe.times` may be.
pub(crate) const MAX_PROBE_TIMES: u64 = 1_000_000;
/// The longest a screening may take.
pub(crate) const MAX_SCREENING_MS: u64 = 600 * SECOND_MS;

/// `[destinations]` of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationTerms {
    /// For how long an address in the address book is still new, in milliseconds.
    pub cool_off_ms: u64,
    /// What resembles another address.
    pub look_alike: LookAlike,
    /// What a probe is.
    pub probe: Probe,
    /// Which withdrawals are screened, if any.
    pub screening: Option<Screening>,
}

impl Default for DestinationTerms {
    fn default() -> Self {
        Self {
            cool_off_ms: DAY_MS,
            look_alike: LookAlike::default(),
            probe: Probe::default(),
            screening: None,
        }
    }
}

/// How many characters make two addresses look alike: as many as wallets show of an address that they shorten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookAlike {
    /// Leading ones, after what every address of the kind begins with (`bc1q`, `0x`).
    pub prefix: u8,
    /// Trailing ones.
    pub suffix: u8,
}

impl Default for LookAlike {
    fn default() -> Self {
        Self {
            prefix: 4,
            suffix: 4,
        }
    }
}

/// A small payment, and soon after it a large one to the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// How soon, in milliseconds; at most [`MAX_PROBE_WINDOW_MS`].
    pub window_ms: u64,
    /// How many times the small one the large one is at least; at least 2.
    pub times: u64,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            window_ms: DAY_MS,
            times: 10,
        }
    }
}

/// Withdrawals that somebody else is asked about. They can refuse, and never allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screening {
    /// Which destinations; never empty.
    pub required_for: BTreeSet<DestinationClass>,
    /// How long an answer may take, in milliseconds; without one the withdrawal is denied.
    pub deadline_ms: u64,
}
