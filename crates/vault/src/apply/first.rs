//! The first event: a genesis becomes a vault.

use std::collections::BTreeMap;

use custodyd_policy::LimitBook;

use super::ReplayFault;
use crate::{Event, Genesis, GenesisError, Recorded, Vault, Wallet};

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
        let wallets: BTreeMap<_, _> = genesis
            .wallets
            .iter()
            .map(|(id, spec)| (id.clone(), Wallet::new(id.clone(), spec)))
            .collect();
        let slots = || {
            wallets
                .values()
                .flat_map(|w| w.keys().iter().map(move |slot| (w, slot)))
        };
        let keys: BTreeMap<_, _> = slots()
            .filter_map(|(w, slot)| Some((slot.id.clone()?, w.id.clone())))
            .collect();
        let own = wallets
            .values()
            .flat_map(|w| w.addresses().map(|a| (a, w.id.clone())))
            .collect();
        Ok(Self {
            id: genesis.vault.clone(),
            seq: 1,
            policy,
            journal_key: genesis.journal_key.clone(),
            operators: genesis.operators.clone(),
            clients: genesis.clients(),
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
            compromised: Default::default(),
            proposals: Default::default(),
            proposal_timers: Default::default(),
            unjudged: Default::default(),
            former: Default::default(),
        })
    }
}
