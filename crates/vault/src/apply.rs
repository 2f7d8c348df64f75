//! Folding an event into the state. What can't have happened is a fault that names the event, never a guess.

use custodyd_chain::{Address, AmountError, Network, OutPoint, Plan};
use custodyd_policy::{Facts, LimitBook, Outcome, Timestamp, WalletId, WithdrawalId};

use crate::{
    CancelledBy, Decision, Event, Export, ExportId, ExportState, Freeze, FreezeScope, Funds,
    Genesis, GenesisError, KeyId, KeySlot, Recorded, Request, Statement, Transaction,
    TransactionId, TransactionState, Vault, Vote, Wallet, Withdrawal, WithdrawalState,
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
    /// An output is held back for a transaction.
    ReserveOutpoint(Network, OutPoint, TransactionId),
    /// A nonce is held back for a transaction.
    ReserveNonce(Network, Address, u64, TransactionId),
}

impl Vault {
    /// The vault that the first event creates.
    pub fn create(first: &Recorded) -> Result<Self, ReplayFault> {
        let Event::VaultCreated { genesis } = &first.event else {
            return Err(ReplayFault::NotGenesis(first.seq));
        };
        if first.seq != 1 {
            return Err(ReplayFault::Sequence {
                last: 0,
                found: first.seq,
            });
        }
        Ok(Self::from_genesis(genesis)?)
    }

    fn from_genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        let policy = genesis.validate()?;
        let wallets: std::collections::BTreeMap<_, _> = genesis
            .wallets
            .iter()
            .map(|(id, spec)| (id.clone(), Wallet::new(id.clone(), spec)))
            .collect();
        let slots = || {
            wallets
                .values()
                .flat_map(|w| w.keys.iter().map(move |slot| (w, slot)))
        };
        let keys: std::collections::BTreeMap<_, _> = slots()
            .filter_map(|(w, slot)| Some((slot.id.clone()?, w.id.clone())))
            .collect();
        let own = wallets
            .values()
            .flat_map(|w| w.addresses().into_iter().map(|a| (a, w.id.clone())))
            .collect();
        Ok(Self {
            id: genesis.vault.clone(),
            seq: 1,
            policy,
            journal_key: genesis.journal_key.clone(),
            operators: genesis.operators.clone(),
            clients: genesis.clients.clone(),
            known: genesis.address_book.values().cloned().collect(),
            blocked: genesis.blocked.clone(),
            own,
            keys_to_make: keys.keys().cloned().collect(),
            keys,
            wallets,
            withdrawals: Default::default(),
            idempotency: Default::default(),
            limits: LimitBook::default(),
            transactions: Default::default(),
            taken: Default::default(),
            exports: Default::default(),
            fees: Default::default(),
            frozen: Default::default(),
            timers: Default::default(),
            open: Default::default(),
            exports_to_build: Default::default(),
        })
    }

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
            Event::KeyRequested { wallet, key, .. } => self.key_requested(wallet, key),
            Event::KeyMade { key, public_key } => self.key_made(key, *public_key),
            Event::WithdrawalRequested { id, request, .. } => self.requested(id, request, at),
            Event::WithdrawalJudged {
                id,
                wallet,
                class,
                verdict,
            } => self.judged(id, wallet, *class, verdict, at),
            Event::Approved { statement, .. } => self.voted(statement, at),
            Event::Rejected { statement, .. } => self.voted(statement, at),
            Event::Cancelled { id, by, .. } => match by {
                CancelledBy::Client(_) => self.ended(id, WithdrawalState::Cancelled, at),
                CancelledBy::Operator { statement, .. } => self.voted(statement, at),
            },
            Event::Expired { id } => self.ended(id, WithdrawalState::Expired, at),
            Event::HoldEnded { id } => {
                self.move_withdrawal(id, WithdrawalState::Approved { blocked: None }, at)
            }
            Event::PlanningBlocked { id, reason } => self.move_withdrawal(
                id,
                WithdrawalState::Approved {
                    blocked: Some(reason.clone()),
                },
                at,
            ),
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
            } => {
                let entry = self.transaction_mut(transaction)?;
                entry.raw = Some(raw.clone());
                entry.signatures = *signatures;
                self.move_transaction(transaction, TransactionState::Signed, at)
            }
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
            } => {
                let seq = self.seq;
                let entry = self.wallet_mut(wallet)?;
                let Funds::Coins(coins) = &mut entry.funds else {
                    return Err(ReplayFault::Impossible {
                        seq,
                        why: format!("wallet {wallet} holds no coins"),
                    });
                };
                removed
                    .iter()
                    .for_each(|outpoint| drop(coins.remove(outpoint)));
                coins.extend(added.iter().map(|coin| (coin.outpoint, coin.clone())));
                entry.unblock();
                Ok(vec![Touch::Wallet(wallet.clone())])
            }
            Event::AccountObserved {
                wallet,
                balance,
                nonce,
                height,
            } => {
                let seq = self.seq;
                let entry = self.wallet_mut(wallet)?;
                let Funds::Account(account) = &mut entry.funds else {
                    return Err(ReplayFault::Impossible {
                        seq,
                        why: format!("wallet {wallet} is no account"),
                    });
                };
                account
                    .observe(*balance, *nonce, *height)
                    .map_err(|source| ReplayFault::Amount { seq, source })?;
                entry.unblock();
                Ok(vec![Touch::Wallet(wallet.clone())])
            }
            Event::FeeObserved { network, quote } => {
                let before = self.fees.insert(*network, (*quote, at));
                if before.is_none_or(|(old, _)| old != *quote) {
                    self.wallets
                        .values_mut()
                        .filter(|w| w.network == *network)
                        .for_each(Wallet::unblock);
                }
                Ok(Vec::new())
            }
            Event::Frozen {
                scope,
                reason,
                operator,
                ..
            } => {
                let by = Some(operator.clone());
                Ok(self.freeze(
                    scope.clone(),
                    Freeze {
                        reason: reason.clone(),
                        by,
                        at,
                        votes: Default::default(),
                    },
                ))
            }
            Event::UnfreezeVoted {
                scope, operator, ..
            } => match self.frozen.get_mut(scope) {
                Some(freeze) => {
                    freeze.votes.insert(operator.clone());
                    Ok(Vec::new())
                }
                None => Err(self.impossible("nothing is frozen there")),
            },
            Event::Unfrozen { scope } => match self.frozen.remove(scope) {
                Some(_) => Ok(self.touch_scope(scope)),
                None => Err(self.impossible("nothing is frozen there")),
            },
            Event::ColdExportRequested {
                export,
                transactions,
                ..
            } => {
                let entry = Export {
                    transactions: transactions.clone(),
                    state: ExportState::Requested,
                    manifest_sha256: None,
                    created_at: at,
                };
                self.exports.insert(export.clone(), entry);
                self.exports_to_build.insert(export.clone());
                Ok(vec![Touch::Export(export.clone())])
            }
            Event::ColdExportBuilt {
                export,
                manifest_sha256,
            } => {
                let entry = self.export_mut(export)?;
                entry.state = ExportState::Built;
                entry.manifest_sha256 = Some(manifest_sha256.clone());
                self.exports_to_build.remove(export);
                Ok(vec![Touch::Export(export.clone())])
            }
            Event::ColdImported { export, .. } => {
                self.export_mut(export)?.state = ExportState::Imported;
                Ok(vec![Touch::Export(export.clone())])
            }
        }
    }

    fn key_requested(&mut self, wallet: &WalletId, key: &KeyId) -> Result<Vec<Touch>, ReplayFault> {
        if self.keys.contains_key(key) {
            return Err(self.impossible("the key exists"));
        }
        self.wallet_mut(wallet)?.keys.push(KeySlot {
            id: Some(key.clone()),
            public_key: None,
        });
        self.keys.insert(key.clone(), wallet.clone());
        self.keys_to_make.insert(key.clone());
        Ok(vec![Touch::Key(key.clone()), Touch::Wallet(wallet.clone())])
    }

    fn key_made(
        &mut self,
        key: &KeyId,
        public: custodyd_chain::PublicKey,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let id = self
            .keys
            .get(key)
            .cloned()
            .ok_or_else(|| self.missing(key))?;
        let wallet = self.wallet_mut(&id)?;
        let network = wallet.network;
        for slot in wallet
            .keys
            .iter_mut()
            .filter(|slot| slot.id.as_ref() == Some(key))
        {
            slot.public_key = Some(public);
        }
        wallet.unblock();
        self.own
            .insert(Address::from_public_key(network, &public), id.clone());
        self.keys_to_make.remove(key);
        Ok(vec![Touch::Key(key.clone()), Touch::Wallet(id)])
    }

    fn requested(
        &mut self,
        id: &WithdrawalId,
        request: &Request,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.withdrawals.contains_key(id) {
            return Err(self.impossible("the withdrawal exists"));
        }
        let slot = (request.client.clone(), request.idempotency_key.clone());
        if self.idempotency.insert(slot, id.clone()).is_some() {
            return Err(self.impossible("the idempotency key was used"));
        }
        let asset = request.amount.asset();
        let wallet = self
            .wallets
            .values()
            .find(|w| w.network.asset() == asset)
            .ok_or_else(|| self.missing(asset))?;
        let withdrawal = Withdrawal {
            id: id.clone(),
            seq: self.seq,
            request: request.clone(),
            wallet: wallet.id.clone(),
            class: self.classify(&request.destination),
            verdict: None,
            votes: Default::default(),
            state: WithdrawalState::Received,
            created_at: at,
            updated_at: at,
        };
        self.withdrawals.insert(id.clone(), withdrawal);
        Ok(vec![Touch::Withdrawal(id.clone())])
    }

    fn judged(
        &mut self,
        id: &WithdrawalId,
        wallet: &WalletId,
        class: custodyd_policy::DestinationClass,
        verdict: &custodyd_policy::Verdict,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let withdrawal = self.withdrawal_mut(id)?;
        withdrawal.wallet = wallet.clone();
        withdrawal.class = class;
        withdrawal.verdict = Some(verdict.clone());
        let state = match &verdict.outcome {
            Outcome::Deny => WithdrawalState::Denied,
            Outcome::HoldForLimit { until } => WithdrawalState::HoldingForLimit { until: *until },
            Outcome::Allow { .. } => {
                let facts = self.facts(id, at).ok_or_else(|| self.missing(id))?;
                self.limits.reserve(&self.policy, &facts);
                self.after_votes(id, at)?
            }
        };
        self.move_withdrawal(id, state, at)
    }

    /// What policy judges a withdrawal by.
    pub(crate) fn facts(&self, id: &WithdrawalId, at: Timestamp) -> Option<Facts> {
        let withdrawal = self.withdrawals.get(id)?;
        let wallet = self.wallets.get(&withdrawal.wallet)?;
        Some(Facts {
            withdrawal: id.clone(),
            vault: self.id.clone(),
            wallet: wallet.id.clone(),
            tier: wallet.tier,
            amount: withdrawal.request.amount,
            destination: withdrawal.request.destination.clone(),
            class: withdrawal.class,
            client: withdrawal.request.client.clone(),
            at,
        })
    }

    /// Where the votes so far put an allowed withdrawal.
    fn after_votes(
        &self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<WithdrawalState, ReplayFault> {
        let withdrawal = self.withdrawals.get(id).ok_or_else(|| self.missing(id))?;
        let approvers = withdrawal
            .votes
            .iter()
            .filter(|(_, v)| v.decision == Decision::Approve)
            .map(|(o, _)| o.clone())
            .collect();
        let late = || self.impossible("a time is out of range");
        if self
            .policy
            .satisfied(withdrawal.requirements(), &approvers)
            .is_err()
        {
            return Ok(match withdrawal.state {
                WithdrawalState::AwaitingApproval { expires_at } => {
                    WithdrawalState::AwaitingApproval { expires_at }
                }
                _ => WithdrawalState::AwaitingApproval {
                    expires_at: at
                        .checked_add_ms(self.policy.approval_ttl_ms())
                        .ok_or_else(late)?,
                },
            });
        }
        match withdrawal.hold_ms() {
            0 => Ok(WithdrawalState::Approved { blocked: None }),
            hold => Ok(WithdrawalState::Holding {
                until: at.checked_add_ms(hold).ok_or_else(late)?,
            }),
        }
    }

    fn voted(&mut self, statement: &Statement, at: Timestamp) -> Result<Vec<Touch>, ReplayFault> {
        let id = &statement.withdrawal;
        let vote = Vote {
            decision: statement.decision,
            at,
        };
        self.withdrawal_mut(id)?
            .votes
            .insert(statement.operator.clone(), vote);
        match statement.decision {
            Decision::Approve => {
                let state = self.after_votes(id, at)?;
                self.move_withdrawal(id, state, at)
            }
            Decision::Reject => self.ended(id, WithdrawalState::Rejected, at),
            Decision::Cancel => self.ended(id, WithdrawalState::Cancelled, at),
        }
    }

    /// Ends a withdrawal of which no transaction exists, and gives its limits back.
    fn ended(
        &mut self,
        id: &WithdrawalId,
        state: WithdrawalState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.withdrawal_mut(id)?.transaction().is_some() {
            return Err(self.impossible("a transaction pays the withdrawal"));
        }
        self.limits.release(id);
        self.move_withdrawal(id, state, at)
    }

    /// Moves a withdrawal and keeps timers and the wallet's queues in step.
    fn move_withdrawal(
        &mut self,
        id: &WithdrawalId,
        state: WithdrawalState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let missing = self.missing(id);
        let withdrawal = self
            .withdrawals
            .get_mut(id)
            .ok_or_else(|| missing.clone())?;
        if let Some(due) = withdrawal.due() {
            self.timers.remove(&(due, id.clone()));
        }
        withdrawal.state = state;
        withdrawal.updated_at = at;
        if let Some(due) = withdrawal.due() {
            self.timers.insert((due, id.clone()));
        }
        let wallet = self.wallets.get_mut(&withdrawal.wallet).ok_or(missing)?;
        let place = (withdrawal.seq, id.clone());
        wallet.ready.remove(&place);
        wallet.blocked.remove(&place);
        match &withdrawal.state {
            WithdrawalState::Approved { blocked: None } => wallet.ready.insert(place),
            WithdrawalState::Approved { blocked: Some(_) } => wallet.blocked.insert(place),
            _ => false,
        };
        Ok(vec![Touch::Withdrawal(id.clone())])
    }

    fn planned(
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
        let mut touched = self.reserve(id, wallet, plan)?;
        for withdrawal in withdrawals {
            let state = &self.withdrawal_mut(withdrawal)?.state;
            if !matches!(state, WithdrawalState::Approved { .. }) {
                return Err(self.impossible("it pays a withdrawal that is not approved"));
            }
            touched.extend(self.move_withdrawal(
                withdrawal,
                WithdrawalState::InTransaction(id.clone()),
                at,
            )?);
        }
        let transaction = Transaction {
            wallet: wallet.clone(),
            withdrawals: withdrawals.to_vec(),
            plan: plan.clone(),
            export: export.cloned(),
            raw: None,
            signatures: 0,
            state: TransactionState::Planned,
            created_at: at,
            updated_at: at,
        };
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

    fn move_transaction(
        &mut self,
        id: &TransactionId,
        state: TransactionState,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let transaction = self.transaction_mut(id)?;
        transaction.state = state;
        transaction.updated_at = at;
        let withdrawals = transaction.withdrawals.clone();
        if matches!(
            state,
            TransactionState::Final { .. } | TransactionState::Conflicted
        ) {
            self.open.remove(id);
        }
        let mut touched = vec![Touch::Transaction(id.clone())];
        for withdrawal in withdrawals {
            self.withdrawal_mut(&withdrawal)?.updated_at = at;
            touched.push(Touch::Withdrawal(withdrawal));
        }
        Ok(touched)
    }

    fn finalised(&mut self, id: &TransactionId, at: Timestamp) -> Result<Vec<Touch>, ReplayFault> {
        let TransactionState::Included { height, succeeded } = self.transaction_mut(id)?.state
        else {
            return Err(self.impossible("the transaction is in no block"));
        };
        let touched =
            self.move_transaction(id, TransactionState::Final { height, succeeded }, at)?;
        if !succeeded {
            for withdrawal in self.transaction_mut(id)?.withdrawals.clone() {
                let reason =
                    "its transaction is in a block, but failed there; nothing was paid".to_owned();
                self.move_withdrawal(&withdrawal, WithdrawalState::Failed(reason), at)?;
            }
        }
        Ok(touched)
    }

    fn conflicted(&mut self, id: &TransactionId, at: Timestamp) -> Result<Vec<Touch>, ReplayFault> {
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

    fn freeze(&mut self, scope: FreezeScope, freeze: Freeze) -> Vec<Touch> {
        let touched = self.touch_scope(&scope);
        self.frozen.insert(scope, freeze);
        touched
    }

    fn touch_scope(&self, scope: &FreezeScope) -> Vec<Touch> {
        match scope {
            FreezeScope::Vault => self.wallets.keys().cloned().map(Touch::Wallet).collect(),
            FreezeScope::Wallet(wallet) => vec![Touch::Wallet(wallet.clone())],
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
