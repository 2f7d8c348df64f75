//! The document of a difference between two policies.

use custodyd_policy::{
    Facts,
    analysis::{Example, PolicyDiff},
    cases,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::VerdictView;

/// The most changes of a kind that are listed.
const MOST: usize = 100;

/// What differs between two policies, by meaning. Empty lists throughout: they mean the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyDiffView {
    /// Requests that are judged otherwise with nothing used up, those with the same two answers together; 100 at most.
    pub verdicts: Vec<VerdictChangeView>,
    /// Limits that only one of the policies has, by meaning; 100 at most.
    pub limits: Vec<LimitChangeView>,
    /// Groups, governance, tiers and the rest, a line for each difference.
    pub sections: Vec<String>,
    /// Changes that are not listed.
    pub more: usize,
}

/// Requests that the old policy judges one way and the new one another.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerdictChangeView {
    /// What the policy in force says of them, in words.
    pub old: String,
    /// What the proposed one says.
    pub new: String,
    /// Some of the sets of requests, in words.
    pub requests: Vec<String>,
    /// How many such sets there are.
    pub regions: usize,
    /// One request.
    pub example: Option<ExampleView>,
}

/// A limit that only one of the policies has.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitChangeView {
    /// The limit in words, and which policy has it.
    pub limit: String,
    /// A request that it decides, where one was found.
    pub example: Option<ExampleView>,
}

/// A request, and both verdicts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExampleView {
    /// The request.
    #[schema(value_type = Object)]
    pub facts: Facts,
    /// The same with what was admitted before, as `custodyd policy explain` reads it (TOML).
    pub case: String,
    /// What the policy in force says.
    pub old: VerdictView,
    /// What the proposed one says.
    pub new: VerdictView,
}

impl PolicyDiffView {
    /// Whether both policies mean the same.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && self.limits.is_empty() && self.sections.is_empty()
    }
}

impl From<&PolicyDiff> for PolicyDiffView {
    fn from(diff: &PolicyDiff) -> Self {
        let verdicts = diff.verdicts.iter().map(|change| VerdictChangeView {
            old: change.old.clone(),
            new: change.new.clone(),
            requests: change.requests.clone(),
            regions: change.regions,
            example: change.example.as_ref().map(ExampleView::from),
        });
        let limits = diff.limits.iter().map(|change| LimitChangeView {
            limit: change.limit.clone(),
            example: change.example.as_ref().map(ExampleView::from),
        });
        let beyond = |all: usize| all.saturating_sub(MOST);
        Self {
            verdicts: verdicts.take(MOST).collect(),
            limits: limits.take(MOST).collect(),
            sections: diff.sections.clone(),
            more: beyond(diff.verdicts.len()).saturating_add(beyond(diff.limits.len())),
        }
    }
}

impl From<&Example> for ExampleView {
    fn from(example: &Example) -> Self {
        Self {
            facts: example.facts.clone(),
            case: cases::written(&example.facts, &example.earlier),
            old: VerdictView::from(&example.old),
            new: VerdictView::from(&example.new),
        }
    }
}
