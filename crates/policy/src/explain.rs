//! Why a verdict is what it is and nothing else: every rule and limit, also those that had no part in it, with each
//! condition and the value it saw.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::{Match, Subject};
use crate::facts::Facts;
use crate::ids::{LimitId, RuleId};
use crate::limit::Limit;
use crate::policy::{Effect, Policy};
use crate::reason::LimitCheck;
use crate::trace::{ConditionTrace, one};
use crate::verdict::Verdict;
use crate::window::LimitBook;

/// A verdict, and how every rule and limit saw the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// What [`Policy::evaluate`] says.
    pub verdict: Verdict,
    /// Every rule, in order of id.
    pub rules: Vec<RuleTrace>,
    /// Every limit, in order of id.
    pub limits: Vec<LimitTrace>,
}

/// How one rule saw a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleId,
    /// What it does where it matches.
    pub effect: Effect,
    /// Whether all conditions hold. Where that hangs on a price that is missing, it does not, and the verdict says so.
    pub matched: bool,
    /// Its conditions; without any it matches always.
    pub conditions: Vec<ConditionTrace>,
}

/// How one limit saw a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitTrace {
    /// The limit.
    pub limit: LimitId,
    /// Whether the withdrawal counts towards it. Where that hangs on a price that is missing, it does, and the verdict
    /// says so.
    pub applies: bool,
    /// Its conditions; without any it applies always.
    pub conditions: Vec<ConditionTrace>,
    /// What it counted; nothing where it does not apply or cannot count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<LimitCheck>,
}

impl Policy {
    /// The verdict of [`Policy::evaluate`] on the same, with how each rule and limit came to its part in it.
    pub fn explain(&self, facts: &Facts, book: &LimitBook) -> Explanation {
        let subject = Subject::of(facts, book.clamp(facts.at));
        let standing = book.standing(self, &subject, &facts.withdrawal);
        let rules = self.0.rules.iter().map(|rule| RuleTrace {
            rule: rule.id.clone(),
            effect: rule.effect,
            matched: rule.when.matches(&subject) == Match::Yes,
            conditions: rule.when.trace(&subject),
        });
        let limits = self.0.limits.iter().enumerate().map(|(index, limit)| {
            let counted = limit.applies(&subject) && !limit.is_unpriced(&subject);
            let standing = standing.as_ref().filter(|_| counted);
            let used = standing.map(|s| s.of(index, limit, &subject).within(subject.at));
            LimitTrace {
                limit: limit.id.clone(),
                applies: limit.applies(&subject),
                conditions: conditions(limit, &subject),
                check: used.and_then(|used| limit.check(&subject, used)),
            }
        });
        Explanation {
            verdict: self.evaluate(facts, book),
            rules: rules.collect(),
            limits: limits.collect(),
        }
    }
}

/// A limit's conditions; the asset that it is about is one.
fn conditions(limit: &Limit, subject: &Subject<'_>) -> Vec<ConditionTrace> {
    let own = limit.asset.map(|asset| BTreeSet::from([asset]));
    let asset = one("asset", own.as_ref(), Some(&subject.amount.asset()), "none");
    let others = limit.when.trace(subject).into_iter();
    let others = others.filter(|trace| asset.is_none() || trace.field != "asset");
    asset.clone().into_iter().chain(others).collect()
}

impl fmt::Display for Explanation {
    /// The verdict, and below it a line for each rule and limit: `+` what matched or applies, `-` what did not and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nrules:", self.verdict)?;
        for RuleTrace {
            rule,
            effect,
            matched,
            conditions,
        } in &self.rules
        {
            let sign = if *matched { '+' } else { '-' };
            write!(f, "\n  {sign} {rule} ({effect})")?;
            telling(f, *matched, conditions)?;
        }
        write!(f, "\nlimits:")?;
        if self.limits.is_empty() {
            f.write_str(" none")?;
        }
        for LimitTrace {
            limit,
            applies,
            conditions,
            check,
        } in &self.limits
        {
            match check {
                Some(check) => write!(f, "\n  + {check}")?,
                None => {
                    let sign = if *applies { '+' } else { '-' };
                    write!(f, "\n  {sign} {limit}")?;
                    telling(f, *applies, conditions)?;
                }
            }
        }
        Ok(())
    }
}

/// All conditions where they hold together; otherwise those that do not hold.
fn telling(
    f: &mut fmt::Formatter<'_>,
    matched: bool,
    conditions: &[ConditionTrace],
) -> fmt::Result {
    if conditions.is_empty() {
        return f.write_str(": always");
    }
    let told = conditions.iter().filter(|one| matched || !one.holds);
    for (position, condition) in told.enumerate() {
        let opening = if position == 0 { ": " } else { ", " };
        write!(f, "{opening}{condition}")?;
    }
    Ok(())
}
