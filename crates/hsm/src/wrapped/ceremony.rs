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
        self.log_in(UserType::So, so_pin)?;
        let made = self.trusted(profile, id, label);
        self.session.logout()?;
        made?;

        self.log_in(UserType::User, pin)?;
        let checked = self.check(profile, id);
        self.session.logout()?;
        checked.map(|()| self.found.info.clone())
    }

    fn trusted(&self, profile: &Profile, id: &KeyId, label: &str) -> Result<(), Fault> {
        match wrapping_key::find(&self.session, id)? {
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
