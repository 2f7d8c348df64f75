//! Freezes: in force with the event that makes them.

use custodyd_chain::PublicKey;
use custodyd_policy::OperatorId;

use super::{ReplayFault, Touch};
use crate::{Compromise, Freeze, FreezeScope, Vault, Withdrawal};

impl Vault {
    pub(super) fn unfreeze_voted(
        &mut self,
        scope: &FreezeScope,
        operator: &OperatorId,
    ) -> Result<Vec<Touch>, ReplayFault> {
        match self.frozen.get_mut(scope) {
            Some(freeze) => {
                freeze.votes.insert(operator.clone());
                Ok(Vec::new())
            }
            None => Err(self.impossible("nothing is frozen there")),
        }
    }

    /// Checked again, so that a journal in which something went on without its quorum can't be replayed.
    pub(super) fn unfrozen(&mut self, scope: &FreezeScope) -> Result<Vec<Touch>, ReplayFault> {
        let required = self.policy.governance().unfreeze.as_slice();
        match self.frozen.get(scope) {
            Some(freeze) if self.policy.satisfied(required, &freeze.votes).is_ok() => {
                self.frozen.remove(scope);
                Ok(self.touch_scope(scope))
            }
            Some(_) => Err(self.impossible("it lacks votes to go on")),
            None => Err(self.impossible("nothing is frozen there")),
        }
    }

    pub(super) fn freeze(&mut self, scope: FreezeScope, freeze: Freeze) -> Vec<Touch> {
        let touched = self.touch_scope(&scope);
        self.frozen.insert(scope, freeze);
        touched
    }

    /// The key is marked for good, and its wallet frozen until a quorum knows of it.
    pub(super) fn key_compromised(
        &mut self,
        public_key: PublicKey,
        compromise: Compromise,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let wallet = self.wallet_mut(&compromise.wallet)?;
        let Some(slot) = wallet.key_of(&public_key) else {
            let why = format!("wallet {} has no key {public_key}", compromise.wallet);
            return Err(self.impossible(&why));
        };
        let mut touched: Vec<Touch> = slot.id.clone().map(Touch::Key).into_iter().collect();
        // A payout that couldn't be planned with this key may be with another.
        wallet.unblock();
        let freeze = Freeze {
            reason: format!(
                "key {public_key} used one nonce for {} and {}: whoever sees both signatures has the private key, so the \
                 second was thrown away and the key never signs again",
                compromise.earlier, compromise.transaction
            ),
            by: None,
            at: compromise.at,
            votes: Default::default(),
        };
        let scope = FreezeScope::Wallet(compromise.wallet.clone());
        if self.compromised.insert(public_key, compromise).is_some() {
            return Err(self.impossible("the key is compromised already"));
        }
        touched.extend(self.freeze(scope, freeze));
        Ok(touched)
    }

    /// Payouts of which something can still become.
    fn touch_open(&self, concerned: impl Fn(&Withdrawal) -> bool) -> Vec<Touch> {
        let in_transactions = self
            .open
            .iter()
            .filter_map(|id| self.transactions.get(id))
            .flat_map(|transaction| &transaction.withdrawals)
            .filter_map(|id| self.withdrawals.get(id));
        self.pending()
            .chain(in_transactions)
            .filter(|withdrawal| concerned(withdrawal))
            .map(|withdrawal| Touch::Withdrawal(withdrawal.id))
            .collect()
    }

    pub(super) fn touch_scope(&self, scope: &FreezeScope) -> Vec<Touch> {
        match scope {
            FreezeScope::Vault => self.wallets.keys().cloned().map(Touch::Wallet).collect(),
            FreezeScope::Wallet(wallet) => vec![Touch::Wallet(wallet.clone())],
            FreezeScope::Asset(asset) => self
                .wallets
                .values()
                .filter(|wallet| wallet.network.asset() == *asset)
                .map(|wallet| Touch::Wallet(wallet.id.clone()))
                .collect(),
            FreezeScope::Client(client) => {
                self.touch_open(|w| w.request.initiator.client() == Some(client))
            }
            FreezeScope::Destination(address) => {
                self.touch_open(|w| w.request.destination == *address)
            }
        }
    }
}
