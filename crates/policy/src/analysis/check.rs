//! What is odd about a policy that parses: rules and limits without effect, requests that nothing allows, approvals that
//! nobody can give, changes that nobody can make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use custodyd_chain::Asset;
use serde::Serialize;

use crate::analysis::axes::{GOAL, SOURCE};
use crate::analysis::model::{Leaf, Model, Role, Standing, TooManyRegions};
use crate::analysis::sameness::{binding, meanings, same_standing};
use crate::analysis::space::Space;
use crate::analysis::world::World;
use crate::facts::{DestinationClass, Tier};
use crate::governance::ChangeKind;
use crate::ids::{GroupId, LimitId, RuleId};
use crate::policy::{Effect, Policy, Rule};
use crate::requirement::Requirement;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It can't have been meant.
    Error,
    /// It was probably not meant.
    Warning,
    /// It is so, and may well be meant.
    Note,
}

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// No request meets the rule's conditions.
    RuleNeverMatches {
        /// The rule.
        rule: RuleId,
    },
    /// Whatever the rule matches is denied, with or without it.
    RuleAlwaysDenied {
        /// The rule.
        rule: RuleId,
    },
    /// The verdict on every request is the same without the rule.
    RuleShadowed {
        /// The rule.
        rule: RuleId,
        /// Whether it denies: then it may be there to stay when others change.
        denies: bool,
    },
    /// No allowed request counts towards the limit.
    LimitCountsNothing {
        /// The limit.
        limit: LimitId,
    },
    /// Another limit is always reached first.
    LimitNeverBinds {
        /// The limit.
        limit: LimitId,
    },
    /// Rules together ask for approvals that all operators together could not give.
    ApprovalsImpossible {
        /// Which requests, in words.
        requests: String,
    },
    /// No requirement asks for anybody of the group.
    GroupNotAsked {
        /// The group.
        group: GroupId,
    },
    /// Nobody can make this kind of change.
    ChangeImpossible {
        /// The kind.
        kind: ChangeKind,
    },
    /// Nothing is ever allowed from these wallets to these destinations.
    Gap {
        /// The wallets' tier.
        tier: Tier,
        /// The asset.
        asset: Asset,
        /// The classes of destination.
        destinations: Vec<DestinationClass>,
    },
}

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::RuleNeverMatches { .. } => Severity::Error,
            Self::RuleShadowed { denies: true, .. } | Self::Gap { .. } => Severity::Note,
            Self::RuleAlwaysDenied { .. }
            | Self::RuleShadowed { .. }
            | Self::LimitCountsNothing { .. }
            | Self::LimitNeverBinds { .. }
            | Self::ApprovalsImpossible { .. }
            | Self::GroupNotAsked { .. }
            | Self::ChangeImpossible { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity())?;
        match self {
            Self::RuleNeverMatches { rule } => write!(f, "rule \"{rule}\" matches no request"),
            Self::RuleAlwaysDenied { rule } => {
                write!(
                    f,
                    "rule \"{rule}\" has no effect: whatever it matches is denied"
                )
            }
            Self::RuleShadowed { rule, .. } => {
                write!(
                    f,
                    "rule \"{rule}\" has no effect: every verdict is the same without it"
                )
            }
            Self::LimitCountsNothing { limit } => {
                write!(
                    f,
                    "limit \"{limit}\" counts nothing: no request it is about is allowed"
                )
            }
            Self::LimitNeverBinds { limit } => {
                write!(
                    f,
                    "limit \"{limit}\" never binds: another limit always does first"
                )
            }
            Self::ApprovalsImpossible { requests } => write!(
                f,
                "rules together ask for more than all operators could give, so these are denied: {requests}"
            ),
            Self::GroupNotAsked { group } => write!(f, "group \"{group}\" is never asked"),
            Self::ChangeImpossible { kind } => write!(
                f,
                "nobody can change {kind}: [governance.changes] has neither \"{kind}\" nor \"default\""
            ),
            Self::Gap {
                tier,
                asset,
                destinations,
            } => {
                let names: Vec<&str> = destinations.iter().map(|class| class.as_str()).collect();
                write!(
                    f,
                    "nothing allows {asset} from {tier} wallets to {} destinations",
                    names.join(" or ")
                )
            }
        }
    }
}

/// What is odd about a policy, the worst first.
///
/// # Errors
/// Its conditions cut requests into more regions than are looked at.
pub fn check(policy: &Policy) -> Result<Vec<Finding>, TooManyRegions> {
    let space = Space::new(&[policy], &[], &World::default());
    let model = Model::new(policy, &space).with_empty_windows(&space);
    let mut findings = Vec::new();
    for (number, rule) in policy.0.rules.iter().enumerate() {
        findings.extend(of_rule(&space, &model, number, rule)?);
    }
    of_limits(&space, policy, &mut findings)?;
    of_regions(&space, &model, &mut findings)?;
    of_people(policy, &mut findings);
    findings.sort_by_key(Finding::severity);
    Ok(findings)
}

/// Whether a rule has an effect on any request that it matches.
fn of_rule(
    space: &Space,
    model: &Model<'_>,
    number: usize,
    rule: &Rule,
) -> Result<Option<Finding>, TooManyRegions> {
    let compiled = space.compile(&rule.when, None);
    let id = || rule.id.clone();
    if compiled.holds.is_empty() {
        return Ok(Some(Finding::RuleNeverMatches { rule: id() }));
    }
    let without = model.without_rule(number);
    let (mut matters, mut denied) = (false, true);
    for start in compiled
        .holds
        .iter()
        .flat_map(|clause| clause.parts(&space.all()))
    {
        let mut failed = None;
        without.walk(&start, &|_| true, &mut |other: Leaf<'_>| {
            let walked = model.walk(other.region, &|_| true, &mut |leaf: Leaf<'_>| {
                denied &= leaf.standing == Standing::Denied;
                let (was, is) = (&other.standing, &leaf.standing);
                matters |= !same_standing((model.policy, was), (model.policy, is));
                !matters
            });
            failed = walked.err();
            failed.is_none() && !matters
        })?;
        if let Some(failed) = failed {
            return Err(failed);
        }
        if matters {
            return Ok(None);
        }
    }
    // A fiat rule denies where no price is known, which is an effect too.
    if !compiled.faults.is_empty() {
        return Ok(None);
    }
    let denies = rule.effect == Effect::Deny;
    Ok(Some(if denied && !denies {
        Finding::RuleAlwaysDenied { rule: id() }
    } else {
        Finding::RuleShadowed { rule: id(), denies }
    }))
}

fn of_limits(
    space: &Space,
    policy: &Policy,
    findings: &mut Vec<Finding>,
) -> Result<(), TooManyRegions> {
    let model = Model::new(policy, space);
    let limits = policy.0.limits.iter();
    let all: Vec<_> = limits.clone().map(|limit| meanings(space, limit)).collect();
    let kept = binding(all.iter().flatten().cloned());
    let mut seen = BTreeSet::new();
    for (limit, parts) in limits.zip(&all) {
        let mut counts = false;
        for start in parts
            .iter()
            .flat_map(|part| part.clause.parts(&space.all()))
        {
            model.walk(&start, &|_| true, &mut |leaf: Leaf<'_>| {
                counts |= leaf.standing != Standing::Denied;
                !counts
            })?;
            if counts {
                break;
            }
        }
        let binds = parts
            .iter()
            .filter(|part| kept.contains(part) && seen.insert((*part).clone()))
            .count()
            > 0;
        let limit = limit.id.clone();
        if !counts {
            findings.push(Finding::LimitCountsNothing { limit });
        } else if !binds {
            findings.push(Finding::LimitNeverBinds { limit });
        }
    }
    Ok(())
}

/// What nothing allows, and what asks for too much.
fn of_regions(
    space: &Space,
    model: &Model<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), TooManyRegions> {
    let mut gaps: BTreeMap<(Tier, Asset), Vec<DestinationClass>> = BTreeMap::new();
    let mut impossible = BTreeSet::new();
    for tier in [Tier::Hot, Tier::Warm, Tier::Cold] {
        for asset in Asset::ALL {
            for class in [
                DestinationClass::Known,
                DestinationClass::New,
                DestinationClass::Own,
            ] {
                let sources =
                    space.sources(|source| source.tier == tier && source.network.asset() == asset);
                let goals = space.goals(|goal| goal.class == class);
                let all = space.all();
                let start = all
                    .within(SOURCE, &sources)
                    .and_then(|region| region.within(GOAL, &goals));
                let Some(start) = start else { continue };
                let mut allowed = false;
                model.walk(&start, &|_| true, &mut |leaf: Leaf<'_>| {
                    let is_denied = leaf.holds.iter().any(|role| matches!(role, Role::Deny(_)));
                    let is_allowed = leaf.holds.iter().any(|role| matches!(role, Role::Allow(_)));
                    if leaf.standing != Standing::Denied {
                        allowed = true;
                    } else if is_allowed && !is_denied && impossible.is_empty() {
                        impossible.insert(space.describe(leaf.region));
                    }
                    true
                })?;
                if !allowed {
                    gaps.entry((tier, asset)).or_default().push(class);
                }
            }
        }
    }
    findings.extend(
        impossible
            .into_iter()
            .map(|requests| Finding::ApprovalsImpossible { requests }),
    );
    findings.extend(
        gaps.into_iter()
            .map(|((tier, asset), destinations)| Finding::Gap {
                tier,
                asset,
                destinations,
            }),
    );
    Ok(())
}

fn of_people(policy: &Policy, findings: &mut Vec<Finding>) {
    let governance = policy.governance();
    let rules = policy.0.rules.iter().flat_map(|rule| &rule.require);
    let limits = policy
        .0
        .limits
        .iter()
        .flat_map(|limit| limit.on_breach.requirements());
    let tiers = [Tier::Warm, Tier::Cold]
        .into_iter()
        .filter_map(|tier| policy.tier_floor(tier));
    let changes = ChangeKind::ALL
        .into_iter()
        .filter_map(|kind| governance.change(kind));
    let asked: BTreeSet<&GroupId> = rules
        .chain(limits)
        .chain(tiers.map(|floor| &floor.requirement))
        .chain(&governance.unfreeze)
        .chain(changes.flat_map(|change| &change.require))
        .flat_map(Requirement::quorums)
        .map(|quorum| &quorum.group)
        .collect();
    for group in policy
        .groups()
        .keys()
        .filter(|group| !asked.contains(group))
    {
        let group = group.clone();
        findings.push(Finding::GroupNotAsked { group });
    }
    for kind in ChangeKind::ALL {
        if governance.change(kind).is_none() {
            findings.push(Finding::ChangeImpossible { kind });
        }
    }
}
