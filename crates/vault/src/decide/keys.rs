//! Keys and addresses. A key's id is durable before the HSM is asked for it, so that a crash can't orphan one.

use std::collections::BTreeSet;

use custodyd_chain::{Family, NonceX, PublicKey};
use custodyd_policy::{Tier, WalletId};

use crate::{Event, Evidence, KeyId, Rejection, TransactionId, Vault, WrappedBlob};

impl Vault {
    pub(super) fn decide_request_address(
        &self,
        wallet: &WalletId,
        key: &KeyId,
        by: &str,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        self.may_have_addresses(wallet)?;
        self.is_fresh(key)?;
        let (wallet, key, by) = (wallet.clone(), key.clone(), by.to_owned());
        Ok(vec![Event::KeyRequested {
            wallet,
            key,
            by,
            evidence: evidence.clone(),
        }])
    }

    /// One event for all, with the request once: it may be a thousand times as long as a key's id.
    pub(super) fn decide_request_addresses(
        &self,
        wallet: &WalletId,
        keys: &[KeyId],
        by: &str,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
        self.may_have_addresses(wallet)?;
        let mut seen = BTreeSet::new();
        for key in keys {
            self.is_fresh(key)?;
            if !seen.insert(key) {
                return Err(Rejection::Taken(key.to_string()));
            }
        }
        let (wallet, keys, by) = (wallet.clone(), keys.to_vec(), by.to_owned());
        Ok(vec![Event::KeysRequested {
            wallet,
            keys,
            by,
            evidence: evidence.clone(),
        }])
    }

    fn is_fresh(&self, key: &KeyId) -> Result<(), Rejection> {
        if self.keys.contains_key(key) {
            return Err(Rejection::Taken(key.to_string()));
        }
        Ok(())
    }

    fn may_have_addresses(&self, wallet: &WalletId) -> Result<(), Rejection> {
        let entry = self
            .wallets
            .get(wallet)
            .ok_or_else(|| Rejection::UnknownWallet(wallet.clone()))?;
        if entry.network.family() == Family::Evm {
            return Err(Rejection::SingleAddress(
                wallet.clone(),
                "it is one account",
            ));
        }
        if entry.tier == Tier::Cold {
            return Err(Rejection::SingleAddress(
                wallet.clone(),
                "its key is offline",
            ));
        }
        if entry.retiring {
            return Err(Rejection::Retiring(wallet.clone()));
        }
        Ok(())
    }

    pub(super) fn decide_key_made(
        &self,
        key: &KeyId,
        public: &PublicKey,
        wrapped: Option<&WrappedBlob>,
    ) -> Result<Vec<Event>, Rejection> {
        let wallet = self
            .keys
            .get(key)
            .and_then(|id| self.wallets.get(id))
            .ok_or_else(|| Rejection::UnknownKey(key.clone()))?;
        let wanted = wallet.wraps(key);
        if wrapped.is_some() != wanted || wrapped.is_some_and(|blob| !blob.is_sized()) {
            return Err(Rejection::KeyPlace(key.clone()));
        }
        // Whoever asks the HSM again for a wrapped key gets another one; the first that became durable stays.
        if wanted && !self.keys_to_make.contains(key) {
            return Ok(Vec::new());
        }
        // Two wallets on one account would each count its nonces; and a key doesn't change under its id.
        let clashes = wallet
            .key(key)
            .and_then(|slot| slot.public_key)
            .is_some_and(|made| made != *public)
            || self.wallets.values().any(|other| {
                other
                    .key_of(public)
                    .is_some_and(|slot| slot.id.as_ref() != Some(key))
            });
        if clashes {
            return Err(Rejection::Taken(format!("the public key of {key}")));
        }
        if self.keys_to_make.contains(key) {
            Ok(vec![Event::KeyMade {
                key: key.clone(),
                public_key: *public,
                wrapped: wrapped.cloned(),
            }])
        } else {
            Ok(Vec::new())
        }
    }

    /// A key whose nonces repeat is given up at once; told again of one, there is nothing new.
    pub(super) fn decide_nonce_reused(
        &self,
        public_key: &PublicKey,
        r: &NonceX,
        earlier: &TransactionId,
        transaction: &TransactionId,
    ) -> Result<Vec<Event>, Rejection> {
        let wallet = &self.known_transaction(transaction)?.wallet;
        let is_its_own = self
            .wallets
            .get(wallet)
            .is_some_and(|wallet| wallet.key_of(public_key).is_some());
        if !is_its_own {
            return Err(Rejection::Observation(
                wallet.clone(),
                format!("{public_key} is not its key"),
            ));
        }
        if self.compromised.contains_key(public_key) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::KeyCompromised {
            wallet: wallet.clone(),
            public_key: *public_key,
            r: *r,
            earlier: earlier.clone(),
            transaction: transaction.clone(),
        }])
    }
}
