//! The first event: a genesis becomes a vault.

use std::collections::BTreeMap;

use custodyd_policy::{LimitBook, Timestamp};

use super::ReplayFault;
use crate::destinations::Destinations;
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
        Ok(Self::from_genesis(genesis, first.at)?)
    }

    fn from_genesis(genesis: &Genesis, at: Timestamp) -> Result<Self, GenesisError> {
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
        let mut destinations = Destinations::new(policy.destinations().look_alike);
        for (name, entry) in &genesis.address_book {
            // Of two names for one address the first counts: neither has tags.
            if !destinations.book().contains_key(entry.address()) {
                destinations.add(entry.address().clone(), entry.found(name, at));
            }
        }
        destinations.block(&genesis.blocked);
        for wallet in wallets.values() {
            for address in wallet.addresses() {
                destinations.add_own(address, wallet.id.clone());
            }
        }
        Ok(Self {
            id: genesis.vault.clone(),
            seq: 1,
            policy,
            journal_key: genesis.journal_key.clone(),
            operators: genesis.operators.clone(),
            clients: genesis.clients(),
            console: genesis.console.clone(),
            invitations: Default::default(),
            counters: Default::default(),
            destinations,
            prices: Default::default(),
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
            screening: Default::default(),
            awaiting: Default::default(),
            compromised: Default::default(),
            proposals: Default::default(),
            proposal_timers: Default::default(),
            unjudged: Default::default(),
            former: Default::default(),
        })
    }
}
