//! Who may change what, and how long others have to object. What is neither named nor covered by a default cannot be
//! changed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::{Parsed, Policy};
use crate::requirement::Requirement;

/// What a proposal may change, in parts that a policy can entrust to different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The policy's rules.
    Rules,
    /// The policy's limits, and how much its tiers should hold.
    Limits,
    /// The policy's groups and organisations.
    Groups,
    /// Everything else of the policy: governance itself, tiers, approvals, destinations, fiat and calendars.
    Governance,
    /// Operators and their credentials.
    Operators,
    /// Clients, their keys and scopes.
    Clients,
    /// Known destinations and their tags.
    AddressBook,
    /// Destinations that are never paid.
    BlockList,
    /// Wallets and their settings.
    Wallets,
}

impl ChangeKind {
    /// All kinds, in their order.
    pub const ALL: [Self; 9] = [
        Self::Rules,
        Self::Limits,
        Self::Groups,
        Self::Governance,
        Self::Operators,
        Self::Clients,
        Self::AddressBook,
        Self::BlockList,
        Self::Wallets,
    ];

    /// The kind's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Limits => "limits",
            Self::Groups => "groups",
            Self::Governance => "governance",
            Self::Operators => "operators",
            Self::Clients => "clients",
            Self::AddressBook => "address-book",
            Self::BlockList => "block-list",
            Self::Wallets => "wallets",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one kind of change takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRule {
    /// Approvals; never empty.
    pub require: Vec<Requirement>,
    /// How long after the last approval it takes effect, in milliseconds; until then it can be vetoed.
    pub delay_ms: u64,
}

/// Below what no kind of change may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernanceFloor {
    /// So many different people at least, whichever way the approvals are given; never zero.
    pub people: u32,
    /// So long a delay at least, in milliseconds.
    pub delay_ms: u64,
}

impl Default for GovernanceFloor {
    /// Two people, and no delay.
    fn default() -> Self {
        Self {
            people: 2,
            delay_ms: 0,
        }
    }
}

/// Who may change what the policy itself protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// Approvals that end a freeze; never empty.
    pub unfreeze: Vec<Requirement>,
    pub(crate) floor: GovernanceFloor,
    /// The default is written out for every kind that it covers, so that two spellings of one governance are equal.
    pub(crate) changes: BTreeMap<ChangeKind, ChangeRule>,
}

impl Governance {
    /// What this kind of change takes; `None` if it cannot be made. Not below [`Governance::floor`].
    pub fn change(&self, kind: ChangeKind) -> Option<&ChangeRule> {
        self.changes.get(&kind)
    }

    /// Below what no kind of change goes.
    pub fn floor(&self) -> GovernanceFloor {
        self.floor
    }
}

impl Policy {
    /// The kinds of change that lead from this policy to the other. A text that differs only in comments, order or
    /// spelling counts as a change of the rules, because somebody has to look at it; the same text is no change. A
    /// calendar is part of the conditions that name it: changing it changes those as well.
    pub fn kinds_changed(&self, other: &Self) -> BTreeSet<ChangeKind> {
        let (old, new): (&Parsed, &Parsed) = (&self.0, &other.0);
        let same_rest = old.governance == new.governance
            && (&old.warm, &old.cold) == (&new.warm, &new.cold)
            && (&old.fiat, &old.calendars) == (&new.fiat, &new.calendars)
            && old.approval_ttl_ms == new.approval_ttl_ms
            && old.destinations == new.destinations;
        let parts = [
            (ChangeKind::Rules, old.rules == new.rules),
            (
                ChangeKind::Limits,
                old.limits == new.limits && old.treasury == new.treasury,
            ),
            (ChangeKind::Groups, old.people == new.people),
            (ChangeKind::Governance, same_rest),
        ];
        let changed = parts.into_iter().filter(|(_, same)| !same);
        let mut kinds: BTreeSet<ChangeKind> = changed.map(|(kind, _)| kind).collect();
        if kinds.is_empty() && old.hash != new.hash {
            kinds.insert(ChangeKind::Rules);
        }
        kinds
    }
}
