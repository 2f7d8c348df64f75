//! What policy judges a withdrawal by, as the vault knows it.

use custodyd_chain::{Address, Amount};
use custodyd_policy::{Call, Facts, Fiat, Initiator, Timestamp, WithdrawalId};

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
        let terms = self.policy.destinations();
        let sight = self.destinations.look_at(destination, amount, terms, at);
        Facts {
            withdrawal,
            vault: self.id.clone(),
            wallet: wallet.id.clone(),
            tier: wallet.tier,
            amount,
            fiat: self.value_of(&amount, at),
            fee: wallet.fee_caps.absolute,
            destination: destination.clone(),
            class: sight.class,
            destination_tier: self.owner_tier(destination),
            tags: sight.tags,
            flags: sight.flags,
            resembles: sight.resembles,
            call: Call::Native,
            initiator: initiator.clone(),
            at,
        }
    }

    /// What an amount is worth in the policy's currency at `at`; nothing without a fresh price, or where the policy has no
    /// currency.
    pub(crate) fn value_of(&self, amount: &Amount, at: Timestamp) -> Option<Fiat> {
        self.policy.fiat()?.value_of(&self.prices, amount, at)
    }
}
