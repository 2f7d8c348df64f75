//! Which rules and limits the cases touch, and which nobody has tried.

use std::collections::BTreeSet;
use std::fmt;

use super::CaseReport;
use crate::ids::{LimitId, RuleId};
use crate::policy::Policy;

/// What a set of cases touches of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// How many rules there are.
    pub rules: usize,
    /// How many limits there are.
    pub limits: usize,
    /// The rules that match in no case.
    pub untouched_rules: BTreeSet<RuleId>,
    /// The limits that no case counts towards.
    pub untouched_limits: BTreeSet<LimitId>,
}

impl Coverage {
    /// Whether every rule and limit is touched.
    pub fn is_complete(&self) -> bool {
        self.untouched_rules.is_empty() && self.untouched_limits.is_empty()
    }
}

/// What these cases touched of the policy that they ran against.
pub fn coverage<'a>(
    policy: &Policy,
    reports: impl IntoIterator<Item = &'a CaseReport>,
) -> Coverage {
    let rules = policy.0.rules.iter().map(|rule| rule.id.clone());
    let limits = policy.0.limits.iter().map(|limit| limit.id.clone());
    let mut coverage = Coverage {
        rules: policy.rule_count(),
        limits: policy.limit_count(),
        untouched_rules: rules.collect(),
        untouched_limits: limits.collect(),
    };
    for report in reports {
        coverage
            .untouched_rules
            .retain(|id| !report.matched.contains(id));
        coverage
            .untouched_limits
            .retain(|id| !report.applied.contains(id));
    }
    coverage
}

impl fmt::Display for Coverage {
    /// A line with numbers, and one for each kind of which something is left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let touched = |all: usize, left: usize| all.saturating_sub(left);
        write!(
            f,
            "touched {} of {} rules and {} of {} limits",
            touched(self.rules, self.untouched_rules.len()),
            self.rules,
            touched(self.limits, self.untouched_limits.len()),
            self.limits
        )?;
        left(f, "rules", &self.untouched_rules)?;
        left(f, "limits", &self.untouched_limits)
    }
}

fn left<T: fmt::Display>(f: &mut fmt::Formatter<'_>, what: &str, ids: &BTreeSet<T>) -> fmt::Result {
    for (position, id) in ids.iter().enumerate() {
        let opening = if position == 0 {
            format!("\n{what} that no case touches: ")
        } else {
            ", ".to_owned()
        };
        write!(f, "{opening}{id}")?;
    }
    Ok(())
}
