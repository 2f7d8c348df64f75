//! The answer to one withdrawal: an outcome, its reasons, and the policy that gave it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::duration::Span;
use crate::instant::Timestamp;
use crate::reason::Reason;
use crate::requirement::{Listed, Requirement};

/// What a policy says about one withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What happens.
    pub outcome: Outcome,
    /// The rules and limits that decided, and the numbers they saw; in order of kind, then of id.
    pub reasons: Vec<Reason>,
    /// The policy that was asked.
    pub policy: PolicyHash,
}

/// What happens to the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It is refused for good.
    Deny,
    /// It may go, once the requirements are met and the hold time is over.
    Allow {
        /// Approvals that are needed: per group one, in order of group; empty if none.
        requirements: Vec<Requirement>,
        /// How long it is held first, in milliseconds.
        hold_ms: u64,
    },
    /// It waits for room in a limit, and is then judged anew.
    HoldForLimit {
        /// The earliest instant at which every limit that holds it has room, if nothing else is admitted.
        until: Timestamp,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny => f.write_str("denied"),
            Self::HoldForLimit { until } => write!(f, "held until {until}"),
            Self::Allow {
                requirements,
                hold_ms,
            } => {
                f.write_str("allowed")?;
                if !requirements.is_empty() {
                    write!(f, " with approval by {}", Listed(requirements))?;
                }
                if *hold_ms > 0 {
                    write!(f, ", after a hold of {}", Span(*hold_ms))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Verdict {
    /// Several lines: the outcome, and below it each reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (policy {})", self.outcome, self.policy.short())?;
        for reason in &self.reasons {
            write!(f, "\n  - {reason}")?;
        }
        Ok(())
    }
}

/// SHA-256 of a policy's source bytes; hexadecimal in text and JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

/// Not a policy's hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a policy's hash is 64 lowercase hexadecimal digits")]
pub struct PolicyHashError;

impl PolicyHash {
    /// The hash of this source.
    pub fn of(source: &str) -> Self {
        Self(Sha256::digest(source.as_bytes()).into())
    }

    /// The hash's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyHash({self})")
    }
}

impl FromStr for PolicyHash {
    type Err = PolicyHashError;

    fn from_str(text: &str) -> Result<Self, PolicyHashError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| PolicyHashError)?;
        // One spelling for one hash.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(PolicyHashError);
        }
        Ok(Self(bytes))
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PolicyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
