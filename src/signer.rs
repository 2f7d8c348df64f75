//! The one place from which the HSM is asked for a signature: of a transaction's plan, or of the journal.

use std::{sync::Arc, time::Duration};

use custodyd_chain::{
    AssembleError, Plan, PlanFault, PublicKey, RawTransaction, Signature, SignatureError,
};
use custodyd_hsm::{Curve, Hsm, HsmError, KeyRef, PublicPoint, WrappedKey};
use custodyd_vault::{JournalKey, KeySlot};
use futures_util::future::try_join_all;

use crate::{failpoint, journal};

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The HSM's.
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    /// A key that the plan needs is not this daemon's.
    #[error("no key of this HSM belongs to {0}")]
    ForeignKey(String),
    /// The plan can't be signed.
    #[error("plan: {0}")]
    Plan(#[from] PlanFault),
    /// The signature is not one.
    #[error("signature: {0}")]
    Signature(#[from] SignatureError),
    /// The journal key did not make it. A vendor's library, or what stands between, is not to be believed.
    #[error("the HSM's signature is not by the journal key {0}")]
    NotByJournalKey(String),
    /// What came out is not what was planned.
    #[error("the assembled transaction was refused: {0}")]
    Assemble(#[from] AssembleError),
    /// The HSM's thread went away.
    #[error("the HSM's worker stopped before it answered")]
    Gone,
}

impl SignError {
    /// Whether trying again later can help without anyone's doing.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Hsm(e) => e.class() == custodyd_hsm::Class::Retryable,
            Self::Gone => true,
            _ => false,
        }
    }
}

/// Signs with the keys of the HSM.
#[derive(Debug, Clone)]
pub struct Signer {
    hsm: Arc<dyn Hsm>,
    deadline: Duration,
}

impl Signer {
    /// A signer on this HSM; no call waits longer than `deadline`.
    pub fn new(hsm: Arc<dyn Hsm>, deadline: Duration) -> Self {
        Self { hsm, deadline }
    }

    /// The HSM.
    pub fn hsm(&self) -> &dyn Hsm {
        &*self.hsm
    }

    /// Signs a plan with the keys that `key_of` finds, and assembles it. What comes back was verified, decoded
    /// independently, and does exactly what the plan says.
    ///
    /// # Errors
    /// Nothing was made that could be broadcast.
    pub async fn sign_plan(
        &self,
        plan: &Plan,
        key_of: impl Fn(&PublicKey) -> Option<KeyRef>,
    ) -> Result<(RawTransaction, u32), SignError> {
        let requests = plan.signing_requests()?;
        let signing = requests.iter().map(|request| {
            let key = key_of(&request.public_key);
            async move {
                let key =
                    key.ok_or_else(|| SignError::ForeignKey(request.public_key.to_string()))?;
                let bytes = self
                    .sign(key, Curve::Secp256k1, *request.digest.as_bytes())
                    .await?;
                Ok::<_, SignError>(Signature::from_hsm(&bytes)?)
            }
        });
        let signatures = try_join_all(signing).await?;
        failpoint::pass("hsm-signed");
        let raw = plan.assemble(&signatures)?;
        Ok((raw, u32::try_from(signatures.len()).unwrap_or(u32::MAX)))
    }

    /// Signs 32 bytes with the journal key. What comes back was verified here, whoever verified it before: the HSM may be
    /// served by another process, and a head is believed for good.
    ///
    /// # Errors
    /// The HSM's, or the signature is none.
    pub async fn sign_journal(
        &self,
        key: &JournalKey,
        digest: [u8; 32],
    ) -> Result<[u8; 64], SignError> {
        let id = KeyRef::Resident(custodyd_hsm::KeyId::from_bytes(key.key.cka_id()));
        let signature = self.sign(id, Curve::P256, digest).await?;
        let verified = hex::decode(&key.public_key)
            .ok()
            .and_then(|point| journal::JournalKey::from_sec1(&point).ok())
            .is_some_and(|public| public.made(&signature, &digest));
        if verified {
            Ok(signature)
        } else {
            Err(SignError::NotByJournalKey(key.public_key.clone()))
        }
    }

    async fn sign(
        &self,
        key: KeyRef,
        curve: Curve,
        digest: [u8; 32],
    ) -> Result<[u8; 64], SignError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let reply = Box::new(move |result| drop(sender.send(result)));
        self.hsm
            .submit_sign(key, curve, digest, self.deadline, reply)?;
        Ok(receiver.await.map_err(|_| SignError::Gone)??)
    }
}

/// How the HSM finds a key: on the token by its id, or in what the journal keeps. None for a key that isn't the HSM's.
pub fn key_ref(slot: &KeySlot) -> Option<KeyRef> {
    let id = custodyd_hsm::KeyId::from_bytes(slot.id.as_ref()?.cka_id());
    let Some(wrapped) = &slot.wrapped else {
        return Some(KeyRef::Resident(id));
    };
    Some(KeyRef::Wrapped(Box::new(WrappedKey {
        id,
        wrapping_key: custodyd_hsm::KeyId::from_bytes(wrapped.wrapping_key.cka_id()),
        curve: Curve::Secp256k1,
        public: PublicPoint::try_from(hex::encode(slot.public_key?.to_bytes())).ok()?,
        blob: wrapped.blob.clone(),
    })))
}
