//! Makes a wrapping key at the ceremony: the security officer, who alone may call a key trusted, and the user, who will
//! use it and has the token show what the trust is worth.
//!
//! The officer generates the key with CKA_TRUSTED, because SoftHSM 2.6 sets the mark at generation only. A key that is
//! there already is marked by C_SetAttributeValue, where the module allows it.
//!
//! A slot has one login at a time (PKCS#11 3.0 §5.6.8), so this runs where no other session of the process is logged in:
//! before anything else, in a process of its own.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use secrecy::SecretString;

use super::wrapping_key;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::KeyId;
use crate::module::{Module, bounded};
use crate::profile::Profile;
use crate::return_code::ReturnCode;
use crate::slot::{self, Found, PinState, TokenInfo};

/// Has the security officer make an AES-256 key that is trusted, wraps and unwraps keys and never leaves the token, or mark
/// the one with this id; then, as the user, reads it back and has the token show that it heeds the mark. Takes at most
/// the profile's `open_ms`. Safe to repeat with the same id, but not while this process has the token open.
///
/// # Errors
/// [`HsmError::WrappingRefused`] where profile or module can't do it, [`HsmError::KeyRefused`] naming an attribute,
/// [`HsmError::PinRefused`] for either PIN (each is offered once a login; don't call again with a refused one), or as
/// [`crate::Token::open`].
pub fn make_wrapping_key(
    profile: &Profile,
    pin: SecretString,
    so_pin: SecretString,
    id: &KeyId,
    label: &str,
) -> Result<TokenInfo, HsmError> {
    let (limit, codes) = (profile.open_timeout, profile.quirks.retry_codes.clone());
    let (profile, id, label) = (profile.clone(), *id, label.to_owned());
    bounded("making the wrapping key", limit, move || {
        Ceremony::begin(&profile)?.hold(&profile, &pin, &so_pin, &id, &label)
    })?
    .map_err(|fault| fault.into_error(&codes))
}

struct Ceremony {
    module: std::sync::Arc<Module>,
    found: Found,
    session: Session,
}

impl Ceremony {
    fn begin(profile: &Profile) -> Result<Self, Fault> {
        let module = Module::load(profile)?;
        let found = slot::find(&module, profile)?;
        wrapping_key::supported(profile, &found.info.label)?;
        let present = module.context.get_mechanism_list(found.slot)?;
        let wrapping = profile.wrapping.mechanism;
        for (mechanism, name) in [
            (MechanismType::AES_KEY_GEN, "CKM_AES_KEY_GEN"),
            (wrapping.kind(), wrapping.name()),
        ] {
            if !present.contains(&mechanism) {
                return Err(HsmError::MechanismMissing {
                    token: found.info.label,
                    mechanism: name.into(),
                }
                .into());
            }
        }
        let session = module.context.open_rw_session(found.slot)?;
        Ok(Self {
            module,
            found,
            session,
        })
    }

    fn hold(
        self,
        profile: &Profile,
        pin: &SecretString,
        so_pin: &SecretString,
        id: &KeyId,
        label: &str,
    ) -> Result<TokenInfo, Fault> {
        // The officer sees no private object (PKCS#11 3.0 §5.6.8), and would make a second key beside one with this id.
        self.log_in(UserType::User, pin)?;
        let seen = self.log_out_after(wrapping_key::find(&self.session, id))?;

        self.log_in(UserType::So, so_pin)?;
        self.log_out_after(self.trusted(profile, id, label, seen.is_some()))?;

        self.log_in(UserType::User, pin)?;
        self.log_out_after(self.check(profile, id))?;
        Ok(self.found.info.clone())
    }

    fn trusted(
        &self,
        profile: &Profile,
        id: &KeyId,
        label: &str,
        user_sees_it: bool,
    ) -> Result<(), Fault> {
        match wrapping_key::find(&self.session, id)? {
            None if user_sees_it => {
                return Err(HsmError::WrappingRefused {
                    token: self.found.info.label.clone(),
                    reason: "the key with this id has CKA_PRIVATE: the security officer can't see it, and so can't mark it".into(),
                }
                .into());
            }
            None => {
                let template = wrapping_key::template(id, label, profile);
                self.session
                    .generate_key(&Mechanism::AesKeyGen, &template)?;
                tracing::info!(key = %id, token = self.found.info.label, "made a wrapping key");
            }
            Some(handle) if wrapping_key::is_trusted(&self.session, profile, handle)? => {}
            Some(handle) => self
                .session
                .update_attributes(handle, &[Attribute::Trusted(true)])?,
        }
        Ok(())
    }

    fn check(&self, profile: &Profile, id: &KeyId) -> Result<(), Fault> {
        let token = &self.found.info.label;
        let handle =
            wrapping_key::find(&self.session, id)?.ok_or_else(|| HsmError::KeyMissing {
                key: *id,
                token: token.clone(),
            })?;
        wrapping_key::check(&self.session, profile, id, handle)?;
        wrapping_key::obeys(&self.session, profile, token)
    }

    /// What went wrong before counts for more than a logout that fails; closing the session ends its login too.
    fn log_out_after<T>(&self, done: Result<T, Fault>) -> Result<T, Fault> {
        let logged_out = self.session.logout();
        let value = done?;
        logged_out?;
        Ok(value)
    }

    fn log_in(&self, user: UserType, pin: &SecretString) -> Result<(), Fault> {
        let token = &self.found.info.label;
        let locked = |state: &'static str| HsmError::PinLocked {
            token: token.clone(),
            state: state.into(),
        };
        let state = match user {
            UserType::So => slot::so_pin_state(&self.module.context, self.found.slot)?,
            _ => slot::pin_state(&self.module.context, self.found.slot)?,
        };
        match state {
            PinState::Open => {}
            PinState::LastAttempt => return Err(locked("has one PIN attempt left").into()),
            PinState::Locked => return Err(locked("has locked its PIN").into()),
        }
        match self.session.login(user, Some(pin)) {
            Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(locked("has locked its PIN").into()),
            Err(Error::Pkcs11(
                code @ (RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange),
                _,
            )) => Err(HsmError::PinRefused {
                token: token.clone(),
                code: ReturnCode::new(code).name().into(),
            }
            .into()),
            answer => Ok(answer?),
        }
    }
}
