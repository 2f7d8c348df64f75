//! What changes from one policy to another, by meaning: requests whose verdict differs, each with both verdicts; limits
//! that let other sums pass; and the other sections in words. Nothing, if both mean the same.
//!
//! Verdicts with nothing used up are compared region by region over the space of both policies. Limits are compared by
//! what they count, apart by what, how much in how long, and what follows, whatever they are called; for each that only
//! one policy has, earlier withdrawals are looked for with which the verdicts differ.

mod limits;
mod sections;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::analysis::model::{Leaf, MAX_REGIONS, Model, Standing, TooManyRegions};
use crate::analysis::region::Region;
use crate::analysis::sameness::{same_requirements, same_standing};
use crate::analysis::space::Space;
use crate::analysis::world::World;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::requirement::Listed;
use crate::verdict::{Outcome, Verdict};
use crate::window::LimitBook;

/// What differs between two policies.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PolicyDiff {
    /// Requests that are judged otherwise with nothing used up.
    pub verdicts: Vec<VerdictChange>,
    /// Limits that only one of them has.
    pub limits: Vec<LimitChange>,
    /// Everything else, a line each.
    pub sections: Vec<String>,
}

/// Requests that the old policy judges one way and the new one another.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictChange {
    /// What the old policy says of them.
    pub old: String,
    /// What the new one says.
    pub new: String,
    /// The requests of some of the regions, in words.
    pub requests: Vec<String>,
    /// How many regions there are.
    pub regions: usize,
    /// One of them.
    pub example: Option<Example>,
}

/// A limit that only one of the policies has.
#[derive(Debug, Clone, Serialize)]
pub struct LimitChange {
    /// The limit in words, and which policy has it.
    pub limit: String,
    /// A request that it decides; nothing, where none was found whose verdict changes.
    pub example: Option<Example>,
}

/// A request that both policies judge, and not alike.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// The request.
    pub facts: Facts,
    /// What was admitted before it.
    pub earlier: Vec<Facts>,
    /// What the old policy says.
    pub old: Verdict,
    /// What the new policy says.
    pub new: Verdict,
}

impl Example {
    /// The example, if the verdicts on it differ.
    fn of(old: &Policy, new: &Policy, facts: Facts, earlier: Vec<Facts>) -> Option<Self> {
        let judge = |policy: &Policy| {
            let book = LimitBook::for_policy(policy, &earlier);
            policy.evaluate(&facts, &book)
        };
        let (before, after) = (judge(old), judge(new));
        let same = match (&before.outcome, &after.outcome) {
            (
                Outcome::Allow {
                    requirements: one,
                    hold_ms: a,
                },
                Outcome::Allow {
                    requirements: other,
                    hold_ms: b,
                },
            ) => a == b && same_requirements(old, new, one, other),
            (was, is) => was == is,
        };
        (!same).then_some(Self {
            facts,
            earlier,
            old: before,
            new: after,
        })
    }
}

impl PolicyDiff {
    /// Whether both policies mean the same.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && self.limits.is_empty() && self.sections.is_empty()
    }

    /// Every example, in the order of the text.
    pub fn examples(&self) -> impl Iterator<Item = &Example> {
        let of_verdicts = self
            .verdicts
            .iter()
            .filter_map(|change| change.example.as_ref());
        of_verdicts.chain(
            self.limits
                .iter()
                .filter_map(|change| change.example.as_ref()),
        )
    }
}

/// What differs between two policies.
///
/// # Errors
/// Their conditions cut requests into more regions than are looked at.
pub fn diff(old: &Policy, new: &Policy) -> Result<PolicyDiff, TooManyRegions> {
    diff_within(old, new, MAX_REGIONS)
}

/// The same, looking at so many regions at most: a region takes some microseconds, more with many rules. Half as many
/// withdrawals are tried as history of examples; a limit for which they didn't suffice has none.
///
/// # Errors
/// Their conditions cut requests into more regions.
pub fn diff_within(
    old: &Policy,
    new: &Policy,
    most_regions: u64,
) -> Result<PolicyDiff, TooManyRegions> {
    let space = Space::new(&[old, new], &[], &World::default());
    let left = Cell::new(most_regions);
    Ok(PolicyDiff {
        verdicts: verdicts(&space, old, new, &left)?,
        limits: limits::changes(&space, old, new, &left, most_regions / 2)?,
        sections: sections::changes(old, new),
    })
}

type Answers = (Standing, Standing);

/// The regions that are judged otherwise, those with the same two answers taken together.
fn verdicts(
    space: &Space,
    old: &Policy,
    new: &Policy,
    left: &Cell<u64>,
) -> Result<Vec<VerdictChange>, TooManyRegions> {
    let before = Model::new(old, space).with_empty_windows(space);
    let after = Model::new(new, space).with_empty_windows(space);
    let common = before.common(&after);
    // Where only clauses apply that both have, both say the same.
    let own: Vec<_> = before
        .other_than(&common)
        .chain(after.other_than(&common))
        .collect();
    let same_people = old.0.people == new.0.people;
    let keep = |region: &Region| !same_people || own.iter().any(|clause| clause.may_hold(region));
    let mut found: BTreeMap<Answers, Vec<Region>> = BTreeMap::new();
    let mut known: BTreeMap<Answers, bool> = BTreeMap::new();
    let mut failed = None;
    before.walk_within(left, &space.all(), &keep, &mut |leaf: Leaf<'_>| {
        let walked = after.walk_within(left, leaf.region, &keep, &mut |other: Leaf<'_>| {
            let answers = (leaf.standing.clone(), other.standing);
            let same = *known
                .entry(answers.clone())
                .or_insert_with(|| same_standing((old, &answers.0), (new, &answers.1)));
            if !same {
                found.entry(answers).or_default().push(other.region.clone());
            }
            true
        });
        failed = walked.err();
        failed.is_none()
    })?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    let changes = found
        .into_iter()
        .map(|((was, is), regions)| change(space, old, new, (&was, &is), &regions));
    Ok(changes.collect())
}

fn change(
    space: &Space,
    old: &Policy,
    new: &Policy,
    answers: (&Standing, &Standing),
    regions: &[Region],
) -> VerdictChange {
    const SHOWN: usize = 5;
    let mut examples = regions.iter().filter_map(|region| {
        let facts = space.request(region, 1)?;
        Example::of(old, new, facts, Vec::new())
    });
    VerdictChange {
        old: said(answers.0),
        new: said(answers.1),
        requests: regions
            .iter()
            .take(SHOWN)
            .map(|region| space.describe(region))
            .collect(),
        regions: regions.len(),
        example: examples.next(),
    }
}

fn said(standing: &Standing) -> String {
    match standing {
        Standing::Denied => "denied".to_owned(),
        Standing::Allowed {
            requirements,
            hold_ms,
        } => {
            let mut text = "allowed".to_owned();
            if !requirements.is_empty() {
                text.push_str(&format!(" with approval by {}", Listed(requirements)));
            }
            if *hold_ms > 0 {
                text.push_str(&format!(
                    ", after a hold of {}",
                    crate::duration::Span(*hold_ms)
                ));
            }
            text
        }
    }
}

impl fmt::Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no change");
        }
        let mut lines: Vec<String> = Vec::new();
        for change in &self.verdicts {
            lines.push(format!("was {}; now {}:", change.old, change.new));
            lines.extend(change.requests.iter().map(|request| format!("  {request}")));
            let more = change.regions.saturating_sub(change.requests.len());
            if more > 0 {
                lines.push(format!("  and {more} more such sets of requests"));
            }
            lines.extend(change.example.iter().map(told));
        }
        for change in &self.limits {
            lines.push(change.limit.clone());
            match &change.example {
                Some(example) => lines.push(told(example)),
                None => lines.push("  no request was found whose verdict it changes".to_owned()),
            }
        }
        lines.extend(self.sections.iter().cloned());
        f.write_str(&lines.join("\n"))
    }
}

/// An example, indented.
fn told(example: &Example) -> String {
    let facts = &example.facts;
    let mut text = format!(
        "  for example {} from {} wallet {} to {} ({}), asked for by {} at {}",
        facts.amount,
        facts.tier,
        facts.wallet,
        facts.destination,
        facts.class,
        facts.initiator,
        facts.at
    );
    if let Some(fiat) = facts.fiat {
        text.push_str(&format!(", worth {fiat}"));
    }
    if let Some(first) = example.earlier.first() {
        let times = example.earlier.len();
        let ago = facts.at.saturating_ms_since(first.at);
        let ago = crate::duration::Span(ago);
        text.push_str(&format!(", after {times} of {} {ago} before", first.amount));
    }
    let indented = |verdict: &Verdict| verdict.to_string().replace('\n', "\n    ");
    text.push_str(&format!("\n    old: {}", indented(&example.old)));
    text.push_str(&format!("\n    new: {}", indented(&example.new)));
    text
}
