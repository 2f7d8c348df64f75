//! A proposal takes effect: the draft of it becomes the vault, and what was decided under other people or another policy
//! is void.

use std::collections::BTreeSet;

use custodyd_policy::{OperatorId, Policy, PolicyHash, Timestamp, WalletId, WithdrawalId};

use super::{ReplayFault, Touch};
use crate::{
    Change, ProposalId, ProposalState, TransactionState, Vault, Wallet, WalletSpec,
    WithdrawalState,
    governance::{Draft, WalletSettings},
};

impl Vault {
    pub(super) fn enacted(
        &mut self,
        id: &ProposalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.check_passed(id)?;
        let proposal = self.proposals.get(id).ok_or_else(|| self.missing(id))?;
        match proposal.state {
            ProposalState::Delaying { until } if until <= at => {}
            _ => return Err(self.impossible(&format!("{id} is not due to take effect"))),
        }
        let changes = proposal.changes.clone();
        let draft = Draft::after(self, id, &changes);
        let draft = draft.map_err(|refused| self.impossible(&refused.to_string()))?;
        let policy = draft.changes_policy().then(|| draft.policy.clone());
        let Draft {
            operators,
            invitations,
            console,
            voided,
            clients,
            wallets,
            settings,
            retiring,
            ..
        } = draft;
        (self.operators, self.clients) = (operators, clients);
        (self.invitations, self.console) = (invitations, console);
        let mut touched = self.move_proposal(id, ProposalState::Enacted, at)?;
        for (wallet, settings) in settings {
            touched.extend(self.set_wallet(&wallet, settings)?);
        }
        for wallet in retiring {
            self.wallet_mut(&wallet)?.retiring = true;
            touched.push(Touch::Wallet(wallet));
        }
        for (wallet, spec) in wallets {
            touched.extend(self.add_wallet(&wallet, &spec));
        }
        for change in &changes {
            touched.extend(self.change_destinations(change, at)?);
        }
        for operator in &voided {
            touched.extend(self.void_votes(operator, at)?);
        }
        if let Some(policy) = policy {
            touched.extend(self.put_in_force(policy, at)?);
        }
        Ok(touched)
    }

    fn set_wallet(
        &mut self,
        id: &WalletId,
        settings: WalletSettings,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let wallet = self.wallet_mut(id)?;
        wallet.fee_caps = settings.fee_caps.unwrap_or(wallet.fee_caps);
        wallet.confirmations = settings.confirmations.unwrap_or(wallet.confirmations);
        // What couldn't be planned within the caps as they were may be now.
        wallet.unblock();
        Ok(vec![Touch::Wallet(id.clone())])
    }

    fn add_wallet(&mut self, id: &WalletId, spec: &WalletSpec) -> Vec<Touch> {
        let wallet = Wallet::new(id.clone(), spec);
        let mut touched = vec![Touch::Wallet(id.clone())];
        for key in wallet.keys().iter().filter_map(|slot| slot.id.clone()) {
            self.keys.insert(key.clone(), id.clone());
            self.keys_to_make.insert(key.clone());
            touched.push(Touch::Key(key));
        }
        for address in wallet.addresses() {
            self.address_owned(address, id);
        }
        self.wallets.insert(id.clone(), wallet);
        touched
    }

    fn change_destinations(
        &mut self,
        change: &Change,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        match change {
            Change::AddDestination {
                address,
                name,
                tags,
            } => self.destination_added(address, name, tags, at),
            Change::RemoveDestination { address } => self.destination_removed(address)?,
            Change::Block { addresses } => return self.addresses_blocked(addresses, at),
            Change::Unblock { addresses } => self.addresses_unblocked(addresses),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Somebody's say in what is still open no longer counts: they are gone, or it may not have been they who spoke.
    fn void_votes(
        &mut self,
        operator: &OperatorId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let mut touched = Vec::new();
        for freeze in self.frozen.values_mut() {
            freeze.votes.remove(operator);
        }
        for id in self.open_payouts() {
            let withdrawal = self.withdrawal_mut(&id)?;
            if withdrawal.votes.remove(operator).is_some() {
                touched.extend(self.count_again(&id, at)?);
            }
        }
        let open: Vec<ProposalId> = self.open_proposals().map(|p| p.id.clone()).collect();
        for id in open {
            let missing = self.missing(&id);
            let proposal = self.proposals.get_mut(&id).ok_or(missing)?;
            if proposal.approvals.remove(operator).is_none() {
                continue;
            }
            let (made_at, delaying) = (
                proposal.created_at,
                matches!(proposal.state, ProposalState::Delaying { .. }),
            );
            touched.push(Touch::Proposal(id.clone()));
            if delaying && self.check_passed(&id).is_err() {
                // Asked again, until the same time as before.
                let expires_at = made_at
                    .checked_add_ms(self.policy.approval_ttl_ms())
                    .ok_or_else(|| self.impossible("a time is out of range"))?;
                self.move_proposal(&id, ProposalState::Voting { expires_at }, at)?;
            }
        }
        Ok(touched)
    }

    /// Payouts that are admitted, or wait for a limit, and of which no transaction exists.
    fn open_payouts(&self) -> Vec<WithdrawalId> {
        let open = self.pending().filter(|w| w.state.is_cancellable());
        open.map(|w| w.id).collect()
    }

    /// Another policy: whatever it has not judged and no transaction pays is judged anew, without the votes so far.
    /// Plans go on under the policy that judged them.
    fn put_in_force(&mut self, policy: Policy, at: Timestamp) -> Result<Vec<Touch>, ReplayFault> {
        let mut touched = Vec::new();
        for id in self.open_payouts() {
            touched.extend(self.begin_again(&id, at)?);
        }
        // The last votes to let something go on were under the old quorum.
        for freeze in self.frozen.values_mut() {
            freeze.votes.clear();
        }
        let before = std::mem::replace(&mut self.policy, policy);
        self.former.insert(before.hash(), before);
        let in_use = self.plans_to_sign();
        self.former.retain(|hash, _| in_use.contains(hash));
        self.recount();
        self.compare_by_policy();
        Ok(touched)
    }

    /// A payout as if it had only been asked for: it gives its limits back, nobody has approved it, and it waits to be
    /// judged.
    pub(super) fn begin_again(
        &mut self,
        id: &WithdrawalId,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        self.give_back(id)?;
        let withdrawal = self.withdrawal_mut(id)?;
        withdrawal.votes.clear();
        withdrawal.verdict = None;
        let place = (withdrawal.seq, *id);
        let touched = self.move_withdrawal(id, WithdrawalState::Received, at)?;
        self.unjudged.insert(place);
        Ok(touched)
    }

    /// The policies that judged what is planned and not signed.
    fn plans_to_sign(&self) -> BTreeSet<PolicyHash> {
        let open = self.open.iter().filter_map(|id| self.transactions.get(id));
        open.filter(|transaction| transaction.state == TransactionState::Planned)
            .flat_map(|transaction| &transaction.withdrawals)
            .filter_map(|id| self.withdrawals.get(id)?.verdict.as_ref())
            .map(|verdict| verdict.policy)
            .collect()
    }
}
