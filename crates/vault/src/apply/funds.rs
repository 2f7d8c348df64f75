//! Keys and what the chain shows of them. Whatever changes a wallet lets its blocked payouts be tried again.

use custodyd_chain::{Address, Amount, Coin, FeeQuote, Network, OutPoint, PublicKey};
use custodyd_policy::{Timestamp, WalletId};

use super::{ReplayFault, Touch};
use crate::{Funds, KeyId, KeySlot, Vault, Wallet, WrappedBlob};

impl Vault {
    pub(super) fn keys_requested(
        &mut self,
        wallet: &WalletId,
        keys: &[KeyId],
    ) -> Result<Vec<Touch>, ReplayFault> {
        let mut touched = vec![Touch::Wallet(wallet.clone())];
        for key in keys {
            if self.keys.contains_key(key) {
                return Err(self.impossible("the key exists"));
            }
            self.wallet_mut(wallet)?
                .add_key(KeySlot::to_make(key.clone()));
            self.keys.insert(key.clone(), wallet.clone());
            self.keys_to_make.insert(key.clone());
            touched.push(Touch::Key(key.clone()));
        }
        Ok(touched)
    }

    pub(super) fn key_made(
        &mut self,
        key: &KeyId,
        public: PublicKey,
        wrapped: Option<&WrappedBlob>,
        at: Timestamp,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let id = self
            .keys
            .get(key)
            .cloned()
            .ok_or_else(|| self.missing(key))?;
        let wallet = self.wallet_mut(&id)?;
        let network = wallet.network;
        let found = wallet.key_made(key, public, wrapped.cloned(), at);
        wallet.unblock();
        if !found {
            return Err(self.missing(key));
        }
        self.address_owned(Address::from_public_key(network, &public), &id);
        self.keys_to_make.remove(key);
        Ok(vec![Touch::Key(key.clone()), Touch::Wallet(id)])
    }

    pub(super) fn coins_observed(
        &mut self,
        wallet: &WalletId,
        added: &[Coin],
        removed: &[OutPoint],
    ) -> Result<Vec<Touch>, ReplayFault> {
        let seq = self.seq;
        let entry = self.wallet_mut(wallet)?;
        let Funds::Coins(coins) = &mut entry.funds else {
            let why = format!("wallet {wallet} holds no coins");
            return Err(ReplayFault::Impossible { seq, why });
        };
        for outpoint in removed {
            coins.remove(outpoint);
        }
        coins.extend(added.iter().map(|coin| (coin.outpoint, coin.clone())));
        entry.unblock();
        Ok(vec![Touch::Wallet(wallet.clone())])
    }

    pub(super) fn account_observed(
        &mut self,
        wallet: &WalletId,
        balance: Amount,
        nonce: u64,
        height: u64,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let seq = self.seq;
        let entry = self.wallet_mut(wallet)?;
        let Funds::Account(account) = &mut entry.funds else {
            let why = format!("wallet {wallet} is no account");
            return Err(ReplayFault::Impossible { seq, why });
        };
        account
            .observe(balance, nonce, height)
            .map_err(|source| ReplayFault::Amount { seq, source })?;
        entry.unblock();
        Ok(vec![Touch::Wallet(wallet.clone())])
    }

    pub(super) fn fee_observed(&mut self, network: Network, quote: FeeQuote, at: Timestamp) {
        let before = self.fees.insert(network, (quote, at));
        if before.is_none_or(|(old, _)| old != quote) {
            self.wallets
                .values_mut()
                .filter(|w| w.network == network)
                .for_each(Wallet::unblock);
        }
    }
}
