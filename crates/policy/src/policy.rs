//! A parsed policy. Whatever holds one knows that its groups have people, its quorums can be met, its ids are
//! unique, each of its rules can match, and warm and cold wallets have approvers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use custodyd_chain::Asset;
use serde::{Deserialize, Serialize};

use crate::condition::{Match, Subject, When};
use crate::destinations::DestinationTerms;
use crate::facts::Tier;
use crate::fiat::FiatTerms;
use crate::governance::Governance;
use crate::ids::{CalendarId, OperatorId, RuleId};
use crate::index::Index;
use crate::limit::Limit;
use crate::requirement::{self, Groups, Organisations, People, Requirement, Shortfall};
use crate::treasury::TierTarget;
use crate::verdict::PolicyHash;

/// A policy, ready to judge. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Policy(pub(crate) Arc<Parsed>);

#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) source: String,
    pub(crate) hash: PolicyHash,
    pub(crate) people: People,
    pub(crate) calendars: BTreeMap<CalendarId, Arc<BTreeSet<u64>>>,
    pub(crate) fiat: Option<FiatTerms>,
    pub(crate) everyone: BTreeSet<OperatorId>,
    pub(crate) approval_ttl_ms: u64,
    pub(crate) destinations: DestinationTerms,
    pub(crate) governance: Governance,
    pub(crate) warm: Option<TierFloor>,
    pub(crate) cold: Option<TierFloor>,
    /// In order of id, so that verdicts list them alike however the file is ordered.
    pub(crate) rules: Vec<Rule>,
    pub(crate) rule_index: Index,
    /// In order of id.
    pub(crate) limits: Vec<Limit>,
    pub(crate) limit_index: Index,
    pub(crate) treasury: BTreeMap<(Asset, Tier), TierTarget>,
}

/// What a warm or cold wallet asks for whatever the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierFloor {
    /// Approvals; the quorum is never zero.
    pub requirement: Requirement,
    /// Hold time in milliseconds; never zero for warm wallets.
    pub hold_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) effect: Effect,
    pub(crate) when: When,
    pub(crate) require: Vec<Requirement>,
    pub(crate) hold_ms: u64,
}

/// What a rule does where it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It lets the withdrawal go, with what it asks for.
    Allow,
    /// It denies, and nothing overcomes that.
    Deny,
    /// It asks for something, and lets nothing go by itself.
    Require,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Require => "require",
        })
    }
}

impl Policy {
    /// SHA-256 of the source.
    pub fn hash(&self) -> PolicyHash {
        self.0.hash
    }

    /// The text this was parsed from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Groups and their members; none is empty.
    pub fn groups(&self) -> &Groups {
        &self.0.people.groups
    }

    /// Organisations and who of the groups belongs to them.
    pub fn organisations(&self) -> &Organisations {
        &self.0.people.organisations
    }

    /// Every operator that is in a group.
    pub fn operators(&self) -> &BTreeSet<OperatorId> {
        &self.0.everyone
    }

    /// Who may end a freeze, and who may change what.
    pub fn governance(&self) -> &Governance {
        &self.0.governance
    }

    /// What values are in and which prices count; `None` if no rule or limit is about values.
    pub fn fiat(&self) -> Option<&FiatTerms> {
        self.0.fiat.as_ref()
    }

    /// For how long an approval counts, in milliseconds.
    pub fn approval_ttl_ms(&self) -> u64 {
        self.0.approval_ttl_ms
    }

    /// For how long an address in the address book is still [`New`](crate::DestinationClass::New), in milliseconds.
    pub fn destination_cool_off_ms(&self) -> u64 {
        self.0.destinations.cool_off_ms
    }

    /// What it says about destinations.
    pub fn destinations(&self) -> &DestinationTerms {
        &self.0.destinations
    }

    /// What wallets of this tier ask for whatever the rules say: nothing for hot ones; for the others `None` means
    /// that no rule lets them pay, and verdicts deny.
    pub fn tier_floor(&self, tier: Tier) -> Option<&TierFloor> {
        match tier {
            Tier::Hot => None,
            Tier::Warm => self.0.warm.as_ref(),
            Tier::Cold => self.0.cold.as_ref(),
        }
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.0.rules.len()
    }

    /// How many limits there are.
    pub fn limit_count(&self) -> usize {
        self.0.limits.len()
    }

    /// The rules that match, or cannot be told not to, with their positions.
    pub(crate) fn rules_about<'a>(
        &'a self,
        subject: &'a Subject<'_>,
    ) -> impl Iterator<Item = (usize, &'a Rule, Match)> {
        let candidates = self.0.rule_index.candidates(subject);
        candidates.filter_map(|position| {
            let rule = self.0.rules.get(position)?;
            let found = rule.when.matches(subject);
            (found != Match::No).then_some((position, rule, found))
        })
    }

    /// The limits that a withdrawal counts towards, with their positions.
    pub(crate) fn limits_on<'a>(
        &'a self,
        subject: &'a Subject<'_>,
    ) -> impl Iterator<Item = (usize, &'a Limit)> {
        let candidates = self.0.limit_index.candidates(subject);
        candidates
            .filter_map(|position| Some((position, self.0.limits.get(position)?)))
            .filter(|(_, limit)| limit.applies(subject))
    }

    /// Whether [`Policy::satisfied`] finds nothing missing. Cheaper where too few approved: nobody fills two seats.
    pub fn is_satisfied(
        &self,
        requirements: &[Requirement],
        approvers: &BTreeSet<OperatorId>,
    ) -> bool {
        let people = u64::try_from(approvers.len()).unwrap_or(u64::MAX);
        people >= requirement::fewest(requirements)
            && self.satisfied(requirements, approvers).is_ok()
    }

    /// Whether these people's approvals meet the requirements. One person fills one seat: two of one group and one
    /// of another are three people, even where the groups overlap.
    ///
    /// # Errors
    /// The requirements that are not met, and whose approval would bring each closer. An unknown group is never met.
    pub fn satisfied(
        &self,
        requirements: &[Requirement],
        approvers: &BTreeSet<OperatorId>,
    ) -> Result<(), Vec<Shortfall>> {
        requirement::satisfied(&self.0.people, requirements, approvers)
    }
}
