//! A wallet: its keys, its funds as the chain shows them, and what is held back for transactions.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{
    Address, Amount, AmountError, Coin, Family, FeeCaps, Network, OutPoint, PublicKey,
};
use custodyd_policy::{Tier, Timestamp, WalletId, WithdrawalId};

use crate::{KeyId, TransactionId, WalletKey, WalletSpec};

/// A key of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// Its id, when it is in the online HSM.
    pub id: Option<KeyId>,
    /// Its public half, once made.
    pub public_key: Option<PublicKey>,
    /// When the HSM made it; unknown for a key from outside. Nothing was paid to it before.
    pub made_at: Option<Timestamp>,
}

/// What a wallet holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Funds {
    /// Unspent outputs, confirmed, as last observed.
    Coins(BTreeMap<OutPoint, Coin>),
    /// An account.
    Account(Account),
}

/// An Ethereum account. Balance and nonce belong to one block, so what is still to leave is exactly the transactions from
/// that nonce on, whatever their own state says.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Balance at the observed block; nothing is known before the first.
    pub balance: Option<Amount>,
    /// The next nonce the chain accepts.
    pub nonce: u64,
    /// The observed block.
    pub height: u64,
    /// What each reserved nonce may cost at most.
    pub reserved: BTreeMap<u64, (TransactionId, Amount)>,
    /// The sum of those from `nonce` on.
    pub committed: Amount,
}

impl Account {
    fn new(network: Network) -> Self {
        Self {
            balance: None,
            nonce: 0,
            height: 0,
            reserved: BTreeMap::new(),
            committed: Amount::zero(network.asset()),
        }
    }

    /// The nonce of the next transaction: never one that was reserved before.
    pub fn next_nonce(&self) -> Option<u64> {
        let after_ours = match self.reserved.last_key_value() {
            Some((last, _)) => last.checked_add(1)?,
            None => 0,
        };
        Some(after_ours.max(self.nonce))
    }

    /// What may still be spent.
    pub fn available(&self) -> Result<Amount, AmountError> {
        match self.balance {
            Some(balance) => balance
                .checked_sub(&self.committed)
                .or(Ok(Amount::zero(balance.asset()))),
            None => Ok(Amount::zero(self.committed.asset())),
        }
    }

    pub(crate) fn reserve(
        &mut self,
        nonce: u64,
        transaction: TransactionId,
        cost: Amount,
    ) -> Result<(), AmountError> {
        if nonce >= self.nonce {
            self.committed = self.committed.checked_add(&cost)?;
        }
        self.reserved.insert(nonce, (transaction, cost));
        Ok(())
    }

    pub(crate) fn observe(
        &mut self,
        balance: Amount,
        nonce: u64,
        height: u64,
    ) -> Result<(), AmountError> {
        for (_, cost) in self
            .reserved
            .range(self.nonce.min(nonce)..self.nonce.max(nonce))
            .map(|(_, entry)| entry)
        {
            self.committed = if nonce > self.nonce {
                self.committed.checked_sub(cost)?
            } else {
                self.committed.checked_add(cost)?
            };
        }
        (self.balance, self.nonce, self.height) = (Some(balance), nonce, height);
        Ok(())
    }
}

/// One wallet.
#[derive(Debug, Clone, PartialEq)]
pub struct Wallet {
    /// Its name.
    pub id: WalletId,
    /// How it may sign.
    pub tier: Tier,
    /// Where it lives.
    pub network: Network,
    /// What a transaction may cost.
    pub fee_caps: FeeCaps,
    /// Depth at which a transaction is final.
    pub confirmations: u32,
    /// Its keys, in the order asked for. The first one's address takes change.
    pub keys: Vec<KeySlot>,
    /// What it holds.
    pub funds: Funds,
    /// Payouts that may be planned, in order.
    pub(crate) ready: BTreeSet<(u64, WithdrawalId)>,
    /// Payouts that couldn't be planned with the wallet as it is.
    pub(crate) blocked: BTreeSet<(u64, WithdrawalId)>,
}

impl Wallet {
    pub(crate) fn new(id: WalletId, spec: &WalletSpec) -> Self {
        let key = match &spec.key {
            WalletKey::Online(id) => KeySlot {
                id: Some(id.clone()),
                public_key: None,
                made_at: None,
            },
            WalletKey::Offline(public) => KeySlot {
                id: None,
                public_key: Some(*public),
                made_at: None,
            },
        };
        Self {
            id,
            tier: spec.tier,
            network: spec.network,
            fee_caps: spec.fee_caps,
            confirmations: spec.confirmations,
            keys: vec![key],
            funds: match spec.network.family() {
                Family::Bitcoin => Funds::Coins(BTreeMap::new()),
                Family::Evm => Funds::Account(Account::new(spec.network)),
            },
            ready: BTreeSet::new(),
            blocked: BTreeSet::new(),
        }
    }

    /// The key whose address takes change, once it is made.
    pub fn primary_key(&self) -> Option<PublicKey> {
        self.keys.first().and_then(|slot| slot.public_key)
    }

    /// Its addresses, in the order made.
    pub fn addresses(&self) -> Vec<Address> {
        self.keys
            .iter()
            .filter_map(|slot| slot.public_key)
            .map(|key| Address::from_public_key(self.network, &key))
            .collect()
    }

    /// The HSM's id for a public key of this wallet.
    pub fn key_of(&self, public_key: &PublicKey) -> Option<&KeyId> {
        self.keys
            .iter()
            .find(|slot| slot.public_key.as_ref() == Some(public_key))
            .and_then(|slot| slot.id.as_ref())
    }

    /// Whether it can pay at all.
    pub fn is_active(&self) -> bool {
        self.primary_key().is_some()
    }

    /// Lets blocked payouts be tried again: something about the wallet changed.
    pub(crate) fn unblock(&mut self) {
        self.ready.append(&mut self.blocked);
    }
}
