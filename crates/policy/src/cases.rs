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
//! client = "exchange"
//! at = "2026-03-04T10:00:00Z"
//!
//! [[earlier]]          # any number; what it leaves out is as in [withdrawal]
//! ago = "2h"
//! amount = "9 LTC"
//! times = 2
//!
//! [expect]
//! outcome = "deny"     # allow, with `require` and `hold`; deny; hold, with `until`
//! because = ["limit_exceeded hot-ltc-daily"]   # each is among the reasons: its code, then its rule or limit
//! ```

use std::fmt;

use custodyd_chain::{Address, Amount};
use serde::Deserialize;

use crate::duration::{DurationError, parse_duration};
use crate::facts::{DestinationClass, Facts, Tier};
use crate::ids::{ClientId, VaultId, WalletId, WithdrawalId};
use crate::instant::{Timestamp, TimestampError};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::requirement::Requirement;
use crate::verdict::{Outcome, Verdict};
use crate::window::LimitBook;

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// What the case is about.
    pub title: String,
    /// The verdict that was given.
    pub verdict: Verdict,
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
    /// More history than a case has use for.
    #[error("the case has {times} earlier withdrawals; at most {most}")]
    TooMuchHistory {
        /// As written.
        times: u64,
        /// The most.
        most: u64,
    },
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

/// The most earlier withdrawals that a case may have.
const MAX_EARLIER: u64 = 100_000;

/// Runs one case against a policy.
///
/// # Errors
/// The case is not well formed; a case that is, and fails, is a report.
pub fn run(policy: &Policy, case_toml: &str) -> Result<CaseReport, CaseError> {
    let case: Case = toml::from_str(case_toml).map_err(|refusal| CaseError::Syntax {
        line: line_of(case_toml, refusal.span().map_or(0, |span| span.start)),
        message: refusal.message().replace('\n', "; "),
    })?;
    let expected = case.expect.outcome()?;
    let (book, facts) = case.scene(policy)?;
    let verdict = policy.evaluate(&facts, &book);
    let mut mismatches = Vec::new();
    if verdict.outcome != expected {
        mismatches.push(Mismatch::Outcome {
            expected,
            found: verdict.outcome.clone(),
        });
    }
    let found: Vec<String> = verdict.reasons.iter().map(brief).collect();
    for expected in case.expect.because {
        if !found.contains(&expected) {
            let found = found.join(", ");
            mismatches.push(Mismatch::Reason { expected, found });
        }
    }
    Ok(CaseReport {
        title: case.title,
        verdict,
        mismatches,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    title: String,
    withdrawal: Withdrawal,
    #[serde(default)]
    earlier: Vec<Earlier>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    vault: VaultId,
    wallet: WalletId,
    tier: Tier,
    amount: Amount,
    destination: Address,
    class: DestinationClass,
    client: ClientId,
    at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Earlier {
    ago: String,
    amount: Amount,
    #[serde(default = "once")]
    times: u64,
    wallet: Option<WalletId>,
    tier: Option<Tier>,
    destination: Option<Address>,
    class: Option<DestinationClass>,
    client: Option<ClientId>,
}

fn once() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    outcome: ExpectedOutcome,
    #[serde(default)]
    require: Vec<Requirement>,
    hold: Option<String>,
    until: Option<String>,
    #[serde(default)]
    because: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectedOutcome {
    Allow,
    Deny,
    Hold,
}

impl Case {
    /// The book with all that was admitted earlier, in order of time, and the facts to judge.
    fn scene(&self, policy: &Policy) -> Result<(LimitBook, Facts), CaseError> {
        let now: Timestamp = self.withdrawal.at.parse()?;
        let mut admissions = Vec::new();
        let mut serial = 0_u64;
        for earlier in &self.earlier {
            let at = now.checked_sub_ms(parse_duration(&earlier.ago)?);
            let at = at.ok_or_else(|| CaseError::BeforeTheEpoch {
                ago: earlier.ago.clone(),
            })?;
            let times = serial.saturating_add(earlier.times);
            if times > MAX_EARLIER {
                let most = MAX_EARLIER;
                return Err(CaseError::TooMuchHistory { times, most });
            }
            while serial < times {
                serial = serial.saturating_add(1);
                admissions.push(self.withdrawal.earlier(earlier, serial, at));
            }
        }
        admissions.sort_by_key(|facts| facts.at);
        let mut book = LimitBook::default();
        for facts in &admissions {
            book.reserve(policy, facts);
        }
        Ok((book, self.withdrawal.facts(now)))
    }
}

impl Withdrawal {
    fn facts(&self, at: Timestamp) -> Facts {
        Facts {
            withdrawal: numbered(0),
            vault: self.vault.clone(),
            wallet: self.wallet.clone(),
            tier: self.tier,
            amount: self.amount,
            destination: self.destination.clone(),
            class: self.class,
            initiator: self.client.clone().into(),
            fiat: None,
            fee: Amount::zero(self.amount.asset()),
            destination_tier: None,
            tags: Default::default(),
            flags: Default::default(),
            resembles: None,
            call: Default::default(),
            at,
        }
    }

    fn earlier(&self, earlier: &Earlier, serial: u64, at: Timestamp) -> Facts {
        let same = self.facts(at);
        Facts {
            withdrawal: numbered(serial),
            amount: earlier.amount,
            wallet: earlier.wallet.clone().unwrap_or(same.wallet),
            tier: earlier.tier.unwrap_or(same.tier),
            destination: earlier.destination.clone().unwrap_or(same.destination),
            class: earlier.class.unwrap_or(same.class),
            initiator: earlier.client.clone().map_or(same.initiator, Into::into),
            ..same
        }
    }
}

fn numbered(serial: u64) -> WithdrawalId {
    WithdrawalId::from_bytes(u128::from(serial).to_be_bytes())
}

impl Expect {
    fn outcome(&self) -> Result<Outcome, CaseError> {
        let outcome = match self.outcome {
            ExpectedOutcome::Allow => "allow",
            ExpectedOutcome::Deny => "deny",
            ExpectedOutcome::Hold => "hold",
        };
        let is_allow = matches!(self.outcome, ExpectedOutcome::Allow);
        let is_hold = matches!(self.outcome, ExpectedOutcome::Hold);
        for (key, given, belongs) in [
            ("require", !self.require.is_empty(), is_allow),
            ("hold", self.hold.is_some(), is_allow),
            ("until", self.until.is_some(), is_hold),
        ] {
            if given && !belongs {
                return Err(CaseError::KeyWithoutOutcome { key, outcome });
            }
        }
        Ok(match self.outcome {
            ExpectedOutcome::Deny => Outcome::Deny,
            ExpectedOutcome::Hold => Outcome::HoldForLimit {
                until: match &self.until {
                    Some(until) => until.parse()?,
                    None => return Err(CaseError::HoldWithoutUntil),
                },
            },
            ExpectedOutcome::Allow => {
                let mut requirements = self.require.clone();
                requirements.sort();
                let hold_ms = match &self.hold {
                    Some(hold) => parse_duration(hold)?,
                    None => 0,
                };
                Outcome::Allow {
                    requirements,
                    hold_ms,
                }
            }
        })
    }
}
