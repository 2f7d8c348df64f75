//! From TOML text to a policy, strictly: whatever is unknown, contradictory or without effect is refused, with its
//! line and with what to write instead.

mod condition;
mod limit;
mod requirement;
mod rule;
mod syntax;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::error::{MAX_POLICY_BYTES, Place, PolicyError, PolicyFault};
use crate::facts::Tier;
use crate::policy::{Effect, Governance, Parsed, Policy, TierFloor};
use crate::requirement::{Groups, Requirement};
use crate::time::{DAY_MS, HOUR_MS, parse_duration};
use crate::verdict::PolicyHash;

/// Levels of tables and lists, more than a policy has use for and few enough for any stack.
const MAX_DEPTH: usize = 16;
/// How long an approval counts where the policy does not say.
const DEFAULT_APPROVAL_TTL_MS: u64 = DAY_MS;
/// How long an address is new where the policy does not say.
const DEFAULT_COOL_OFF_MS: u64 = DAY_MS;
/// How many approve a warm or cold withdrawal where the policy does not say.
const DEFAULT_FLOOR_QUORUM: u32 = 2;
/// How long a warm withdrawal can be cancelled where the policy does not say.
const DEFAULT_WARM_HOLD_MS: u64 = HOUR_MS;

impl Policy {
    /// Parses and checks a policy.
    ///
    /// # Errors
    /// The first fault that was found, with its line.
    pub fn parse(source: &str) -> Result<Self, PolicyError> {
        let file = read(source)?;
        let parser = Parser {
            source,
            groups: groups(source, file.groups)?,
        };
        parser.policy(Sections {
            version: file.version,
            approvals: file.approvals,
            destinations: file.destinations,
            governance: file.governance,
            tiers: file.tiers,
            rules: file.rules,
            limits: file.limits,
        })
    }
}

/// What remains of a file once its groups are read.
struct Sections {
    version: Spanned<i64>,
    approvals: syntax::Approvals,
    destinations: syntax::Destinations,
    governance: syntax::Governance,
    tiers: syntax::Tiers,
    rules: Vec<Spanned<syntax::Rule>>,
    limits: Vec<Spanned<syntax::Limit>>,
}

/// What each part of the file is read against.
struct Parser<'a> {
    source: &'a str,
    groups: Groups,
}
