//! Makes a key pair in a session, wraps its private half, and proves that what was wrapped can be used again.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::unwrap::MAX_BLOB;
use crate::attributes::Flag;
use crate::ec;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect;
use crate::key::{Curve, KeyId};
use crate::profile::Profile;
use crate::request::WrappedKey;
use crate::session::KeySession;

impl KeySession {
    /// A new key, wrapped. A repetition makes another one: the caller keeps what it gets first.
    pub(crate) fn generate_wrapped(
        &mut self,
        id: &KeyId,
        wrapping_key: &KeyId,
        curve: Curve,
    ) -> Result<WrappedKey, Fault> {
        let wrapping = self.wrapping_key(wrapping_key)?;
        let profile = &self.login.profile;
        let (public, private) = pair(&self.session, profile, curve)?;
        let wrapped = self.wrap(id, wrapping_key, wrapping, public, private);
        for made in [public, private] {
            self.session.destroy_object(made)?;
        }
        let wrapped = wrapped?;
        self.check_wrapped(&wrapped)?;
        Ok(wrapped)
    }

    fn wrap(
        &self,
        id: &KeyId,
        wrapping_key: &KeyId,
        wrapping: ObjectHandle,
        public: ObjectHandle,
        private: ObjectHandle,
    ) -> Result<WrappedKey, Fault> {
        let profile = &self.login.profile;
        made_as_asked(&self.session, profile, id, private)?;
        let (curve, point) = inspect::public_of(&self.session, &profile.quirks, id, public)?;
        let mechanism = profile.wrapping.mechanism.mechanism();
        let blob = self.session.wrap_key(&mechanism, wrapping, private)?;
        if blob.is_empty() || blob.len() > MAX_BLOB {
            return Err(HsmError::WrappedKeyRefused {
                key: *id,
                reason: format!("wrapping gave {} bytes", blob.len()),
            }
            .into());
        }
        Ok(WrappedKey {
            id: *id,
            wrapping_key: *wrapping_key,
            curve,
            public: point,
            blob,
        })
    }
}

/// A key pair of this session that may be wrapped, under a trusted key only. It bears no CKA_ID, so that no search for a
/// token's key finds it.
pub(super) fn pair(
    session: &Session,
    profile: &Profile,
    curve: Curve,
) -> Result<(ObjectHandle, ObjectHandle), Fault> {
    let quirks = &profile.quirks;
    let public = [
        Attribute::Token(false),
        Attribute::Private(quirks.public_key_is_private),
        Attribute::Verify(true),
        Attribute::EcParams(ec::encode_params(curve, quirks.ec_params)),
    ];
    let mut private = super::unwrap::usages(profile);
    private.extend([
        Attribute::Extractable(true),
        Attribute::WrapWithTrusted(true),
    ]);
    Ok(session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?)
}

/// Refuses a key that the module made otherwise than asked: seen in the clear, brought in, or free to leave under any key.
fn made_as_asked(
    session: &Session,
    profile: &Profile,
    id: &KeyId,
    private: ObjectHandle,
) -> Result<(), Fault> {
    inspect::demand(
        session,
        &profile.quirks,
        id,
        private,
        &[
            (Flag::Token, false),
            (Flag::Private, true),
            (Flag::Sensitive, true),
            (Flag::AlwaysSensitive, true),
            (Flag::Local, true),
            (Flag::Sign, true),
        ],
    )?;
    let trusted_only = AttributeType::WrapWithTrusted;
    let found = inspect::read(session, &profile.quirks, private, &[trusted_only])?
        .into_iter()
        .find_map(|attribute| match attribute {
            Attribute::WrapWithTrusted(value) => Some(value),
            _ => None,
        });
    if found == Some(true) {
        return Ok(());
    }
    Err(HsmError::KeyRefused {
        key: *id,
        attribute: "CKA_WRAP_WITH_TRUSTED".into(),
        found,
        required: true,
    }
    .into())
}
