//! The names of events in the journal.

use super::Event;

impl Event {
    /// The event's type, as the journal's `kind` column has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::VaultCreated { .. } => "vault_created",
            Self::KeyRequested { .. } => "key_requested",
            Self::KeysRequested { .. } => "keys_requested",
            Self::KeyMade { .. } => "key_made",
            Self::KeyCompromised { .. } => "key_compromised",
            Self::WithdrawalRequested { .. } => "withdrawal_requested",
            Self::WithdrawalJudged { .. } => "withdrawal_judged",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
            Self::HoldEnded { .. } => "hold_ended",
            Self::PlanningBlocked { .. } => "planning_blocked",
            Self::ScreeningPassed { .. } => "screening_passed",
            Self::ScreeningRefused { .. } => "screening_refused",
            Self::PricesSet { .. } => "prices_set",
            Self::TransactionPlanned { .. } => "transaction_planned",
            Self::TransactionSigned { .. } => "transaction_signed",
            Self::TransactionBroadcast { .. } => "transaction_broadcast",
            Self::TransactionIncluded { .. } => "transaction_included",
            Self::TransactionReorged { .. } => "transaction_reorged",
            Self::TransactionFinal { .. } => "transaction_final",
            Self::TransactionConflicted { .. } => "transaction_conflicted",
            Self::CoinsObserved { .. } => "coins_observed",
            Self::AccountObserved { .. } => "account_observed",
            Self::FeeObserved { .. } => "fee_observed",
            Self::Frozen { .. } => "frozen",
            Self::UnfreezeVoted { .. } => "unfreeze_voted",
            Self::Unfrozen { .. } => "unfrozen",
            Self::RestoreAccepted { .. } => "restore_accepted",
            Self::Proposed { .. } => "proposed",
            Self::ProposalApproved { .. } => "proposal_approved",
            Self::ProposalVetoed { .. } => "proposal_vetoed",
            Self::ProposalPassed { .. } => "proposal_passed",
            Self::ProposalEnacted { .. } => "proposal_enacted",
            Self::ProposalEnded { .. } => "proposal_ended",
            Self::Enrolled { .. } => "enrolled",
            Self::PasskeyCounted { .. } => "passkey_counted",
            Self::ColdExportRequested { .. } => "cold_export_requested",
            Self::ColdExportBuilt { .. } => "cold_export_built",
            Self::ColdImported { .. } => "cold_imported",
        }
    }
}
