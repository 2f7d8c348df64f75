//! One logged-in session of one worker: knows where its keys lie, and signs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;

use crate::counters::Tally;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect::{self, Located};
use crate::key::{Curve, KeyId, KeyReport};
use crate::login::{self, Login};
use crate::request::KeyRef;
use crate::return_code::ReturnCode;
use crate::slot::TokenInfo;
use crate::verify::{Signed, Verifier};
use crate::wrapped::Wrapped;

/// A session and the handles that are valid in it.
pub(crate) struct KeySession {
    pub(crate) session: Session,
    pub(crate) login: Arc<Login>,
    pub(crate) wrapped: Wrapped,
    keys: HashMap<KeyId, SigningKey>,
    used: Instant,
}

/// A key's handle in this session, and what its signatures are verified with.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) handle: ObjectHandle,
    pub(crate) curve: Curve,
    pub(crate) verifier: Verifier,
}

impl KeySession {
    pub(crate) fn open(login: &Arc<Login>) -> Result<Self, Fault> {
        Ok(Self {
            session: login.session()?,
            login: Arc::clone(login),
            wrapped: Wrapped::new(&login.profile),
            keys: HashMap::new(),
            used: Instant::now(),
        })
    }

    /// Notes that the session is used now. None where it lay idle for longer than the module lets one live.
    pub(crate) fn touched(mut self) -> Option<Self> {
        if self.login.outworn(self.used) {
            return None;
        }
        self.used = Instant::now();
        Some(self)
    }

    /// The key pair with this id. A point that differs from one seen earlier is refused.
    pub(crate) fn locate(&self, id: &KeyId) -> Result<Option<Located>, Fault> {
        let located = inspect::locate(&self.session, &self.login.profile.quirks, id)?;
        match &located {
            Some(Located { report, .. }) => self.remember(report)?,
            None => self.still_logged_in()?,
        }
        Ok(located)
    }

    fn remember(&self, report: &KeyReport) -> Result<(), HsmError> {
        let mut known = self
            .login
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let was = *known.entry(report.id).or_insert(report.public);
        if was == report.public {
            return Ok(());
        }
        Err(HsmError::KeyChanged {
            key: report.id,
            was,
            now: report.public,
        })
    }

    /// Without a login, private objects are invisible: a key that isn't seen is only missing if the login still holds.
    pub(crate) fn still_logged_in(&self) -> Result<(), Fault> {
        if login::holds(&self.session) {
            return Ok(());
        }
        Err(Fault::Code {
            function: "FindObjects".to_owned(),
            code: ReturnCode::new(RvError::UserNotLoggedIn),
        })
    }

    /// The token behind this session, if the login still holds.
    pub(crate) fn probe(&self) -> Result<TokenInfo, Fault> {
        self.still_logged_in()?;
        self.login.describe()
    }

    /// All key pairs with an id of ours.
    pub(crate) fn list(&self) -> Result<Vec<KeyReport>, Fault> {
        let mut reports = Vec::new();
        for id in inspect::ids(&self.session, &self.login.profile.quirks)? {
            // A key destroyed in between is simply not there.
            reports.extend(self.locate(&id)?.map(|located| located.report));
        }
        self.still_logged_in()?;
        Ok(reports)
    }

    /// Refuses a key that is missing, could leave the token, or does more than sign.
    pub(crate) fn check(&self, id: &KeyId) -> Result<Located, Fault> {
        let located = self.locate(id)?.ok_or_else(|| self.missing(id))?;
        inspect::require(&located.report, &self.login.profile.quirks)?;
        Ok(located)
    }

    pub(crate) fn missing(&self, id: &KeyId) -> HsmError {
        HsmError::KeyMissing {
            key: *id,
            token: self.login.info.label.clone(),
        }
    }

    /// Signs, normalises and verifies. The key's attributes are checked at its first use in each PKCS#11 session.
    pub(crate) fn sign(
        &mut self,
        key: &KeyRef,
        curve: Curve,
        signed: Signed<'_>,
    ) -> Result<[u8; 64], Fault> {
        let signing = match key {
            KeyRef::Resident(id) => self.resident(id)?,
            KeyRef::Wrapped(key) => self.unwrapped(key)?,
        };
        if signing.curve != curve {
            return Err(HsmError::CurveMismatch {
                key: *key.id(),
                wanted: curve,
                found: signing.curve,
            }
            .into());
        }
        let signature = self.sign_with(key.id(), &signing, signed)?;
        Tally::count(&self.login.tally.signatures);
        Ok(signature)
    }

    fn resident(&mut self, id: &KeyId) -> Result<SigningKey, Fault> {
        if let Some(known) = self.keys.get(id) {
            return Ok(known.clone());
        }
        let Located { private, report } = self.check(id)?;
        let verifier = Verifier::new(report.curve, &report.public)
            .ok_or(HsmError::SelfCheck("public point".into()))?;
        let signing = SigningKey {
            handle: private,
            curve: report.curve,
            verifier,
        };
        self.keys.insert(*id, signing.clone());
        Ok(signing)
    }

    /// Signs, normalises and verifies with a key that was checked.
    pub(crate) fn sign_with(
        &self,
        id: &KeyId,
        key: &SigningKey,
        signed: Signed<'_>,
    ) -> Result<[u8; 64], Fault> {
        let mechanism = match key.curve {
            Curve::Secp256k1 | Curve::P256 => Mechanism::Ecdsa,
            Curve::Ed25519 => {
                self.login.demand_eddsa()?;
                // Without a parameter: PureEdDSA (PKCS#11 3.0 §2.3.14).
                Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519))
            }
        };
        let raw = self.session.sign(&mechanism, key.handle, signed.bytes())?;
        key.verifier
            .accept(signed, &raw)
            .ok_or(Fault::BadSignature(*id))
    }
}
