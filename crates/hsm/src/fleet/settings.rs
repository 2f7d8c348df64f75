//! How patient a fleet is with its tokens.

use std::time::Duration;

/// Times and counts of a [`Fleet`](super::Fleet). The defaults give the first signature on another token well within a
/// second of a token's going silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSettings {
    /// A request that a token leaves unanswered for so long is sent to another one too. Grows to several times what the token
    /// usually takes, so that a slow HSM is not taken for a dead one.
    pub hedge: Duration,
    /// How often a token that is out, or failed lately, is probed. Grows up to sixteen times while it keeps failing.
    pub probe: Duration,
    /// Time for a probe.
    pub probe_limit: Duration,
    /// A token that answered nothing for so long is probed though nothing is wrong: an idle one that dies is noticed.
    pub idle: Duration,
    /// Failures in a row that take a token out.
    pub failures: u32,
    /// Good answers in a row, one request at a time, that put it back to full work.
    pub successes: u32,
    /// For how long a key that a token lacks is looked for elsewhere first.
    pub absent_for: Duration,
    /// Tokens that must show a new key before it counts as made; all that are up, where it is none.
    pub replicas: Option<usize>,
    /// How long a new key may take to reach them, within the request's own limit.
    pub replica_wait: Duration,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            hedge: Duration::from_millis(300),
            probe: Duration::from_millis(250),
            probe_limit: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            failures: 3,
            successes: 3,
            absent_for: Duration::from_secs(60),
            replicas: None,
            replica_wait: Duration::from_secs(8),
        }
    }
}
