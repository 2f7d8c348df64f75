//! Folding an event into the state. What can't have happened is a fault that names the event, never a guess.

mod cold;
mod destinations;
mod enact;
mod enrol;
mod first;
mod freeze;
mod funds;
mod limits;
mod proposal;
mod restore;
mod screening;
mod transaction;
mod withdrawal;

use custodyd_chain::{Address, AmountError, Network, OutPoint};
use custodyd_policy::{WalletId, WithdrawalId};

use crate::{
    CancelledBy, Compromise, Event, Export, ExportId, Freeze, GenesisError, KeyId, ProposalId,
    Recorded, Transaction, TransactionId, TransactionState, Vault, Wallet, Withdrawal,
    WithdrawalState,
};

/// An event that can't follow on the state before it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayFault {
    /// The journal must begin with the vault's creation.
    #[error("event {0} is not the creation of a vault")]
    NotGenesis(u64),
    /// A genesis that would not have been accepted.
    #[error("the genesis is not valid: {0}")]
    Genesis(#[from] GenesisError),
    /// A gap or repetition.
    #[error("event {found} follows on event {last}")]
    Sequence {
        /// The last one applied.
        last: u64,
        /// The one given.
        found: u64,
    },
    /// It names something that doesn't exist.
    #[error("event {seq} names {what}, which does not exist")]
    Missing {
        /// The event.
        seq: u64,
        /// What it names.
        what: String,
    },
    /// It can't happen in the state before it.
    #[error("event {seq} can't happen: {why}")]
    Impossible {
        /// The event.
        seq: u64,
        /// Why not.
        why: String,
    },
    /// Sums don't fit.
    #[error("event {seq}: {source}")]
    Amount {
        /// The event.
        seq: u64,
        /// What doesn't fit.
        source: AmountError,
    },
}

/// Something of the state that an event changed: what a reader's copy must be brought up to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// A wallet.
    Wallet(WalletId),
    /// A key.
    Key(KeyId),
    /// A payout.
    Withdrawal(WithdrawalId),
    /// A transaction.
    Transaction(TransactionId),
    /// An export.
    Export(ExportId),
    /// A proposal.
    Proposal(ProposalId),
    /// An output is held back for a transaction.
    ReserveOutpoint(Network, OutPoint, TransactionId),
    /// A nonce is held back for a transaction.
    ReserveNonce(Network, Address, u64, TransactionId),
}

impl Vault {
    /// Folds the next event in, and says what it changed.
    ///
    /// # Errors
    /// The event can't follow on this state. The vault is then unusable: replay it from the journal.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<Vec<Touch>, ReplayFault> {
        if Some(recorded.seq) != self.seq.checked_add(1) {
            return Err(ReplayFault::Sequence {
                last: self.seq,
                found: recorded.seq,
            });
        }
        self.seq = recorded.seq;
        let at = recorded.at;
        match &recorded.event {
            Event::VaultCreated { .. } => Err(self.impossible("the vault exists")),
            Event::KeyRequested { wallet, key, .. } => {
                self.keys_requested(wallet, std::slice::from_ref(key))
            }
            Event::KeysRequested { wallet, keys, .. } => self.keys_requested(wallet, keys),
            Event::KeyMade {
                key,
                public_key,
                wrapped,
            } => self.key_made(key, *public_key, wrapped.as_ref(), at),
            Event::KeyCompromised {
                wallet,
                public_key,
                r,
                earlier,
                transaction,
            } => {
                let compromise = Compromise {
                    wallet: wallet.clone(),
                    r: *r,
                    earlier: earlier.clone(),
                    transaction: transaction.clone(),
                    at,
                };
                self.key_compromised(*public_key, compromise)
            }
            Event::WithdrawalRequested { id, request, .. } => self.requested(id, request, at),
            Event::WithdrawalJudged { id, facts, verdict } => self.judged(id, facts, verdict, at),
            Event::Approved { statement, .. } => self.voted(statement, at),
            Event::Rejected { statement, .. } => self.voted(statement, at),
            Event::Cancelled { id, by, .. } => match by {
                CancelledBy::Client(_) => self.ended(id, WithdrawalState::Cancelled, at),
                CancelledBy::Operator { statement, .. } => self.voted(statement, at),
            },
            Event::Expired { id } => self.expired(id, at),
            Event::HoldEnded { id } => self.hold_ended(id, at),
            Event::PlanningBlocked {
                id,
                reason,
                verdict,
            } => self.planning_blocked(id, reason, verdict.is_some(), at),
            Event::ScreeningPassed { id } => self.screening_passed(id, at),
            Event::ScreeningRefused { id, reason } => self.screening_refused(id, reason, at),
            Event::Enrolled {
                operator,
                credential,
                invitation,
                ..
            } => self.enrolled(operator, credential, invitation, at),
            Event::PasskeyCounted {
                credential,
                counter,
                ..
            } => self.passkey_counted(credential, *counter),
            Event::PricesSet {
                prices,
                currency,
                as_of,
                ..
            } => Ok(self.prices_set(prices, *currency, *as_of)),
            Event::TransactionPlanned {
                transaction,
                wallet,
                withdrawals,
                plan,
                export,
                ..
            } => self.planned(transaction, wallet, withdrawals, plan, export.as_ref(), at),
            Event::TransactionSigned {
                transaction,
                raw,
                signatures,
            } => self.signed(transaction, raw, *signatures, at),
            Event::TransactionBroadcast { transaction }
            | Event::TransactionReorged { transaction } => {
                self.move_transaction(transaction, TransactionState::Broadcast, at)
            }
            Event::TransactionIncluded {
                transaction,
                height,
                succeeded,
            } => {
                let state = TransactionState::Included {
                    height: *height,
                    succeeded: *succeeded,
                };
                self.move_transaction(transaction, state, at)
            }
            Event::TransactionFinal { transaction, .. } => self.finalised(transaction, at),
            Event::TransactionConflicted { transaction } => self.conflicted(transaction, at),
            Event::CoinsObserved {
                wallet,
                added,
                removed,
            } => self.coins_observed(wallet, added, removed),
            Event::AccountObserved {
                wallet,
                balance,
                nonce,
                height,
            } => self.account_observed(wallet, *balance, *nonce, *height),
            Event::FeeObserved { network, quote } => {
                self.fee_observed(*network, *quote, at);
                Ok(Vec::new())
            }
            Event::Frozen {
                scope,
                reason,
                operator,
                ..
            } => {
                let freeze = Freeze {
                    reason: reason.clone(),
                    by: Some(operator.clone()),
                    at,
                    votes: Default::default(),
                };
                Ok(self.freeze(scope.clone(), freeze))
            }
            Event::UnfreezeVoted {
                scope, operator, ..
            } => self.unfreeze_voted(scope, operator),
            Event::Unfrozen { scope } => self.unfrozen(scope),
            Event::RestoreAccepted { last_seen, reason } => self.restored(*last_seen, reason, at),
            Event::Proposed { .. }
            | Event::ProposalApproved { .. }
            | Event::ProposalVetoed { .. }
            | Event::ProposalPassed { .. }
            | Event::ProposalEnacted { .. }
            | Event::ProposalEnded { .. } => self.governed(&recorded.event, at),
            Event::ColdExportRequested {
                export,
                transactions,
                ..
            } => self.export_requested(export, transactions, at),
            Event::ColdExportBuilt {
                export,
                manifest_sha256,
            } => self.export_built(export, manifest_sha256),
            Event::ColdImported { export, .. } => self.export_imported(export),
        }
    }

    fn wallet_mut(&mut self, id: &WalletId) -> Result<&mut Wallet, ReplayFault> {
        let missing = self.missing(id);
        self.wallets.get_mut(id).ok_or(missing)
    }

    fn withdrawal_mut(&mut self, id: &WithdrawalId) -> Result<&mut Withdrawal, ReplayFault> {
        let missing = self.missing(id);
        self.withdrawals.get_mut(id).ok_or(missing)
    }

    fn transaction_mut(&mut self, id: &TransactionId) -> Result<&mut Transaction, ReplayFault> {
        let missing = self.missing(id);
        self.transactions.get_mut(id).ok_or(missing)
    }

    fn export_mut(&mut self, id: &ExportId) -> Result<&mut Export, ReplayFault> {
        let missing = self.missing(id);
        self.exports.get_mut(id).ok_or(missing)
    }

    fn missing(&self, what: impl std::fmt::Display) -> ReplayFault {
        ReplayFault::Missing {
            seq: self.seq,
            what: what.to_string(),
        }
    }

    fn impossible(&self, why: &str) -> ReplayFault {
        ReplayFault::Impossible {
            seq: self.seq,
            why: why.to_owned(),
        }
    }
}
