//! The wrapping key: an AES-256 token object that can't leave, wraps and unwraps and does nothing else, and is marked
//! trusted; and a token that takes the mark seriously.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::generate;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect;
use crate::key::{Curve, KeyId};
use crate::profile::Profile;
use crate::session::KeySession;

/// What a wrapping key must be. A module that doesn't know one of these can't be trusted with wrapped keys.
const REQUIRED: [(AttributeType, &str, bool); 12] = [
    (AttributeType::Token, "CKA_TOKEN", true),
    (AttributeType::Sensitive, "CKA_SENSITIVE", true),
    (AttributeType::Extractable, "CKA_EXTRACTABLE", false),
    (AttributeType::AlwaysSensitive, "CKA_ALWAYS_SENSITIVE", true),
    (
        AttributeType::NeverExtractable,
        "CKA_NEVER_EXTRACTABLE",
        true,
    ),
    (AttributeType::Local, "CKA_LOCAL", true),
    (AttributeType::Wrap, "CKA_WRAP", true),
    (AttributeType::Unwrap, "CKA_UNWRAP", true),
    // It could decrypt what it wrapped.
    (AttributeType::Encrypt, "CKA_ENCRYPT", false),
    (AttributeType::Decrypt, "CKA_DECRYPT", false),
    (AttributeType::Derive, "CKA_DERIVE", false),
    (AttributeType::Trusted, "CKA_TRUSTED", true),
];

impl KeySession {
    /// The wrapping key's handle. Key and token are checked at its first use in each session.
    pub(crate) fn wrapping_key(&mut self, id: &KeyId) -> Result<ObjectHandle, Fault> {
        if let Some(handle) = self.wrapped.trusted.get(id) {
            return Ok(*handle);
        }
        let profile = &self.login.profile;
        let token = &self.login.info.label;
        supported(profile, token)?;
        let handle = match find(&self.session, id)? {
            Some(handle) => handle,
            None => {
                self.still_logged_in()?;
                return Err(self.missing(id).into());
            }
        };
        check(&self.session, profile, id, handle)?;
        obeys(&self.session, profile, token)?;
        self.wrapped.trusted.insert(*id, handle);
        Ok(handle)
    }
}

/// Refuses a profile that doesn't say that its module can do it.
pub(super) fn supported(profile: &Profile, token: &str) -> Result<(), HsmError> {
    if profile.wrapping.supported {
        return Ok(());
    }
    Err(HsmError::WrappingRefused {
        token: token.to_owned(),
        reason: "its profile does not say wrapping.supported = true".into(),
    })
}

/// The AES key with this id.
pub(super) fn find(session: &Session, id: &KeyId) -> Result<Option<ObjectHandle>, Fault> {
    inspect::only(session, id, ObjectClass::SECRET_KEY, "secret")
}

/// What the security officer asks for in a new wrapping key. CKA_PRIVATE is false, since the officer sees and makes public
/// objects only (PKCS#11 3.0 §5.6.8); the value is hidden all the same. CKA_MODIFIABLE, CKA_COPYABLE and
/// CKA_ALLOWED_MECHANISMS keep whoever has the user's PIN from giving it CKA_DECRYPT later and opening blobs with it.
pub(super) fn template(id: &KeyId, label: &str, profile: &Profile) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(32.into()),
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Wrap(true),
        Attribute::Unwrap(true),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
        Attribute::Trusted(true),
        Attribute::Modifiable(false),
        Attribute::Copyable(false),
        Attribute::AllowedMechanisms(vec![profile.wrapping.mechanism.kind()]),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
    ]
}

/// Refuses a wrapping key that could leave, could decrypt, was brought in, or isn't trusted.
pub(super) fn check(
    session: &Session,
    profile: &Profile,
    id: &KeyId,
    handle: ObjectHandle,
) -> Result<(), Fault> {
    let kinds = REQUIRED.map(|(kind, _, _)| kind);
    let attributes = inspect::read(session, &profile.quirks, handle, &kinds)?;
    for (kind, name, required) in REQUIRED {
        let found = attributes
            .iter()
            .find(|attribute| attribute.attribute_type() == kind)
            .and_then(truth);
        if found != Some(required) {
            return Err(HsmError::KeyRefused {
                key: *id,
                attribute: name.into(),
                found,
                required,
            }
            .into());
        }
    }
    Ok(())
}

/// Whether the security officer marked it.
pub(super) fn is_trusted(
    session: &Session,
    profile: &Profile,
    handle: ObjectHandle,
) -> Result<bool, Fault> {
    let kinds = [AttributeType::Trusted];
    let found = inspect::read(session, &profile.quirks, handle, &kinds)?;
    Ok(found.iter().find_map(truth) == Some(true))
}

const fn truth(attribute: &Attribute) -> Option<bool> {
    match attribute {
        Attribute::Token(value)
        | Attribute::Sensitive(value)
        | Attribute::Extractable(value)
        | Attribute::AlwaysSensitive(value)
        | Attribute::NeverExtractable(value)
        | Attribute::Local(value)
        | Attribute::Wrap(value)
        | Attribute::Unwrap(value)
        | Attribute::Encrypt(value)
        | Attribute::Decrypt(value)
        | Attribute::Derive(value)
        | Attribute::Trusted(value) => Some(*value),
        _ => None,
    }
}

/// Refuses a token that lets a key marked CKA_WRAP_WITH_TRUSTED out under a key that nobody marked. Both are throwaways.
pub(super) fn obeys(session: &Session, profile: &Profile, token: &str) -> Result<(), Fault> {
    let untrusted = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Token(false),
            Attribute::ValueLen(32.into()),
            Attribute::Wrap(true),
            Attribute::Unwrap(false),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
        ],
    )?;
    let (public, private) = generate::pair(session, profile, Curve::Secp256k1)?;
    let wrapped = session.wrap_key(&profile.wrapping.mechanism.mechanism(), untrusted, private);
    for throwaway in [untrusted, public, private] {
        session.destroy_object(throwaway)?;
    }
    match wrapped {
        Ok(_) => Err(HsmError::WrappingRefused {
            token: token.to_owned(),
            reason:
                "its module ignores CKA_WRAP_WITH_TRUSTED: whoever has the PIN could take keys away"
                    .into(),
        }
        .into()),
        Err(Error::Pkcs11(
            RvError::KeyNotWrappable
            | RvError::KeyFunctionNotPermitted
            | RvError::KeyUnextractable
            | RvError::WrappingKeyHandleInvalid
            | RvError::WrappingKeyTypeInconsistent
            | RvError::ActionProhibited,
            _,
        )) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
