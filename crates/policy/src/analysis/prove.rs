//! Claims about a policy, answered: true with the argument, or false with requests that `evaluate` admits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::analysis::claim::{Claim, Claims, Statement};
use crate::analysis::implication::{self, TooManySets};
use crate::analysis::model::{Leaf, Model, Standing, TooManyRegions};
use crate::analysis::outflow;
use crate::analysis::space::Space;
use crate::condition::When;
use crate::facts::{DestinationClass, Facts, Flag};
use crate::ids::{OperatorId, RuleId};
use crate::policy::Policy;
use crate::requirement::{Listed, Requirement};
use crate::verdict::{Outcome, Verdict};
use crate::window::LimitBook;

/// A claim and its answer.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// The claim's id.
    pub id: RuleId,
    /// The claim in words.
    pub claim: String,
    /// Whether it is true.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Whether a claim is true.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is.
    True {
        /// Why, a line each.
        argument: Vec<String>,
    },
    /// It is not.
    False {
        /// What shows it.
        counterexample: Counterexample,
    },
    /// Neither was shown, which counts as failure.
    Undecided {
        /// What is missing, a line each.
        why: Vec<String>,
    },
}

/// Requests that a claim says can't be, and that `evaluate` admits one after the other.
#[derive(Debug, Clone, Serialize)]
pub struct Counterexample {
    /// What they show.
    pub shows: String,
    /// The requests, in order of time.
    pub steps: Vec<Step>,
}

/// A request of a counterexample.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The request.
    pub facts: Facts,
    /// Whose approval lets it go, if it needs any.
    pub approvers: BTreeSet<OperatorId>,
    /// What `evaluate` says of it, with the steps before it admitted.
    pub verdict: Verdict,
}

/// More than is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error(transparent)]
    Regions(#[from] TooManyRegions),
    #[error(transparent)]
    Sets(#[from] TooManySets),
}

impl Proof {
    /// Whether the claim is true.
    pub fn holds(&self) -> bool {
        matches!(self.answer, Answer::True { .. })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, lines) = match &self.answer {
            Answer::True { argument } => ("true", argument.clone()),
            Answer::Undecided { why } => ("UNDECIDED", why.clone()),
            Answer::False { counterexample } => {
                let mut lines = vec![counterexample.shows.clone()];
                lines.extend(counterexample.told());
                ("FALSE", lines)
            }
        };
        write!(f, "{word}  {}: {}", self.id, self.claim)?;
        lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Counterexample {
    /// Its steps in words; a long run of like steps is cut short.
    fn told(&self) -> Vec<String> {
        const SHOWN: usize = 6;
        let mut lines: Vec<String> = Vec::new();
        for step in self.steps.iter().take(SHOWN) {
            lines.push(told(step));
        }
        if self.steps.len() > SHOWN {
            let more = self.steps.len().saturating_sub(SHOWN);
            lines.push(format!("… and {more} more like these"));
        }
        lines
    }
}

fn told(step: &Step) -> String {
    let facts = &step.facts;
    let mut line = format!(
        "{}: {} asks for {} from {} wallet {} to {} ({}",
        facts.at,
        facts.initiator,
        facts.amount,
        facts.tier,
        facts.wallet,
        facts.destination,
        facts.class
    );
    if let Some(tier) = facts.destination_tier {
        line.push_str(&format!(", {tier}"));
    }
    for word in facts
        .flags
        .iter()
        .map(ToString::to_string)
        .chain(facts.tags.iter().map(ToString::to_string))
    {
        line.push_str(&format!(", {word}"));
    }
    if let Some(fiat) = facts.fiat {
        line.push_str(&format!(", worth {fiat}"));
    }
    line.push_str(&format!("): {}", step.verdict.outcome));
    if !step.approvers.is_empty() {
        let names: Vec<&str> = step.approvers.iter().map(OperatorId::as_str).collect();
        line.push_str(&format!("; {} approve", names.join(", ")));
    }
    line
}

/// Answers one claim about a policy.
pub fn prove(policy: &Policy, claims: &Claims, claim: &Claim) -> Proof {
    let answer = match &claim.statement {
        Statement::Requires { when, at_least } => allowed(policy, claims, when, &mut |leaf| {
            lacks(policy, leaf, at_least)
        }),
        Statement::Never { when } => allowed(policy, claims, when, &mut |leaf| any(policy, leaf)),
        Statement::Outflow(outflow) => outflow::prove(policy, &claims.world, outflow),
    };
    Proof {
        id: claim.id.clone(),
        claim: claim.to_string(),
        answer: answer.unwrap_or_else(|too_much| Answer::Undecided {
            why: vec![too_much.to_string()],
        }),
    }
}

/// Answers every claim, in the order of the file.
pub fn prove_all(policy: &Policy, claims: &Claims) -> Vec<Proof> {
    let claims_in_order = claims.iter();
    claims_in_order
        .map(|claim| prove(policy, claims, claim))
        .collect()
}

/// What an allowed request asks for, and who asks for it.
struct Allowed<'a> {
    requirements: &'a [Requirement],
    initiator: Option<&'a OperatorId>,
}

/// People whose approval lets a request go that the claim says can't.
type Refuting<'a> =
    &'a mut dyn FnMut(&Allowed<'_>) -> Result<Option<BTreeSet<OperatorId>>, TooManySets>;

fn lacks(
    policy: &Policy,
    allowed: &Allowed<'_>,
    at_least: &[Requirement],
) -> Result<Option<BTreeSet<OperatorId>>, TooManySets> {
    implication::breach(policy, allowed.requirements, at_least, allowed.initiator)
}

fn any(
    policy: &Policy,
    allowed: &Allowed<'_>,
) -> Result<Option<BTreeSet<OperatorId>>, TooManySets> {
    implication::approvers(policy, allowed.requirements, allowed.initiator, &|_| true)
}

/// Walks whatever is allowed under these conditions, and asks of each region whether it refutes the claim.
///
/// A verdict with something used up denies, or asks for all that the verdict with nothing used up asks for and more. So
/// what holds of these holds of all.
fn allowed(
    policy: &Policy,
    claims: &Claims,
    when: &When,
    refutes: Refuting<'_>,
) -> Result<Answer, TooMuch> {
    let space = Space::new(&[policy], &[when], &claims.world);
    let model = Model::new(policy, &space).with_empty_windows(&space);
    let mut needs: BTreeMap<Vec<Requirement>, usize> = BTreeMap::new();
    let mut regions = 0_usize;
    let mut refuted: Option<Step> = None;
    let mut failed: Option<TooManySets> = None;
    let mut others = 0_u32;
    let mut unshown = 0_usize;
    let mut known: BTreeSet<Vec<Requirement>> = BTreeSet::new();
    for part in space
        .compile(when, None)
        .holds
        .iter()
        .flat_map(|clause| clause.parts(&space.all()))
    {
        let mut visit = |leaf: Leaf<'_>| {
            let Standing::Allowed { requirements, .. } = leaf.standing else {
                return true;
            };
            regions = regions.saturating_add(1);
            let initiator = space.initiators_of(leaf.region).next();
            let initiator = initiator
                .and_then(|initiator| initiator.operator())
                .cloned();
            let count = needs.entry(requirements.clone()).or_default();
            *count = count.saturating_add(1);
            if initiator.is_none() && known.contains(&requirements) {
                return true;
            }
            let people = refutes(&Allowed {
                requirements: &requirements,
                initiator: initiator.as_ref(),
            });
            match people {
                Ok(None) => {
                    known.insert(requirements);
                    true
                }
                Ok(Some(approvers)) => {
                    let step = space
                        .request(leaf.region, 1)
                        .and_then(|facts| confirmed(policy, facts, approvers));
                    unshown = unshown.saturating_add(usize::from(step.is_none()));
                    others = others.saturating_add(u32::from(refuted.is_some()));
                    if let Some(step) = step
                        && refuted.as_ref().is_none_or(|best| plainer(&step, best))
                    {
                        refuted = Some(step);
                    }
                    // Where a request can't be shown, or takes more than asking for it, another region may have a better one.
                    others < MOST_OTHERS && refuted.as_ref().is_none_or(|best| artifice(best) > 0)
                }
                Err(too_many) => {
                    failed = Some(too_many);
                    false
                }
            }
        };
        let walked = model.walk(&part, &|_| true, &mut visit);
        match &refuted {
            None => walked?,
            Some(best) if others >= MOST_OTHERS || artifice(best) == 0 => break,
            Some(_) => {}
        }
    }
    if let (None, Some(too_many)) = (&refuted, failed) {
        return Err(too_many.into());
    }
    match refuted {
        None if unshown > 0 => Ok(Answer::Undecided {
            why: vec![format!(
                "in {unshown} regions the claim does not seem to hold, and no request of them was found to show it"
            )],
        }),
        Some(step) => Ok(Answer::False {
            counterexample: Counterexample {
                shows: "this request is admitted, and may go with these approvals".to_owned(),
                steps: vec![step],
            },
        }),
        None => Ok(Answer::True {
            argument: argument(regions, &needs),
        }),
    }
}

/// Refuting regions that are looked at for a plainer request than the first.
const MOST_OTHERS: u32 = 1_000;

/// How much of a request somebody who only asks for it can't bring about: what is known of the destination.
fn artifice(step: &Step) -> usize {
    let facts = &step.facts;
    let flags = facts.flags.iter().filter(|flag| **flag != Flag::FirstSeen);
    let known = usize::from(facts.class != DestinationClass::New);
    flags
        .count()
        .saturating_add(facts.tags.len())
        .saturating_add(known)
}

fn plainer(one: &Step, other: &Step) -> bool {
    artifice(one) < artifice(other)
}

/// The step, if `evaluate` admits it and the approvals suffice.
fn confirmed(policy: &Policy, facts: Facts, approvers: BTreeSet<OperatorId>) -> Option<Step> {
    let verdict = policy.evaluate(&facts, &LimitBook::default());
    let Outcome::Allow { requirements, .. } = &verdict.outcome else {
        return None;
    };
    policy.satisfied(requirements, &approvers).ok()?;
    Some(Step {
        facts,
        approvers,
        verdict,
    })
}

fn argument(regions: usize, needs: &BTreeMap<Vec<Requirement>, usize>) -> Vec<String> {
    if regions == 0 {
        return vec![
            "no request that meets the conditions is allowed by any rule, or each is denied"
                .to_owned(),
        ];
    }
    let mut lines = vec![format!(
        "what is allowed of it falls into {regions} regions, in each of which all is judged alike; they need:"
    )];
    for (requirements, count) in needs {
        let needed = if requirements.is_empty() {
            "nobody".to_owned()
        } else {
            Listed(requirements).to_string()
        };
        lines.push(format!("- {needed} (in {count})"));
    }
    lines
}
