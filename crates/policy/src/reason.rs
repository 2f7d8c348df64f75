//! Why a verdict is what it is: each rule and limit that decided, with the numbers it saw. A reason has a stable
//! `code` for programs and, by `Display`, one sentence for people.

use std::fmt;

use custodyd_chain::{Address, Amount, Asset};
use serde::{Deserialize, Serialize};

use crate::duration::Span;
use crate::facts::Tier;
use crate::fiat::Fiat;
use crate::ids::{LimitId, RuleId};
use crate::instant::Timestamp;
use crate::requirement::{Listed, Requirement};

/// One reason of a verdict. In JSON its kind is `code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reason {
    /// An allow rule matched.
    RuleAllowed {
        /// The rule.
        rule: RuleId,
        /// What its conditions saw.
        saw: Vec<Observation>,
        /// Approvals it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        require: Vec<Requirement>,
        /// Hold time it asks for, in milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        hold_ms: u64,
    },
    /// A require rule matched.
    RuleRequired {
        /// The rule.
        rule: RuleId,
        /// What its conditions saw.
        saw: Vec<Observation>,
        /// Approvals it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        require: Vec<Requirement>,
        /// Hold time it asks for, in milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        hold_ms: u64,
    },
    /// A deny rule matched.
    RuleDenied {
        /// The rule.
        rule: RuleId,
        /// What its conditions saw.
        saw: Vec<Observation>,
    },
    /// No allow rule matched.
    NoRuleAllows,
    /// The destination is on the block list.
    DestinationBlocked {
        /// The destination.
        destination: Address,
    },
    /// The tier never goes without people.
    TierFloor {
        /// The wallet's tier.
        tier: Tier,
        /// Approvals that the tier asks for.
        require: Requirement,
        /// Hold time that the tier asks for, in milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        hold_ms: u64,
    },
    /// A limit applies and has room.
    LimitWithin {
        /// What the limit saw.
        check: LimitCheck,
    },
    /// A limit applies and has no room.
    LimitExceeded {
        /// What the limit saw.
        check: LimitCheck,
        /// What follows.
        on_breach: BreachKind,
        /// Approvals asked for instead, with `quorum`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        require: Vec<Requirement>,
        /// When it would fit; never, if it alone is above the limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fits_at: Option<Timestamp>,
    },
    /// Not even all operators together could give the approvals that were added up.
    ApprovalsImpossible {
        /// The approvals.
        require: Vec<Requirement>,
    },
    /// Something could not be evaluated, and what cannot be judged is denied.
    EvaluationFailed {
        /// What.
        fault: Fault,
    },
}

impl Reason {
    /// The stable name of this kind of reason, as in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RuleAllowed { .. } => "rule_allowed",
            Self::RuleRequired { .. } => "rule_required",
            Self::RuleDenied { .. } => "rule_denied",
            Self::NoRuleAllows => "no_rule_allows",
            Self::DestinationBlocked { .. } => "destination_blocked",
            Self::TierFloor { .. } => "tier_floor",
            Self::LimitWithin { .. } => "limit_within",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::ApprovalsImpossible { .. } => "approvals_impossible",
            Self::EvaluationFailed { .. } => "evaluation_failed",
        }
    }

    /// The id of the rule or limit that this is about, if it is about one.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::RuleAllowed { rule, .. }
            | Self::RuleRequired { rule, .. }
            | Self::RuleDenied { rule, .. } => Some(rule.as_str()),
            Self::LimitWithin { check } | Self::LimitExceeded { check, .. } => {
                Some(check.limit.as_str())
            }
            Self::EvaluationFailed { fault } => fault.subject(),
            Self::NoRuleAllows
            | Self::DestinationBlocked { .. }
            | Self::TierFloor { .. }
            | Self::ApprovalsImpossible { .. } => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleAllowed {
                rule,
                saw,
                require,
                hold_ms,
            } => {
                write!(f, "rule \"{rule}\" allows it{}", Because(saw))?;
                asks(f, "; it asks for", require, *hold_ms)
            }
            Self::RuleRequired {
                rule,
                saw,
                require,
                hold_ms,
            } => {
                write!(f, "rule \"{rule}\"")?;
                asks(f, " asks for", require, *hold_ms)?;
                write!(f, "{}", Because(saw))
            }
            Self::RuleDenied { rule, saw } => {
                write!(f, "rule \"{rule}\" denies it{}", Because(saw))
            }
            Self::NoRuleAllows => f.write_str("no rule allows it"),
            Self::DestinationBlocked { destination } => {
                write!(f, "destination {destination} is on the block list")
            }
            Self::TierFloor {
                tier,
                require,
                hold_ms,
            } => {
                write!(f, "a {tier} wallet")?;
                asks(f, " asks for", std::slice::from_ref(require), *hold_ms)
            }
            Self::LimitWithin { check } => write!(f, "{check}, which is within it"),
            Self::LimitExceeded {
                check,
                on_breach,
                require,
                fits_at,
            } => {
                write!(f, "{check}, which is above it")?;
                if *on_breach == BreachKind::Quorum {
                    return asks(f, "; it asks for", require, 0);
                }
                match fits_at {
                    Some(at) => write!(f, "; it would fit at {at}"),
                    None => f.write_str("; it alone is above the limit"),
                }
            }
            Self::ApprovalsImpossible { require } => write!(
                f,
                "it asks for {}, one person counting once, which all operators together could not give",
                Listed(require)
            ),
            Self::EvaluationFailed { fault } => write!(f, "it could not be judged: {fault}"),
        }
    }
}

fn asks(
    f: &mut fmt::Formatter<'_>,
    verb: &str,
    require: &[Requirement],
    hold_ms: u64,
) -> fmt::Result {
    match (require.is_empty(), hold_ms) {
        (true, 0) => Ok(()),
        (true, _) => write!(f, "{verb} a hold of {}", Span(hold_ms)),
        (false, 0) => write!(f, "{verb} {}", Listed(require)),
        (false, _) => write!(
            f,
            "{verb} {} and a hold of {}",
            Listed(require),
            Span(hold_ms)
        ),
    }
}

/// What one condition of a rule saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The condition's name in the policy, such as `amount`.
    pub field: String,
    /// The value it saw, such as `12 LTC`.
    pub saw: String,
    /// What it asks for, such as `above 10 LTC`.
    pub wanted: String,
}

struct Because<'a>(&'a [Observation]);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, seen) in self.0.iter().enumerate() {
            let opening = if position == 0 { ": " } else { ", " };
            write!(f, "{opening}{} {} is {}", seen.field, seen.saw, seen.wanted)?;
        }
        Ok(())
    }
}

/// What a limit saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCheck {
    /// The limit.
    pub limit: LimitId,
    /// What is counted apart, such as `wallet hot-1`.
    pub key: String,
    /// Used within the window, this withdrawal not counted.
    pub used: Measure,
    /// What this withdrawal adds.
    pub asked: Measure,
    /// The limit's maximum.
    pub max: Measure,
    /// The window's length in milliseconds.
    pub window_ms: u64,
}

impl fmt::Display for LimitCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "limit \"{}\" on {}: used {} + {} of at most {} in {}",
            self.limit,
            self.key,
            self.used,
            self.asked,
            self.max,
            Span(self.window_ms)
        )
    }
}

/// What a limit counts: JSON string `"8 LTC"` or `"1000 USD"`, or number of withdrawals. No currency is called like an
/// asset: such a policy is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measure {
    /// Withdrawals.
    Count(u64),
    /// An amount of one asset.
    Amount(Amount),
    /// A value in a currency, of all assets together.
    Fiat(Fiat),
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Fiat(fiat) => write!(f, "{fiat}"),
        }
    }
}

/// What follows from a limit without room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BreachKind {
    /// The withdrawal is denied.
    Deny,
    /// It waits until the window has room.
    Hold,
    /// It goes with approvals. Policies may call it `escalate` as well.
    #[serde(alias = "escalate")]
    Quorum,
}

/// Why something could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The amount is zero.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The amount is of one asset and the destination on a network of another.
    #[error("{amount} cannot be paid to {destination}")]
    AssetMismatch {
        /// The amount.
        amount: Amount,
        /// The destination.
        destination: Address,
    },
    /// The tier has no floor in this policy, and only a tier without people would be left.
    #[error("the policy names no approvers for {tier} wallets")]
    NoTierFloor {
        /// The tier.
        tier: Tier,
    },
    /// A sum is above what can exist of the asset.
    #[error("limit \"{limit}\": used and asked together are above what can exist")]
    SumOutOfRange {
        /// The limit.
        limit: LimitId,
    },
    /// An instant is outside what can be computed with.
    #[error("limit \"{limit}\": the end of its window cannot be computed")]
    TimeOutOfRange {
        /// The limit.
        limit: LimitId,
    },
    /// It would leave a cold wallet for a hot one without a stop on the way.
    #[error("it goes from a cold wallet to a hot one directly; refill by way of a warm wallet")]
    ColdToHot,
    /// A rule depends on what the amount is worth, and no fresh price says so.
    #[error("rule \"{rule}\" depends on the value of {asset}, and there is no fresh price of it")]
    RuleWithoutPrice {
        /// The rule.
        rule: RuleId,
        /// The asset that has no price.
        asset: Asset,
    },
    /// A limit depends on what the amount is worth, and no fresh price says so.
    #[error("limit \"{limit}\" depends on the value of {asset}, and there is no fresh price of it")]
    LimitWithoutPrice {
        /// The limit.
        limit: LimitId,
        /// The asset that has no price.
        asset: Asset,
    },
    /// The book holds the windows of another policy's limits, so it can't be said how much of these is used.
    #[error("what was admitted is counted for another policy's limits")]
    OtherBook,
}

impl Fault {
    fn subject(&self) -> Option<&str> {
        match self {
            Self::SumOutOfRange { limit }
            | Self::TimeOutOfRange { limit }
            | Self::LimitWithoutPrice { limit, .. } => Some(limit.as_str()),
            Self::RuleWithoutPrice { rule, .. } => Some(rule.as_str()),
            Self::ZeroAmount
            | Self::AssetMismatch { .. }
            | Self::NoTierFloor { .. }
            | Self::ColdToHot
            | Self::OtherBook => None,
        }
    }
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}
