//! Keys that the shim signs with itself.
//!
//! They are made by the real module, readable, and marked by an end date of 31 December 9999, which survives a restart.
//! What the mark's bearer shows of itself is what its maker asked for (`reading`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cryptoki_sys as c;
use k256::ecdsa::hazmat::SignPrimitive;
use sha2::{Digest, Sha256};

use crate::reading;
use crate::rules::Injection;
use crate::shim::Shim;

/// CKA_END_DATE of an emulated key.
pub(crate) const MARK: &[u8] = b"99991231";

/// An emulated private key.
pub(crate) enum Secret {
    Secp256k1([u8; 32]),
    P256([u8; 32]),
}

/// What is known of the objects seen so far: their secret, or that they have none.
#[derive(Default)]
pub(crate) struct Keys(Mutex<HashMap<c::CK_OBJECT_HANDLE, Option<Arc<Secret>>>>);

impl Keys {
    fn known(&self) -> MutexGuard<'_, HashMap<c::CK_OBJECT_HANDLE, Option<Arc<Secret>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Object handles mean nothing any more.
    pub(crate) fn forget(&self) {
        self.known().clear();
    }

    /// The secret of an emulated key; none of any other object.
    pub(crate) fn secret(
        &self,
        shim: &Shim,
        session: c::CK_SESSION_HANDLE,
        object: c::CK_OBJECT_HANDLE,
    ) -> Option<Arc<Secret>> {
        if let Some(known) = self.known().get(&object) {
            return known.clone();
        }
        let fetch = |kind| reading::fetch(shim, session, object, kind);
        // A call that fails says nothing about the object: it is asked again next time.
        let marked = fetch(c::CKA_END_DATE)
            .ok()?
            .is_some_and(|date| date == MARK);
        let secret = if marked {
            let (params, value) = (fetch(c::CKA_EC_PARAMS).ok()??, fetch(c::CKA_VALUE).ok()??);
            Secret::new(&params, &value).map(Arc::new)
        } else {
            None
        };
        self.known().insert(object, secret.clone());
        secret
    }
}

impl Secret {
    fn new(params: &[u8], value: &[u8]) -> Option<Self> {
        let value = <[u8; 32]>::try_from(value).ok()?;
        match params {
            [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a] => Some(Self::Secp256k1(value)),
            [0x06, 0x08, 0x2a, 0x86, ..] => Some(Self::P256(value)),
            _ => None,
        }
    }

    /// Signs as a token does, with a random nonce unless a fault says otherwise. None if the digest can't be signed.
    pub(crate) fn sign(&self, digest: &[u8], fault: Option<Injection>) -> Option<[u8; 64]> {
        let digest = <[u8; 32]>::try_from(digest).ok()?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).ok()?;
        match (fault, self) {
            (Some(Injection::RepeatedNonce), Self::Secp256k1(key) | Self::P256(key)) => {
                nonce = Sha256::new_with_prefix(b"repeated")
                    .chain_update(key)
                    .finalize()
                    .into();
            }
            (Some(Injection::BiasedNonce(bits)), _) => clear_leading(&mut nonce, bits.min(128)),
            // libsecp256k1 mixes the random bytes into RFC 6979.
            (_, Self::Secp256k1(key)) => {
                let key = secp256k1::SecretKey::from_slice(key).ok()?;
                let message = secp256k1::Message::from_digest(digest);
                let signature = context().sign_ecdsa_with_noncedata(&message, &key, &nonce);
                return Some(signature.serialize_compact());
            }
            _ => {}
        }
        match self {
            Self::Secp256k1(key) => {
                let (key, nonce) = (scalar_k256(key)?, scalar_k256(&nonce)?);
                let (signature, _) = key.try_sign_prehashed(nonce, &digest.into()).ok()?;
                Some(signature.to_bytes().into())
            }
            Self::P256(key) => {
                let (key, nonce) = (scalar_p256(key)?, scalar_p256(&nonce)?);
                let (signature, _) = key.try_sign_prehashed(nonce, &digest.into()).ok()?;
                Some(signature.to_bytes().into())
            }
        }
    }
}

fn clear_leading(nonce: &mut [u8; 32], mut bits: u32) {
    for byte in nonce {
        let cleared = bits.min(8);
        *byte = byte
            .checked_shl(cleared)
            .unwrap_or_default()
            .checked_shr(cleared)
            .unwrap_or_default();
        bits -= cleared;
    }
}

fn scalar_k256(bytes: &[u8; 32]) -> Option<k256::Scalar> {
    use k256::elliptic_curve::PrimeField;
    k256::Scalar::from_repr((*bytes).into()).into()
}

fn scalar_p256(bytes: &[u8; 32]) -> Option<p256::Scalar> {
    use p256::elliptic_curve::PrimeField;
    p256::Scalar::from_repr((*bytes).into()).into()
}

fn context() -> &'static secp256k1::Secp256k1<secp256k1::SignOnly> {
    static CONTEXT: OnceLock<secp256k1::Secp256k1<secp256k1::SignOnly>> = OnceLock::new();
    CONTEXT.get_or_init(secp256k1::Secp256k1::signing_only)
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::signature::hazmat::PrehashVerifier;

    use super::*;

    const KEY: [u8; 32] = [0x5a; 32];

    fn good(digest: [u8; 32], signature: &[u8; 64]) {
        let key = k256::ecdsa::SigningKey::from_slice(&KEY).unwrap();
        let signature = k256::ecdsa::Signature::from_slice(signature).unwrap();
        key.verifying_key()
            .verify_prehash(&digest, &signature)
            .unwrap();
    }

    #[test]
    fn every_kind_of_nonce_gives_signatures_that_verify() {
        let secret = Secret::Secp256k1(KEY);
        for fault in [
            None,
            Some(Injection::RepeatedNonce),
            Some(Injection::BiasedNonce(128)),
        ] {
            for number in 1..20 {
                good([number; 32], &secret.sign(&[number; 32], fault).unwrap());
            }
        }
    }

    #[test]
    fn a_repeated_nonce_repeats_r_and_nothing_else_does() {
        for secret in [Secret::Secp256k1(KEY), Secret::P256(KEY)] {
            let r = |digest, fault| secret.sign(&[digest; 32], fault).unwrap()[..32].to_vec();
            let repeated = Some(Injection::RepeatedNonce);
            assert_eq!(r(1, repeated), r(2, repeated));
            assert_ne!(r(1, None), r(1, None));
        }
    }

    #[test]
    fn leading_bits_of_a_nonce_are_cleared_exactly() {
        let mut nonce = [0xff; 32];
        clear_leading(&mut nonce, 11);
        assert_eq!(nonce[..3], [0, 0x1f, 0xff]);
    }
}
