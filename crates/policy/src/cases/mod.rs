//! A policy's examples: a withdrawal, what was admitted before it, and the verdict that is expected. A case is a TOML
//! text that says at its head what it expects and why:
//!
//! ```toml
//! title = "what a day's limit has no room for is denied"
//!
//! [withdrawal]
//! vault = "main"
//! wallet = "hot-ltc"
//! tier = "hot"
//! amount = "3 LTC"
//! destination = "litecoin-regtest:rltc1q…"
//! class = "known"
//! client = "exchange"  # or initiator = "operator/alice"
//! at = "2026-03-04T10:00:00Z"
//! # Where they matter: fiat = "250 USD", fee = "0.001 LTC", tags = ["exchange"], flags = ["look-alike"], call = "native",
//! # destination_tier = "hot", resembles = "litecoin-regtest:rltc1q…". Left out, there is no such value, and no fee.
//!
//! [prices]             # in the policy's currency; what `fiat` is left out of is worth by them
//! LTC = "83.50"
//!
//! [[earlier]]          # any number; what it leaves out is as in [withdrawal], but for `fiat`
//! ago = "2h"           # or at = "2026-03-04T08:00:00Z"
//! amount = "9 LTC"
//! times = 2
//!
//! [expect]
//! outcome = "deny"     # allow, with `require` and `hold`; deny; hold, with `until`
//! because = ["limit_exceeded hot-ltc-daily"]   # each is among the reasons: its code, then its rule or limit
//! ```

mod coverage;
mod scene;
mod written;

use std::collections::BTreeSet;
use std::fmt;

use crate::duration::DurationError;
use crate::explain::Explanation;
use crate::ids::{LimitId, RuleId};
use crate::instant::TimestampError;
use crate::parse::one_line;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::verdict::{Outcome, Verdict};

pub use coverage::{Coverage, coverage};
pub use written::written;

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// What the case is about.
    pub title: String,
    /// The verdict that was given.
    pub verdict: Verdict,
    /// The rules that matched.
    pub matched: BTreeSet<RuleId>,
    /// The limits that it counts towards.
    pub applied: BTreeSet<LimitId>,
    /// Where it is not what was expected; empty if the case passed.
    pub mismatches: Vec<Mismatch>,
}

impl CaseReport {
    /// Whether the verdict is the one expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl fmt::Display for CaseReport {
    /// One line if it passed; otherwise what differs, and the verdict.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            return write!(f, "ok    {}", self.title);
        }
        write!(f, "FAIL  {}", self.title)?;
        for mismatch in &self.mismatches {
            write!(f, "\n  {mismatch}")?;
        }
        write!(f, "\n  the verdict was: {}", self.verdict)
    }
}

/// A difference between the verdict and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another outcome.
    #[error("expected: {expected}; got: {found}")]
    Outcome {
        /// As the case has it.
        expected: Outcome,
        /// As the policy has it.
        found: Outcome,
    },
    /// A reason that is missing.
    #[error("expected the reason \"{expected}\"; got: {found}")]
    Reason {
        /// Code, and rule or limit.
        expected: String,
        /// All reasons' codes, and rules or limits.
        found: String,
    },
}

/// A case that could not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// The parser's message.
        message: String,
    },
    /// A duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// An instant.
    #[error(transparent)]
    Instant(#[from] TimestampError),
    /// An `ago` that reaches behind 1970.
    #[error("ago = \"{ago}\" is before 1970")]
    BeforeTheEpoch {
        /// As written.
        ago: String,
    },
    /// Neither or both of `ago` and `at`.
    #[error("write when it was, once: ago = \"2h\", or at = \"2026-03-04T08:00:00Z\"")]
    EarlierWhen,
    /// More history than a case has use for.
    #[error("the case has {times} earlier withdrawals; at most {most}")]
    TooMuchHistory {
        /// As written.
        times: u64,
        /// The most.
        most: u64,
    },
    /// Neither or both of `client` and `initiator`.
    #[error("write who asks, once: client = \"exchange\", or initiator = \"operator/alice\"")]
    Initiator,
    /// A key of `[expect]` that does not belong to its outcome.
    #[error("expect: `{key}` does not go with outcome = \"{outcome}\"")]
    KeyWithoutOutcome {
        /// The key.
        key: &'static str,
        /// The outcome.
        outcome: &'static str,
    },
    /// `hold` without the instant it is until.
    #[error(
        "expect: outcome = \"hold\" needs `until`, for example until = \"2026-03-04T10:00:00Z\""
    )]
    HoldWithoutUntil,
}

/// Runs one case against a policy.
///
/// # Errors
/// The case is not well formed; a case that is, and fails, is a report.
pub fn run(policy: &Policy, case_toml: &str) -> Result<CaseReport, CaseError> {
    let case = read(case_toml)?;
    let missing = |field: &str| CaseError::Syntax {
        line: 1,
        message: format!("missing field `{field}`"),
    };
    let title = case.title.clone().ok_or_else(|| missing("title"))?;
    let expect = case.expect.as_ref().ok_or_else(|| missing("expect"))?;
    let expected = expect.outcome()?;
    let (book, facts) = case.scene(policy)?;
    let explained = policy.explain(&facts, &book);
    let verdict = explained.verdict;
    let mut mismatches = Vec::new();
    if verdict.outcome != expected {
        mismatches.push(Mismatch::Outcome {
            expected,
            found: verdict.outcome.clone(),
        });
    }
    let found: Vec<String> = verdict.reasons.iter().map(brief).collect();
    for expected in expect.because.clone() {
        if !found.contains(&expected) {
            let found = found.join(", ");
            mismatches.push(Mismatch::Reason { expected, found });
        }
    }
    Ok(CaseReport {
        title,
        verdict,
        matched: explained
            .rules
            .into_iter()
            .filter(|trace| trace.matched)
            .map(|trace| trace.rule)
            .collect(),
        applied: explained
            .limits
            .into_iter()
            .filter(|trace| trace.applies)
            .map(|trace| trace.limit)
            .collect(),
        mismatches,
    })
}

/// How a policy sees a case's withdrawal, whatever the case expects of it.
///
/// # Errors
/// The case is not well formed; it needs neither `title` nor `expect`.
pub fn explain(policy: &Policy, case_toml: &str) -> Result<Explanation, CaseError> {
    let (book, facts) = read(case_toml)?.scene(policy)?;
    Ok(policy.explain(&facts, &book))
}

fn read(case_toml: &str) -> Result<scene::Case, CaseError> {
    toml::from_str(case_toml).map_err(|refusal| CaseError::Syntax {
        line: line_of(case_toml, refusal.span().map_or(0, |span| span.start)),
        message: one_line(refusal.message()),
    })
}

/// A reason as cases write it: its code, then the rule or limit it is about.
fn brief(reason: &Reason) -> String {
    match reason.subject() {
        Some(subject) => format!("{} {subject}", reason.code()),
        None => reason.code().to_owned(),
    }
}

fn line_of(text: &str, position: usize) -> usize {
    let before = text.bytes().take(position);
    before
        .filter(|byte| *byte == b'\n')
        .count()
        .saturating_add(1)
}
