//! What a freeze stops. The vault, a wallet or an asset stops wallets as a whole; a client or a destination stops single
//! payouts, whichever wallet pays them.

use custodyd_chain::Address;
use custodyd_policy::{Initiator, WalletId};

use crate::{Freeze, FreezeScope, Transaction, Vault, Wallet, Withdrawal, WithdrawalState};

impl Vault {
    /// Whether nothing of this wallet may be planned, signed or sent.
    pub fn is_frozen(&self, wallet: &WalletId) -> bool {
        match self.wallets.get(wallet) {
            Some(wallet) => self.wallet_freeze(wallet).is_some(),
            None => self.frozen.contains_key(&FreezeScope::Vault),
        }
    }

    /// What stops this wallet as a whole.
    pub fn wallet_freeze(&self, wallet: &Wallet) -> Option<(&FreezeScope, &Freeze)> {
        self.first_of([
            FreezeScope::Vault,
            FreezeScope::Wallet(wallet.id.clone()),
            FreezeScope::Asset(wallet.network.asset()),
        ])
    }

    /// What stops payouts that this initiator asks for, or that go to this destination.
    pub fn payout_freeze(
        &self,
        initiator: &Initiator,
        destination: &Address,
    ) -> Option<(&FreezeScope, &Freeze)> {
        // Nearly always nothing is frozen, and no name has to be copied to look it up.
        if self.frozen.is_empty() {
            return None;
        }
        let client = initiator.client().cloned().map(FreezeScope::Client);
        let destination = FreezeScope::Destination(destination.clone());
        self.first_of(client.into_iter().chain([destination]))
    }

    /// What stops this payout alone, while it is not over: its wallet's freeze is the wallet's.
    pub fn withdrawal_freeze(&self, withdrawal: &Withdrawal) -> Option<(&FreezeScope, &Freeze)> {
        let request = &withdrawal.request;
        self.payout_freeze(&request.initiator, &request.destination)
            .filter(|_| self.is_open(withdrawal))
    }

    /// Whether this transaction is neither signed nor sent: something about it is frozen, or it pays a destination that
    /// was blocked since it was planned. A signature that exists already can confirm all the same.
    pub fn is_stopped(&self, transaction: &Transaction) -> bool {
        self.is_frozen(&transaction.wallet)
            || transaction
                .withdrawals
                .iter()
                .filter_map(|id| self.withdrawals.get(id))
                .any(|withdrawal| {
                    let request = &withdrawal.request;
                    self.block_list().contains(&request.destination)
                        || self
                            .payout_freeze(&request.initiator, &request.destination)
                            .is_some()
                })
    }

    /// Whether something can still become of it.
    pub(crate) fn is_open(&self, withdrawal: &Withdrawal) -> bool {
        match &withdrawal.state {
            WithdrawalState::InTransaction(id) => self.open.contains(id),
            WithdrawalState::Received => true,
            state => state.is_cancellable(),
        }
    }

    /// Payouts that nothing is planned for yet, and that may still be paid. Each of them has a timer or a place in its
    /// wallet's queues, so that this doesn't walk through all that ever was.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Withdrawal> {
        let timed = self.timers.iter().map(|(_, id)| id);
        let queued = self
            .wallets
            .values()
            .flat_map(|w| w.ready.iter().chain(&w.blocked).map(|(_, id)| id));
        let unjudged = self.unjudged.iter().map(|(_, id)| id);
        timed
            .chain(queued)
            .chain(unjudged)
            .filter_map(|id| self.withdrawals.get(id))
    }

    /// What is frozen, in words.
    pub(crate) fn name_of(&self, scope: &FreezeScope) -> String {
        match scope {
            FreezeScope::Vault => format!("vault {}", self.id),
            FreezeScope::Wallet(wallet) => format!("wallet {wallet}"),
            FreezeScope::Asset(asset) => format!("asset {asset}"),
            FreezeScope::Client(client) => format!("client {client}"),
            FreezeScope::Destination(address) => format!("destination {address}"),
        }
    }

    fn first_of(
        &self,
        scopes: impl IntoIterator<Item = FreezeScope>,
    ) -> Option<(&FreezeScope, &Freeze)> {
        scopes
            .into_iter()
            .find_map(|scope| self.frozen.get_key_value(&scope))
    }
}
