//! What policy judges a withdrawal by, as the vault knows it.

use custodyd_chain::{Address, Amount};
use custodyd_policy::{Call, Facts, Initiator, Timestamp, WithdrawalId};

use crate::{Vault, Wallet};

impl Vault {
    /// A payout from `wallet` at `at`, as policy judges it. Before it is planned its fee is not known: the most that the
    /// wallet may pay stands for it.
    pub(crate) fn facts_of(
        &self,
        withdrawal: WithdrawalId,
        initiator: &Initiator,
        wallet: &Wallet,
        amount: Amount,
        destination: &Address,
        at: Timestamp,
    ) -> Facts {
        Facts {
            withdrawal,
            vault: self.id.clone(),
            wallet: wallet.id.clone(),
            tier: wallet.tier,
            amount,
            fiat: None,
            fee: wallet.fee_caps.absolute,
            destination: destination.clone(),
            class: self.classify(destination),
            destination_tier: self.owner_tier(destination),
            resembles: None,
            tags: Default::default(),
            flags: Default::default(),
            call: Call::Native,
            initiator: initiator.clone(),
            at,
        }
    }
}
