//! One proposal: what would change, in words and in full, what that means for withdrawals, and who has agreed.

use askama::Template;
use axum::response::Response;
use custodyd_policy::{OperatorId, Shortfall, Timestamp, may_approve};
use custodyd_vault::{Change, Proposal, ProposalId, ProposalState, Vault, line_diff};

use super::{Line, Tabs, page, tabs};
use crate::{
    console::{
        pages::{Fault, Frame, Section},
        words::{Moment, lasting},
    },
    http::AppState,
    standing::PolicyDocument,
    view::{self, PolicyDiffView, ProposalView},
};

#[derive(Template)]
#[template(path = "proposal.html")]
pub(in crate::console::pages) struct Page {
    pub(in crate::console::pages) frame: Frame,
    pub(in crate::console::pages) tabs: Tabs,
    pub(in crate::console::pages) line: Line,
    pub(in crate::console::pages) shown: Shown,
    /// What a policy in it changes of the one in force, line by line.
    pub(in crate::console::pages) diff: Vec<Diffed>,
    /// The same by meaning.
    pub(in crate::console::pages) meaning: Option<Result<std::sync::Arc<PolicyDiffView>, String>>,
}

/// What the engine knows of a proposal.
#[derive(Debug)]
pub(in crate::console::pages) struct Shown {
    pub(in crate::console::pages) view: ProposalView,
    /// Each change, as it is signed.
    pub(in crate::console::pages) changes: Vec<(String, String)>,
    pub(in crate::console::pages) given: Vec<(String, Moment)>,
    /// Approvals that are missing, and who could give them.
    pub(in crate::console::pages) missing: Vec<(String, String)>,
    /// How long it can be vetoed after the last approval.
    pub(in crate::console::pages) delay: Option<String>,
    pub(in crate::console::pages) may_approve: bool,
    pub(in crate::console::pages) may_veto: bool,
}

impl Shown {
    /// A proposal as `viewer` sees it.
    pub(in crate::console::pages) fn of(
        vault: &Vault,
        proposal: &Proposal,
        viewer: &OperatorId,
        now: Timestamp,
    ) -> Option<Self> {
        let view = view::proposal(vault, &proposal.id)?;
        let policy = vault.policy();
        let asked = may_approve(policy.groups(), &proposal.requirements, viewer);
        let in_force = proposal.policy == policy.hash();
        let voting = matches!(proposal.state, ProposalState::Voting { .. });
        let missing = policy
            .satisfied(&proposal.requirements, &proposal.approvers())
            .err()
            .filter(|_| voting)
            .unwrap_or_default();
        let seat = |short: Shortfall| {
            let who = short.eligible.iter().filter(|who| **who != proposal.by);
            let who: Vec<&str> = who.map(OperatorId::as_str).collect();
            (short.to_string(), who.join(", "))
        };
        let given = proposal.approvals.iter();
        Some(Self {
            changes: proposal.changes.iter().map(in_full).collect(),
            given: given
                .map(|(who, at)| (who.to_string(), Moment::of(*at, now)))
                .collect(),
            missing: missing.into_iter().map(seat).collect(),
            delay: (view.delay_ms > 0).then(|| lasting(view.delay_ms)),
            may_approve: voting
                && in_force
                && asked
                && proposal.by != *viewer
                && !proposal.approvals.contains_key(viewer),
            may_veto: proposal.is_open() && in_force && (asked || proposal.by == *viewer),
            view,
        })
    }
}

/// A change in words and, but for a policy, in full. A policy is shown as what it changes.
fn in_full(change: &Change) -> (String, String) {
    let full = match change {
        Change::SetPolicy { .. } => String::new(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    (change.to_string(), full)
}

/// `GET /console/governance/{id}`.
///
/// # Errors
/// No such proposal; engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId, id: &str) -> Result<Response, Fault> {
    let absent = || Fault::missing("There is no such proposal.");
    let id: ProposalId = id.parse().map_err(|_| absent())?;
    let viewer = operator.clone();
    let (frame, found) = Frame::with(state, operator, Section::Governance, move |vault, now| {
        let proposal = vault.proposals().get(&id)?;
        Some((Shown::of(vault, proposal, &viewer, now)?, now))
    })
    .await?;
    let (shown, now) = found.ok_or_else(absent)?;
    let in_force = state.standing.now().policy.clone();
    let (diff, meaning) = match proposed(&shown.view, &in_force) {
        Some(source) => {
            let meaning = state
                .console
                .looks
                .comparisons
                .compare(&in_force, source)
                .await;
            (lines(&line_diff(&in_force.source, source)), Some(meaning))
        }
        None => (Vec::new(), None),
    };
    page(&Page {
        line: Line::of(&shown.view, now),
        tabs: tabs(""),
        frame,
        shown,
        diff,
        meaning,
    })
}

/// The policy in an open proposal that was made under the one in force.
fn proposed<'a>(view: &'a ProposalView, in_force: &PolicyDocument) -> Option<&'a str> {
    let comparable =
        view.policy == in_force.hash && matches!(view.state.as_str(), "voting" | "delaying");
    view.changes
        .iter()
        .filter(|_| comparable)
        .find_map(|change| match change {
            Change::SetPolicy { source } => Some(source.as_str()),
            _ => None,
        })
}

/// A line of a difference.
#[derive(Debug)]
pub(in crate::console::pages) struct Diffed {
    pub(in crate::console::pages) text: String,
    pub(in crate::console::pages) added: bool,
    pub(in crate::console::pages) removed: bool,
}

fn lines(diff: &str) -> Vec<Diffed> {
    let line = |line: &str| Diffed {
        text: line.to_owned(),
        added: line.starts_with('+'),
        removed: line.starts_with('-'),
    };
    diff.lines().map(line).collect()
}
