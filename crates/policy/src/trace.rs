//! Condition by condition: what it saw, what it asks for, and whether it holds.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::{Subject, When};
use crate::reason::Observation;

/// What one condition of a rule or limit saw, whether or not it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionTrace {
    /// The condition's name in the policy, such as `amount`.
    pub field: String,
    /// The value it saw, such as `12 LTC`.
    pub saw: String,
    /// What it asks for, such as `above 10 LTC`.
    pub wanted: String,
    /// Whether it holds. A condition that cannot be told does not.
    pub holds: bool,
}

impl fmt::Display for ConditionTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = if self.holds { "is" } else { "is not" };
        write!(f, "{} {} {is} {}", self.field, self.saw, self.wanted)
    }
}

impl When {
    /// What the conditions saw in a subject that they match.
    pub(crate) fn observe(&self, subject: &Subject<'_>) -> Vec<Observation> {
        let seen = self.trace(subject).into_iter();
        seen.map(|seen| Observation {
            field: seen.field,
            saw: seen.saw,
            wanted: seen.wanted,
        })
        .collect()
    }

    /// Every condition that is given.
    pub(crate) fn trace(&self, subject: &Subject<'_>) -> Vec<ConditionTrace> {
        let network = subject.destination.network();
        let traces = [
            one("tier", self.tier.as_ref(), Some(&subject.tier), "none"),
            one(
                "asset",
                self.asset.as_ref(),
                Some(&subject.amount.asset()),
                "none",
            ),
            one(
                "destination",
                self.destination.as_ref(),
                Some(&subject.class),
                "none",
            ),
            one("chain", self.chain.as_ref(), Some(&network), "none"),
            one(
                "initiator",
                self.initiator.as_ref(),
                Some(subject.initiator),
                "nobody",
            ),
            one("call", self.call.as_ref(), Some(&subject.call), "none"),
            one(
                "destination_tier",
                self.destination_tier.as_ref(),
                subject.destination_tier.as_ref(),
                "none of ours",
            ),
            several("tag", self.tag.as_ref(), subject.tags),
            several("flag", self.flag.as_ref(), subject.flags),
            self.amount.as_ref().map(|range| ConditionTrace {
                field: "amount".to_owned(),
                saw: subject.amount.to_string(),
                wanted: range.to_string(),
                holds: range.contains(&subject.amount),
            }),
            self.fiat.as_ref().map(|range| ConditionTrace {
                field: "fiat".to_owned(),
                saw: match subject.fiat {
                    Some(value) => value.to_string(),
                    None => "unknown for want of a fresh price".to_owned(),
                },
                wanted: range.to_string(),
                holds: range.contains(subject.fiat) == Some(true),
            }),
            self.fee.as_ref().map(|range| ConditionTrace {
                field: "fee".to_owned(),
                saw: subject.fee.to_string(),
                wanted: range.to_string(),
                holds: range.contains(&subject.fee),
            }),
            one("wallet", self.wallet.as_ref(), Some(subject.wallet), "none"),
            one(
                "client",
                self.client.as_ref(),
                subject.initiator.client(),
                "none",
            ),
            self.hours.as_ref().map(|hours| ConditionTrace {
                field: "time".to_owned(),
                saw: hours.describe(subject.at),
                wanted: hours.to_string(),
                holds: hours.contains(subject.at),
            }),
        ];
        traces.into_iter().flatten().collect()
    }
}

/// A condition on one value, which may be absent.
pub(crate) fn one<T: Ord + fmt::Display>(
    field: &str,
    wanted: Option<&BTreeSet<T>>,
    value: Option<&T>,
    absent: &str,
) -> Option<ConditionTrace> {
    let set = wanted?;
    Some(ConditionTrace {
        field: field.to_owned(),
        saw: value.map_or_else(|| absent.to_owned(), T::to_string),
        wanted: listed(set),
        holds: value.is_some_and(|value| set.contains(value)),
    })
}

/// A condition on any of several values.
fn several<T: Ord + fmt::Display>(
    field: &str,
    wanted: Option<&BTreeSet<T>>,
    values: &BTreeSet<T>,
) -> Option<ConditionTrace> {
    let set = wanted?;
    let saw: Vec<_> = values.iter().map(T::to_string).collect();
    Some(ConditionTrace {
        field: field.to_owned(),
        saw: match saw.is_empty() {
            true => "none".to_owned(),
            false => saw.join(", "),
        },
        wanted: listed(set),
        holds: !set.is_disjoint(values),
    })
}

/// A list of a hundred wallets is not repeated in every verdict.
fn listed<T: fmt::Display>(set: &BTreeSet<T>) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<_> = set.iter().take(SHOWN).map(T::to_string).collect();
    if set.len() > SHOWN {
        names.push(format!("{} more", set.len().saturating_sub(SHOWN)));
    }
    let names = names.join(", ");
    if set.len() == 1 {
        names
    } else {
        format!("one of {names}")
    }
}
