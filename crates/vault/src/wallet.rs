//! A wallet: its keys, its funds as the chain shows them, and what is held back for transactions.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{
    Address, Amount, AmountError, Coin, Family, FeeCaps, Network, OutPoint, PublicKey,
};
use custodyd_policy::{Tier, Timestamp, WalletId, WithdrawalId};

use crate::{Addresses, KeyId, TransactionId, WalletKey, WalletSpec, WrappedBlob};

/// A key of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// Its id, when it is in the online HSM.
    pub id: Option<KeyId>,
    /// Its public half, once made.
    pub public_key: Option<PublicKey>,
    /// When the HSM made it; unknown for a key from outside. Nothing was paid to it before.
    pub made_at: Option<Timestamp>,
    /// Its private half, if the HSM doesn't keep it.
    pub wrapped: Option<WrappedBlob>,
}

impl KeySlot {
    /// A key that the HSM is to make.
    pub(crate) const fn to_make(id: KeyId) -> Self {
        Self {
            id: Some(id),
            public_key: None,
            made_at: None,
            wrapped: None,
        }
    }
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
    /// Where the keys of its addresses after the first are.
    pub keys_are: Addresses,
    /// Whether it is on its way out: it pays own wallets only, and nothing is paid to it.
    pub retiring: bool,
    /// Its keys, in the order asked for. The first one's address takes change.
    keys: Vec<KeySlot>,
    /// Places in `keys`, so that nothing looks through a hundred thousand.
    by_id: BTreeMap<KeyId, usize>,
    by_public_key: BTreeMap<PublicKey, usize>,
    /// What it holds.
    pub funds: Funds,
    /// Payouts that may be planned, in order.
    pub(crate) ready: BTreeSet<(u64, WithdrawalId)>,
    /// Payouts that couldn't be planned with the wallet as it is.
    pub(crate) blocked: BTreeSet<(u64, WithdrawalId)>,
}

impl Wallet {
    pub(crate) fn new(id: WalletId, spec: &WalletSpec) -> Self {
        let mut wallet = Self {
            id,
            tier: spec.tier,
            network: spec.network,
            fee_caps: spec.fee_caps,
            confirmations: spec.confirmations,
            keys_are: spec.addresses,
            retiring: false,
            keys: Vec::new(),
            by_id: BTreeMap::new(),
            by_public_key: BTreeMap::new(),
            funds: match spec.network.family() {
                Family::Bitcoin => Funds::Coins(BTreeMap::new()),
                Family::Evm => Funds::Account(Account::new(spec.network)),
            },
            ready: BTreeSet::new(),
            blocked: BTreeSet::new(),
        };
        wallet.add_key(match &spec.key {
            WalletKey::Online(id) => KeySlot::to_make(id.clone()),
            WalletKey::Offline(public) => KeySlot {
                id: None,
                public_key: Some(*public),
                made_at: None,
                wrapped: None,
            },
        });
        wallet
    }

    pub(crate) fn add_key(&mut self, slot: KeySlot) {
        let place = self.keys.len();
        if let Some(id) = &slot.id {
            self.by_id.insert(id.clone(), place);
        }
        if let Some(public) = slot.public_key {
            self.by_public_key.insert(public, place);
        }
        self.keys.push(slot);
    }

    /// Fills in what the HSM made. False if there is no such key.
    pub(crate) fn key_made(
        &mut self,
        id: &KeyId,
        public: PublicKey,
        wrapped: Option<WrappedBlob>,
        at: Timestamp,
    ) -> bool {
        let place = self.by_id.get(id).copied();
        let Some((place, slot)) = place.and_then(|p| Some((p, self.keys.get_mut(p)?))) else {
            return false;
        };
        slot.public_key = Some(public);
        slot.made_at = Some(at);
        slot.wrapped = wrapped;
        self.by_public_key.insert(public, place);
        true
    }

    /// Its keys, in the order asked for. The first one's address takes change.
    pub fn keys(&self) -> &[KeySlot] {
        &self.keys
    }

    /// The key with this id.
    pub fn key(&self, id: &KeyId) -> Option<&KeySlot> {
        self.keys.get(*self.by_id.get(id)?)
    }

    /// The key with this public half.
    pub fn key_of(&self, public_key: &PublicKey) -> Option<&KeySlot> {
        self.keys.get(*self.by_public_key.get(public_key)?)
    }

    /// Whether a key of this wallet is to be wrapped: any but its first, where the genesis says so.
    pub fn wraps(&self, id: &KeyId) -> bool {
        self.keys_are == Addresses::Wrapped && self.by_id.get(id).is_some_and(|place| *place > 0)
    }

    /// The key whose address takes change, once it is made.
    pub fn primary_key(&self) -> Option<PublicKey> {
        self.keys.first().and_then(|slot| slot.public_key)
    }

    /// Its addresses, in the order asked for.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.keys
            .iter()
            .filter_map(|slot| slot.public_key)
            .map(|key| Address::from_public_key(self.network, &key))
    }

    /// How many addresses it has.
    pub fn address_count(&self) -> usize {
        self.by_public_key.len()
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
