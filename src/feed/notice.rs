//! What an event of the journal gives outsiders to hear: types and subjects, without their documents.

use custodyd_policy::{OperatorId, WithdrawalId};
use custodyd_vault::{Event, ExportId, FreezeScope, KeyId, ProposalId};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// The type, such as `withdrawal.final`. Stable: programs switch on it.
    pub(super) kind: &'static str,
    pub(super) about: About,
    /// Who did it, where that is a person's act.
    pub(super) by: Option<OperatorId>,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    Withdrawal(WithdrawalId),
    Proposal(ProposalId),
    Freeze(FreezeScope),
    Export(ExportId),
    Key(KeyId),
    Operator(OperatorId),
}

impl Notice {
    pub(super) fn new(kind: &'static str, about: About) -> Self {
        Self {
            kind,
            about,
            by: None,
        }
    }

    pub(super) fn by(self, operator: &OperatorId) -> Self {
        Self {
            by: Some(operator.clone()),
            ..self
        }
    }
}

/// The type that tells of a withdrawal's new state.
pub(super) fn withdrawal_kind(event: &Event, state: &str) -> &'static str {
    match (event, state) {
        (Event::TransactionReorged { .. }, _) => "withdrawal.reorged",
        (_, "received") => "withdrawal.requested",
        (_, "denied") => "withdrawal.denied",
        (_, "screening") => "withdrawal.screening",
        (_, "awaiting_approval") => "withdrawal.awaiting_approval",
        (_, "holding") => "withdrawal.held",
        (_, "approved") => "withdrawal.approved",
        (_, "rejected") => "withdrawal.rejected",
        (_, "expired") => "withdrawal.expired",
        (_, "cancelled") => "withdrawal.cancelled",
        (_, "planned") => "withdrawal.planned",
        (_, "awaiting_cold_signature") => "withdrawal.awaiting_cold_signature",
        (_, "signed") => "withdrawal.signed",
        (_, "broadcast") => "withdrawal.broadcast",
        (_, "confirmed") => "withdrawal.confirmed",
        (_, "final") => "withdrawal.final",
        (_, "conflicted") => "withdrawal.conflicted",
        (_, "failed") => "withdrawal.failed",
        _ => "withdrawal.changed",
    }
}

/// The type that tells of a proposal's new state; `known` if it had another one before.
pub(super) fn proposal_kind(state: &str, known: bool) -> &'static str {
    match state {
        "voting" if known => "proposal.reopened",
        "voting" => "proposal.made",
        "delaying" => "proposal.passed",
        "enacted" => "proposal.enacted",
        "vetoed" => "proposal.vetoed",
        "withdrawn" => "proposal.withdrawn",
        _ => "proposal.ended",
    }
}

/// What an event tells beside new states of withdrawals and proposals.
pub(super) fn acts(event: &Event) -> Option<Notice> {
    Some(match event {
        Event::Approved { statement, .. } => Notice::new(
            "withdrawal.approval_added",
            About::Withdrawal(statement.withdrawal),
        )
        .by(&statement.operator),
        Event::ProposalApproved { statement, .. } => Notice::new(
            "proposal.approval_added",
            About::Proposal(statement.proposal.clone()),
        )
        .by(&statement.operator),
        Event::Frozen {
            scope, operator, ..
        } => Notice::new("freeze.set", About::Freeze(scope.clone())).by(operator),
        Event::UnfreezeVoted {
            scope, operator, ..
        } => Notice::new("freeze.vote_added", About::Freeze(scope.clone())).by(operator),
        Event::Unfrozen { scope } => Notice::new("freeze.lifted", About::Freeze(scope.clone())),
        Event::RestoreAccepted { .. } => {
            Notice::new("freeze.set", About::Freeze(FreezeScope::Vault))
        }
        Event::ColdExportRequested { export, .. } => {
            Notice::new("export.requested", About::Export(export.clone()))
        }
        Event::ColdExportBuilt { export, .. } => {
            Notice::new("export.built", About::Export(export.clone()))
        }
        Event::ColdImported { export, .. } => {
            Notice::new("export.imported", About::Export(export.clone()))
        }
        Event::Enrolled { operator, .. } => {
            Notice::new("operator.enrolled", About::Operator(operator.clone()))
        }
        Event::KeyMade { key, .. } => Notice::new("wallet.key_made", About::Key(key.clone())),
        // The vault freezes the wallet by itself.
        Event::KeyCompromised { wallet, .. } => Notice::new(
            "freeze.set",
            About::Freeze(FreezeScope::Wallet(wallet.clone())),
        ),
        _ => return None,
    })
}
