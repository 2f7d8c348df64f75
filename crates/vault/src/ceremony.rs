//! The genesis ceremony: each of the first operators signs what the vault begins with, so that nobody who only runs the
//! daemon can begin one of their own making.
//!
//! What they sign is what people wrote down. The ids of keys that the HSM makes, and the journal's key, come later and are
//! left out: they hold nothing that an operator could judge.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{FeeCaps, Network, PublicKey};
use custodyd_policy::{OperatorId, Tier, VaultId, WalletId};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Addresses, Credential, Genesis, GenesisError, RawSignature, WalletKey, WalletSpec,
    credential::signed_by_any,
};

/// The domain that keeps a genesis signature from being taken for any other signed message.
pub const GENESIS_DOMAIN: &str = "custodyd/genesis/v1";

/// What each first operator signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisStatement {
    /// Always [`GENESIS_DOMAIN`].
    pub domain: String,
    /// The vault that begins.
    pub vault: VaultId,
    /// SHA-256 over the RFC 8785 form of what was written down, hex.
    pub digest: String,
}

impl GenesisStatement {
    /// SHA-256 of the canonical JSON: the 32 bytes to sign.
    pub fn challenge(&self) -> [u8; 32] {
        let canonical = serde_json_canonicalizer::to_vec(self)
            .expect("a statement holds strings, which RFC 8785 can write");
        Sha256::digest(canonical).into()
    }

    /// Whether any of these credentials signed this statement. Passkeys don't: there is no console before there is a vault.
    pub fn is_signed_by(&self, credentials: &[Credential], signature: &RawSignature) -> bool {
        signed_by_any(credentials, None, &self.challenge(), &(*signature).into())
    }

    /// The signature of whoever holds this key.
    pub fn sign(&self, key: &SigningKey) -> RawSignature {
        RawSignature(key.sign(&self.challenge()).to_bytes())
    }
}

/// A wallet as it is written down.
#[derive(Serialize)]
struct WrittenWallet {
    tier: Tier,
    network: Network,
    fee_caps: FeeCaps,
    confirmations: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKey>,
    addresses: Addresses,
}

impl From<&WalletSpec> for WrittenWallet {
    fn from(spec: &WalletSpec) -> Self {
        let public_key = match &spec.key {
            WalletKey::Online(_) => None,
            WalletKey::Offline(public) => Some(*public),
        };
        Self {
            tier: spec.tier,
            network: spec.network,
            fee_caps: spec.fee_caps,
            confirmations: spec.confirmations,
            public_key,
            addresses: spec.addresses,
        }
    }
}

impl Genesis {
    /// What each of its operators signs. It doesn't depend on key ids, the journal's key and the signatures.
    pub fn statement(&self) -> GenesisStatement {
        let wallets: BTreeMap<&WalletId, WrittenWallet> = self
            .wallets
            .iter()
            .map(|(id, spec)| (id, WrittenWallet::from(spec)))
            .collect();
        // Destructured, so that whatever a genesis gains has to be placed on one side or the other.
        let Self {
            vault,
            policy,
            journal_key: _,
            operators,
            clients,
            client_scopes,
            wallets: _,
            address_book,
            blocked,
            console,
            signatures: _,
        } = self;
        let mut written = serde_json::json!({
            "vault": vault,
            "policy": policy,
            "operators": operators,
            "clients": clients,
            "client_scopes": client_scopes,
            "wallets": wallets,
            "address_book": address_book,
            "blocked": blocked,
        });
        // A genesis without one is signed as it was before there were consoles.
        if let (Some(console), Some(fields)) = (console, written.as_object_mut()) {
            fields.insert("console".to_owned(), serde_json::json!(console));
        }
        let canonical = serde_json_canonicalizer::to_vec(&written)
            .expect("a genesis holds strings and small integers, which RFC 8785 can write");
        GenesisStatement {
            domain: GENESIS_DOMAIN.to_owned(),
            vault: self.vault.clone(),
            digest: hex::encode(Sha256::digest(canonical)),
        }
    }

    /// The genesis with these people's signatures, where all their keys are at hand: for trials and tests. In a ceremony
    /// each signs [`Genesis::statement`] where their key is.
    #[must_use]
    pub fn signed_with(mut self, keys: &BTreeMap<OperatorId, SigningKey>) -> Self {
        let statement = self.statement();
        let signed = keys
            .iter()
            .map(|(operator, key)| (operator.clone(), statement.sign(key)));
        self.signatures = signed.collect();
        self
    }

    /// Every operator signed, and nobody else.
    pub(crate) fn check_signatures(&self) -> Result<(), GenesisError> {
        let statement = self.statement();
        for (operator, keys) in &self.operators {
            let signature = self
                .signatures
                .get(operator)
                .ok_or_else(|| GenesisError::NotSigned(operator.clone()))?;
            if !statement.is_signed_by(keys, signature) {
                return Err(GenesisError::Signature(operator.clone()));
            }
        }
        let strangers: BTreeSet<&OperatorId> = self
            .signatures
            .keys()
            .filter(|operator| !self.operators.contains_key(*operator))
            .collect();
        match strangers.first() {
            Some(stranger) => Err(GenesisError::UnknownSigner((*stranger).clone())),
            None => Ok(()),
        }
    }
}
