//! Unwraps a key into a session, where it may only sign and can't leave again.

use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use sha2::{Digest, Sha256};

use super::generate;
use crate::attributes::Flag;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect;
use crate::key::Curve;
use crate::profile::Profile;
use crate::request::WrappedKey;
use crate::return_code::ReturnCode;
use crate::session::{KeySession, SigningKey};
use crate::verify::{Signed, Verifier};

/// Bytes in a blob at most. An EC key in PKCS#8 under AES has 72 on SoftHSM.
pub(super) const MAX_BLOB: usize = 1024;

/// What the proof of a wrapped key signs, before its id: nothing that a transaction or the journal would sign.
const PROOF_DOMAIN: &[u8] = b"custodyd/wrapped-key-proof/v1\n";

/// An unwrapped key and what it was unwrapped from.
pub(super) struct Unwrapped {
    from: WrappedKey,
    signing: SigningKey,
}

impl KeySession {
    /// The key, unwrapped now or earlier in this session.
    pub(crate) fn unwrapped(&mut self, key: &WrappedKey) -> Result<SigningKey, Fault> {
        // The same id with another blob or public key is another key.
        if let Some(known) = self.wrapped.keys.get(&key.id)
            && known.from == *key
        {
            return Ok(known.signing.clone());
        }
        let changed = self.wrapped.keys.remove(&key.id);
        let oldest = self.wrapped.keys.make_room();
        for gone in changed.into_iter().chain(oldest) {
            self.session.destroy_object(gone.signing.handle)?;
        }
        let signing = self.unwrap(key)?;
        self.wrapped.keys.insert(
            key.id,
            Unwrapped {
                from: key.clone(),
                signing: signing.clone(),
            },
        );
        Ok(signing)
    }

    /// Proves that the key can be unwrapped and belongs to its public half. It's not kept: many are made, few used soon.
    pub(crate) fn check_wrapped(&mut self, key: &WrappedKey) -> Result<(), Fault> {
        let signing = self.unwrap(key)?;
        let mut proof = Sha256::new_with_prefix(PROOF_DOMAIN);
        proof.update(key.id.as_bytes());
        let proof: [u8; 32] = proof.finalize().into();
        let signed = self.sign_with(&key.id, &signing, Signed::Digest(&proof));
        self.session.destroy_object(signing.handle)?;
        signed.map(drop)
    }

    fn unwrap(&mut self, key: &WrappedKey) -> Result<SigningKey, Fault> {
        if key.blob.is_empty() || key.blob.len() > MAX_BLOB {
            return Err(refused(key, format!("it has {} bytes", key.blob.len())));
        }
        let verifier = Verifier::new(key.curve, &key.public)
            .ok_or_else(|| refused(key, format!("its public half is not on {}", key.curve)))?;
        let wrapping = self.wrapping_key(&key.wrapping_key)?;
        let profile = &self.login.profile;
        let handle = self
            .session
            .unwrap_key(
                &profile.wrapping.mechanism.mechanism(),
                wrapping,
                &key.blob,
                &template(profile),
            )
            .map_err(|error| self.not_unwrapped(key, wrapping, error))?;
        let signing = SigningKey {
            handle,
            curve: key.curve,
            verifier,
        };
        let bound = inspect::demand(
            &self.session,
            &profile.quirks,
            &key.id,
            handle,
            &[
                (Flag::Token, false),
                (Flag::Private, true),
                (Flag::Sensitive, true),
                (Flag::Extractable, false),
                (Flag::Sign, true),
            ],
        );
        if bound.is_err() {
            self.session.destroy_object(handle)?;
        }
        bound.map(|()| signing)
    }

    /// Whose fault it was. A blob that the wrapping key didn't make says nothing against the token, and SoftHSM answers it
    /// with CKR_GENERAL_ERROR; so the token shows whether it still unwraps what it wraps.
    fn not_unwrapped(&self, key: &WrappedKey, wrapping: ObjectHandle, error: Error) -> Fault {
        let Error::Pkcs11(code, _) = error else {
            return error.into();
        };
        let the_blobs = match code {
            RvError::WrappedKeyInvalid
            | RvError::WrappedKeyLenRange
            | RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange => true,
            RvError::GeneralError | RvError::FunctionFailed => self.unwraps_its_own(wrapping),
            _ => false,
        };
        if the_blobs {
            let code = ReturnCode::new(code).name();
            return refused(key, format!("C_UnwrapKey answered {code}"));
        }
        error.into()
    }

    /// Whether a throwaway can be wrapped and unwrapped in this session, now.
    fn unwraps_its_own(&self, wrapping: ObjectHandle) -> bool {
        let profile = &self.login.profile;
        let mechanism = profile.wrapping.mechanism.mechanism();
        let attempt = || -> Result<(), Fault> {
            let (public, private) = generate::pair(&self.session, profile, Curve::Secp256k1)?;
            let wrapped = self.session.wrap_key(&mechanism, wrapping, private);
            for throwaway in [public, private] {
                self.session.destroy_object(throwaway)?;
            }
            let again =
                self.session
                    .unwrap_key(&mechanism, wrapping, &wrapped?, &template(profile))?;
            Ok(self.session.destroy_object(again)?)
        };
        attempt().is_ok()
    }
}

/// What an unwrapped key and a key to be wrapped have in common: a session's object that signs and does nothing else.
pub(super) fn usages(profile: &Profile) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Sign(true),
    ];
    for usage in [Flag::SignRecover, Flag::Decrypt, Flag::Unwrap, Flag::Derive] {
        if !profile.quirks.unsupported_attributes.contains(&usage) {
            template.push(usage.attribute(false));
        }
    }
    template
}

fn template(profile: &Profile) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
        Attribute::Extractable(false),
    ];
    template.extend(usages(profile));
    template
}

fn refused(key: &WrappedKey, reason: String) -> Fault {
    HsmError::WrappedKeyRefused {
        key: key.id,
        reason,
    }
    .into()
}
