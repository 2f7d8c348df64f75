//! Wallets on their way out. They are emptied into own wallets; what they did stays, and their addresses stay the vault's,
//! since whatever is paid to one can still be spent.

use std::fmt;

use custodyd_chain::Address;
use custodyd_policy::WalletId;

use crate::{Funds, Vault, Wallet};

/// Whether a wallet is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletStatus {
    /// It pays and gets paid.
    Active,
    /// It pays own wallets only, until it is empty.
    Draining,
    /// It is empty and nothing of it is open. Should something be paid to it after all, it is draining again.
    Retired,
}

impl fmt::Display for WalletStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Retired => "retired",
        })
    }
}

impl Vault {
    /// Whether a wallet is in use. Derived from what it holds, so that a payment to a retired one is not overlooked.
    pub fn wallet_status(&self, wallet: &Wallet) -> WalletStatus {
        if !wallet.retiring {
            WalletStatus::Active
        } else if is_empty(wallet) && !self.has_open(wallet) {
            WalletStatus::Retired
        } else {
            WalletStatus::Draining
        }
    }

    fn has_open(&self, wallet: &Wallet) -> bool {
        let mut transactions = self.open.iter().filter_map(|id| self.transactions.get(id));
        let unjudged = self.unjudged.iter().map(|(_, id)| id);
        let unjudged = unjudged.filter_map(|id| self.withdrawals.get(id));
        transactions.any(|transaction| transaction.wallet == wallet.id)
            || self
                .pending()
                .chain(unjudged)
                .any(|w| w.wallet == wallet.id)
    }

    /// The retiring wallet that keeps a payout from being made: at either end.
    pub(crate) fn retiring_end(&self, from: &Wallet, to: &Address) -> Option<WalletId> {
        let owner = self
            .destinations
            .own()
            .get(to)
            .and_then(|id| self.wallets.get(id));
        match owner {
            Some(owner) if owner.retiring => Some(owner.id.clone()),
            None if from.retiring => Some(from.id.clone()),
            _ => None,
        }
    }
}

/// Whether nothing is left that could be paid: no coin, or no more on the account than a transaction may cost in fees.
fn is_empty(wallet: &Wallet) -> bool {
    match &wallet.funds {
        Funds::Coins(coins) => coins.is_empty(),
        Funds::Account(account) => account
            .balance
            .is_none_or(|balance| balance.units() <= wallet.fee_caps.absolute.units()),
    }
}
