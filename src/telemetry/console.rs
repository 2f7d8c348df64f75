//! What the console counts. Its parts call these and name no metric themselves.

use metrics::{counter, gauge};

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// A session began.
    Taken,
    /// The passkey, its assertion or the operator was refused.
    Refused,
    /// Not looked at: too many came before.
    Throttled,
}

/// What an act is signed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// An act without a statement of its own.
    Act,
    /// A decision on a withdrawal.
    Approval,
    /// A decision on a proposal.
    Governance,
}

const LOGINS: [(Login, &str); 3] = [
    (Login::Taken, "taken"),
    (Login::Refused, "refused"),
    (Login::Throttled, "throttled"),
];
const ACTS: [(ActKind, &str); 3] = [
    (ActKind::Act, "act"),
    (ActKind::Approval, "approval"),
    (ActKind::Governance, "governance"),
];
/// Whether something was taken.
const RESULTS: [(bool, &str); 2] = [(true, "taken"), (false, "refused")];

fn word<T: PartialEq, const N: usize>(words: &[(T, &'static str); N], value: &T) -> &'static str {
    let found = words.iter().find(|(each, _)| each == value);
    found.map_or("other", |(_, word)| word)
}

/// Somebody tried to log in.
pub fn login(result: Login) {
    counter!("custodyd_console_logins_total", "result" => word(&LOGINS, &result)).increment(1);
}

/// An act was handed in, and the engine took it or not.
pub fn act(kind: ActKind, taken: bool) {
    let (kind, result) = (word(&ACTS, &kind), word(&RESULTS, &taken));
    counter!("custodyd_console_acts_total", "kind" => kind, "result" => result).increment(1);
}

/// Somebody tried to enrol a passkey.
pub fn enrolment(taken: bool) {
    counter!("custodyd_console_enrolments_total", "result" => word(&RESULTS, &taken)).increment(1);
}

/// How many sessions live.
pub fn sessions(living: usize) {
    gauge!("custodyd_console_sessions").set(u32::try_from(living).unwrap_or(u32::MAX));
}

/// Every series begins at nothing.
pub(super) fn begin() {
    sessions(0);
    counter!("custodyd_console_copied_passkeys_total").increment(0);
    for (_, result) in LOGINS {
        counter!("custodyd_console_logins_total", "result" => result).increment(0);
    }
    for (_, result) in RESULTS {
        counter!("custodyd_console_enrolments_total", "result" => result).increment(0);
        for (_, kind) in ACTS {
            counter!("custodyd_console_acts_total", "kind" => kind, "result" => result)
                .increment(0);
        }
    }
}
