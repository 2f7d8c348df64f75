//! Keys and addresses. A key's id is durable before the HSM is asked for it, so that a crash can't orphan one.

use custodyd_chain::{Family, PublicKey};
use custodyd_policy::{Tier, WalletId};

use crate::{Event, Evidence, KeyId, Rejection, Vault};

impl Vault {
    pub(super) fn decide_request_address(
        &self,
        wallet: &WalletId,
        key: &KeyId,
        by: &str,
        evidence: &Evidence,
    ) -> Result<Vec<Event>, Rejection> {
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
        if self.keys.contains_key(key) {
            return Err(Rejection::Taken(key.to_string()));
        }
        let (wallet, key, by) = (wallet.clone(), key.clone(), by.to_owned());
        Ok(vec![Event::KeyRequested {
            wallet,
            key,
            by,
            evidence: evidence.clone(),
        }])
    }

    pub(super) fn decide_key_made(
        &self,
        key: &KeyId,
        public: &PublicKey,
    ) -> Result<Vec<Event>, Rejection> {
        let wallet = self
            .keys
            .get(key)
            .ok_or_else(|| Rejection::UnknownKey(key.clone()))?;
        let slots = self
            .wallets
            .get(wallet)
            .map(|w| w.keys.as_slice())
            .unwrap_or_default();
        if slots
            .iter()
            .any(|slot| slot.id.as_ref() != Some(key) && slot.public_key.as_ref() == Some(public))
        {
            return Err(Rejection::Taken(format!("the public key of {key}")));
        }
        if self.keys_to_make.contains(key) {
            Ok(vec![Event::KeyMade {
                key: key.clone(),
                public_key: *public,
            }])
        } else {
            Ok(Vec::new())
        }
    }
}
