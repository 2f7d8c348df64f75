//! What the engine answers.

use std::collections::HashMap;

use custodyd_policy::WithdrawalId;
use custodyd_vault::{ExportId, KeyId, ProposalId, Vault};
use serde::Serialize;

use crate::{
    problem::Problem,
    store::{Outcome, Projection},
    view,
};

/// Withdrawals as readers see them after a commit, by id: an answer shows the same, and is not written out twice.
#[derive(Debug)]
pub(super) struct Documents(HashMap<String, String>);

impl Documents {
    /// Those of a commit, for those who are answered after it.
    pub(super) fn of(projections: Vec<Projection>) -> Self {
        let shown = projections
            .into_iter()
            .filter_map(|projection| match projection {
                Projection::Withdrawal { id, document, .. } => Some((id, document)),
                _ => None,
            });
        Self(shown.collect())
    }

    /// None yet: who is answered in the commit itself.
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    /// Each is given away once. Whoever asks again has it written again.
    fn take(&mut self, id: &WithdrawalId) -> Option<String> {
        self.0.remove(id.to_string().as_str())
    }
}

/// An answer. Documents are made when the batch is complete, so that they show what came of the request.
#[derive(Debug)]
pub(super) enum Reply {
    Withdrawal(u16, WithdrawalId),
    Proposal(u16, ProposalId),
    Export(u16, ExportId),
    Key(u16, KeyId),
    Keys(u16, Vec<KeyId>),
    Wallets(u16),
    Json(u16, String),
    Problem(Problem),
}

impl Reply {
    pub(super) fn json(status: u16, document: &impl Serialize) -> Self {
        match serde_json::to_string(document) {
            Ok(text) => Self::Json(status, text),
            Err(_) => Self::Problem(Problem::internal()),
        }
    }

    pub(super) fn into_outcome(
        self,
        inbox_id: String,
        vault: &Vault,
        shown: &mut Documents,
    ) -> Outcome {
        let made = match self {
            Self::Withdrawal(status, id) => match shown.take(&id) {
                Some(text) => Some(Self::Json(status, text)),
                None => view::withdrawal(vault, &id).map(|view| Self::json(status, &view)),
            },
            Self::Proposal(status, id) => {
                view::proposal(vault, &id).map(|view| Self::json(status, &view))
            }
            Self::Export(status, id) => {
                view::export(vault, &id).map(|view| Self::json(status, &view))
            }
            Self::Key(status, id) => view::key(vault, &id).map(|view| Self::json(status, &view)),
            Self::Keys(status, ids) => {
                let keys: Vec<_> = ids.iter().filter_map(|id| view::key(vault, id)).collect();
                let page = serde_json::json!({ "items": keys, "next": null });
                Some(Self::json(status, &page))
            }
            Self::Wallets(status) => {
                let wallets: Vec<_> = vault
                    .wallets()
                    .keys()
                    .filter_map(|id| view::wallet(vault, id))
                    .collect();
                Some(Self::json(
                    status,
                    &serde_json::json!({ "items": wallets, "next": null }),
                ))
            }
            other => Some(other),
        };
        let (status, body) = match made {
            Some(Self::Json(status, body)) => (status, body),
            Some(Self::Problem(problem)) => (problem.status, problem_text(&problem)),
            _ => (500, problem_text(&Problem::internal())),
        };
        Outcome {
            inbox_id,
            status,
            body,
        }
    }
}

fn problem_text(problem: &Problem) -> String {
    serde_json::to_string(problem).unwrap_or_default()
}
