//! Transactions: what a plan reserves stays reserved, and what was signed never goes back.

use std::sync::Arc;

use custodyd_chain::{Address, Network, Plan, RawTransaction};
use custodyd_policy::{Timestamp, WalletId, WithdrawalId};

use super::{ReplayFault, Touch};
use crate::{
    ExportId, Freeze, FreezeScope, Funds, Transaction, TransactionId, TransactionState, Vault,
    WithdrawalState,
};

impl Vault {
    pub(super) fn planned(
        &mut self,
        id: &TransactionId,
        wallet: &WalletId,
        withdrawals: &[WithdrawalId],
        plan: &Plan,
        export: Option<&ExportId>,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.transactions.contains_key(id) {
            return Err(self.impossible("the transaction exists"));
        }
        if self.is_frozen(wallet) {
            return Err(self.impossible("the wallet is frozen"));
        }
        let stopped = |id: &WithdrawalId| {
            let request = self.withdrawals.get(id).map(|w| &w.request);
            request.is_some_and(|request| {
                self.block_list().contains(&request.destination)
                    || self
                        .payout_freeze(&request.initiator, &request.destination)
                        .is_some()
            })
        };
        if withdrawals.iter().any(stopped) {
            return Err(self.impossible("it pays what is frozen or blocked"));
        }
        let mut touched = self.reserve(id, wallet, plan)?;
        for withdrawal in withdrawals {
            let entry = self.withdrawal_mut(withdrawal)?;
            if !entry.state.may_be_planned() || entry.wallet != *wallet {
                return Err(self.impossible("it pays a withdrawal that is not approved for it"));
            }
            touched.extend(self.move_withdrawal(
                withdrawal,
                WithdrawalState::InTransaction(id.clone()),
                at,
            )?);
        }
        let settings = self.wallet_mut(wallet)?;
        let (fee_caps, confirmations) = (settings.fee_caps, settings.confirmations);
        let transaction = Transaction {
            wallet: wallet.clone(),
            withdrawals: withdrawals.to_vec(),
            plan: plan.clone(),
            fee_caps,
            confirmations,
            export: export.cloned(),
            raw: None,
            signatures: 0,
            state: TransactionState::Planned,
            created_at: at,
            updated_at: at,
        };
        self.check_plan(&transaction)
            .map_err(|fault| self.impossible(&fault.to_string()))?;
        self.transactions.insert(id.clone(), transaction);
        self.open.insert(id.clone());
        touched.extend([
            Touch::Transaction(id.clone()),
            Touch::Wallet(wallet.clone()),
        ]);
        Ok(touched)
    }

    fn reserve(
        &mut self,
        id: &TransactionId,
        wallet: &WalletId,
        plan: &Plan,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let seq = self.seq;
        match plan {
            Plan::Bitcoin(plan) => {
                let mut touched = Vec::new();
                for coin in &plan.inputs {
                    if self.taken.insert(coin.outpoint, id.clone()).is_some() {
                        let why = format!("{} is spent by another plan", coin.outpoint);
                        return Err(ReplayFault::Impossible { seq, why });
                    }
                    touched.push(Touch::ReserveOutpoint(
                        Network::Bitcoin(plan.network),
                        coin.outpoint,
                        id.clone(),
                    ));
                }
                Ok(touched)
            }
            Plan::Evm(evm) => {
                let overflow = |source| ReplayFault::Amount { seq, source };
                let cost = evm
                    .payment
                    .amount
                    .checked_add(&plan.fee())
                    .map_err(overflow)?;
                let entry = self.wallet_mut(wallet)?;
                let Funds::Account(account) = &mut entry.funds else {
                    return Err(ReplayFault::Impossible {
                        seq,
                        why: format!("wallet {wallet} is no account"),
                    });
                };
                if account.reserved.contains_key(&evm.nonce) {
                    let why = format!("nonce {} is used by another plan", evm.nonce);
                    return Err(ReplayFault::Impossible { seq, why });
                }
                account
                    .reserve(evm.nonce, id.clone(), cost)
                    .map_err(overflow)?;
                let address = Address::from_public_key(entry.network, &evm.from);
                Ok(vec![Touch::ReserveNonce(
                    entry.network,
                    address,
                    evm.nonce,
                    id.clone(),
                )])
            }
        }
    }

    /// Takes the signed bytes in. They are never exchanged for others: a second signature of one plan is a fault.
    pub(super) fn signed(
        &mut self,
        id: &TransactionId,
        raw: &RawTransaction,
        signatures: u32,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let touched = self.move_transaction(id, TransactionState::Signed, at)?;
        let transaction = self.transaction_mut(id)?;
        transaction.raw = Some(raw.clone());
        transaction.signatures = signatures;
        Ok(touched)
    }

    pub(super) fn move_transaction(
        &mut self,
        id: &TransactionId,
        state: TransactionState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let from = self.transaction_mut(id)?.state;
        if !follows(from, state) {
            return Err(self.impossible(&format!("{id} goes from {from:?} to {state:?}")));
        }
        let transaction = self.transaction_mut(id)?;
        transaction.state = state;
        transaction.updated_at = at;
        let withdrawals = transaction.withdrawals.clone();
        if matches!(state, TransactionState::Final { .. }) {
            self.open.remove(id);
        }
        let sent = matches!(
            from,
            TransactionState::Signed | TransactionState::Conflicted
        ) && matches!(
            state,
            TransactionState::Broadcast | TransactionState::Included { .. }
        );
        let seq = self.seq;
        let mut touched = vec![Touch::Transaction(id.clone())];
        for withdrawal in withdrawals {
            let entry = self.withdrawal_mut(&withdrawal)?;
            entry.updated_at = at;
            if sent {
                let request = Arc::clone(&entry.request);
                self.destinations
                    .paid(&request.destination, request.amount, seq, at);
            }
            touched.push(Touch::Withdrawal(withdrawal));
        }
        Ok(touched)
    }

    pub(super) fn finalised(
        &mut self,
        id: &TransactionId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let TransactionState::Included { height, succeeded } = self.transaction_mut(id)?.state
        else {
            return Err(self.impossible("the transaction is in no block"));
        };
        let touched =
            self.move_transaction(id, TransactionState::Final { height, succeeded }, at)?;
        self.settle(id)?;
        if !succeeded {
            for withdrawal in self.transaction_mut(id)?.withdrawals.clone() {
                let reason =
                    "its transaction is in a block, but failed there; nothing was paid".to_owned();
                self.move_withdrawal(&withdrawal, WithdrawalState::Failed(reason), at)?;
            }
        }
        Ok(touched)
    }

    pub(super) fn conflicted(
        &mut self,
        id: &TransactionId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let mut touched = self.move_transaction(id, TransactionState::Conflicted, at)?;
        let wallet = self.transaction_mut(id)?.wallet.clone();
        let reason = format!(
            "the inputs or the nonce of {id} were spent by a transaction that is not this vault's"
        );
        let freeze = Freeze {
            reason,
            by: None,
            at,
            votes: Default::default(),
        };
        touched.extend(self.freeze(FreezeScope::Wallet(wallet), freeze));
        Ok(touched)
    }
}

/// Whether a transaction can go from one state to another: the one table of its transitions.
fn follows(from: TransactionState, to: TransactionState) -> bool {
    use TransactionState::{Broadcast, Conflicted, Final, Included, Planned, Signed};
    match to {
        Planned => false,
        Signed => from == Planned,
        Broadcast => matches!(from, Signed | Included { .. } | Conflicted),
        Included { .. } => matches!(from, Signed | Broadcast | Conflicted),
        Final { .. } => matches!(from, Included { .. }),
        Conflicted => matches!(from, Signed | Broadcast | Included { .. }),
    }
}
