//! What is claimed of a policy, and what is assumed to exist.

use std::fmt;

use custodyd_chain::{Amount, Asset};

use crate::analysis::world::World;
use crate::condition::When;
use crate::duration::Span;
use crate::error::PolicyError;
use crate::fiat::{Currency, Fiat};
use crate::ids::{Quoted, RuleId};
use crate::parse::claims;
use crate::policy::Policy;
use crate::requirement::{Listed, Requirement};

/// Claims about one policy.
#[derive(Debug, Clone)]
pub struct Claims {
    pub(crate) world: World,
    pub(crate) claims: Vec<Claim>,
}

/// One claim.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(crate) id: RuleId,
    pub(crate) statement: Statement,
}

/// What is claimed.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    /// Every request that meets the conditions and is allowed needs at least these approvals.
    Requires {
        when: When,
        at_least: Vec<Requirement>,
    },
    /// No request that meets the conditions is ever allowed.
    Never { when: When },
    /// No more than this leaves in any window of a length, whoever colludes.
    Outflow(Outflow),
}

/// A bound on what leaves.
#[derive(Debug, Clone)]
pub(crate) struct Outflow {
    /// Milliseconds.
    pub(crate) window_ms: u64,
    pub(crate) operators: usize,
    pub(crate) clients: usize,
    pub(crate) at_most: Bound,
}

/// How much may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Amount(Amount),
    Fiat(Fiat),
}

impl Bound {
    pub(crate) fn asset(self) -> Option<Asset> {
        match self {
            Self::Amount(amount) => Some(amount.asset()),
            Self::Fiat(_) => None,
        }
    }

    pub(crate) fn currency(self) -> Option<Currency> {
        match self {
            Self::Amount(_) => None,
            Self::Fiat(fiat) => Some(fiat.currency),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => amount.fmt(f),
            Self::Fiat(fiat) => fiat.fmt(f),
        }
    }
}

/// Claims that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not TOML, an unknown or missing key, a value of the wrong type, a condition that can't hold, an unknown group.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A key that does not belong to the claim.
    #[error("line {line}: claim \"{claim}\": `{key}` does not go with claim = \"{kind}\"")]
    KeyWithoutKind {
        /// Counted from 1.
        line: usize,
        /// The claim.
        claim: RuleId,
        /// The key.
        key: &'static str,
        /// What is claimed.
        kind: &'static str,
    },
    /// A key that the claim needs.
    #[error(
        "line {line}: claim \"{claim}\": claim = \"{kind}\" needs `{key}`, for example {example}"
    )]
    Missing {
        /// Counted from 1.
        line: usize,
        /// The claim.
        claim: RuleId,
        /// The key.
        key: &'static str,
        /// What is claimed.
        kind: &'static str,
        /// How to write it.
        example: &'static str,
    },
    /// A bound, price or duration that can't be read.
    #[error("line {line}: {found} is no {wanted}")]
    Value {
        /// Counted from 1.
        line: usize,
        /// The rejected text.
        found: Quoted,
        /// What to write.
        wanted: &'static str,
    },
    /// Two claims, wallets or prices by one name.
    #[error("line {line}: \"{name}\" is written twice")]
    Twice {
        /// Counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// More colluding people than this is worked out for.
    #[error("line {line}: {found} colluding {who}; at most {most} are looked at")]
    TooMany {
        /// Counted from 1.
        line: usize,
        /// As written.
        found: usize,
        /// Who.
        who: &'static str,
        /// The most.
        most: usize,
    },
    /// There is nothing to prove.
    #[error("the file claims nothing; write a [[prove]] table")]
    Empty,
}

impl Claims {
    /// Reads the claims that are made about a policy.
    ///
    /// # Errors
    /// The first fault that was found, with its line.
    pub fn parse(policy: &Policy, source: &str) -> Result<Self, ClaimError> {
        claims::read(policy, source)
    }

    /// The claims, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether there are none. A file of claims has at least one.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }
}

impl Claim {
    /// What it is called.
    pub fn id(&self) -> &RuleId {
        &self.id
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.statement {
            Statement::Requires { at_least, .. } => {
                write!(f, "what it is about needs at least {}", Listed(at_least))
            }
            Statement::Never { .. } => f.write_str("what it is about is never allowed"),
            Statement::Outflow(outflow) => write!(
                f,
                "at most {} leaves in any {}, whichever {} operators and {} clients collude",
                outflow.at_most,
                Span(outflow.window_ms),
                outflow.operators,
                outflow.clients
            ),
        }
    }
}
