//! The login on a token: one C_Login serves all sessions, and an idle session keeps it alive, where one can be spared.
//!
//! A PIN that was refused is never offered again, since tokens lock after a few refusals. A lost login (the HSM was
//! replaced, its connection dropped, somebody closed all sessions) is repeated with the PIN that worked.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use crate::counters::Tally;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::{KeyId, PublicPoint};
use crate::module::Module;
use crate::profile::{Profile, SessionMode};
use crate::return_code::ReturnCode;
use crate::slot::{self, Found, PinState, TokenInfo};

/// A token that was found and logged in to.
pub(crate) struct Login {
    pub(crate) profile: Profile,
    pub(crate) info: TokenInfo,
    pub(crate) tally: Arc<Tally>,
    module: Arc<Module>,
    pin: SecretString,
    /// The mechanism of Ed25519 that the token lacks. Most tokens need none.
    no_eddsa: Option<&'static str>,
    state: Mutex<State>,
    /// The public points seen so far: a key's may never change.
    pub(crate) known: Mutex<HashMap<KeyId, PublicPoint>>,
    /// The keys being generated now.
    pub(crate) generating: Mutex<BTreeSet<KeyId>>,
}

struct State {
    slot: Slot,
    /// Holds the login while workers replace their sessions, and is never used. Where the profile has no session to
    /// spare, it's the one left over from opening, until a worker takes it; then the workers' own keep the login.
    idle: Option<Idle>,
    /// The idle session was lost, and the token may be in another slot, until a session holds again.
    astray: bool,
    /// Why no further C_Login is attempted.
    refused: Option<HsmError>,
    logged_in_before: bool,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl Login {
    /// Loads the module, finds the token, checks its mechanisms, and logs in. May hang inside the module.
    pub(crate) fn open(
        profile: Profile,
        pin: SecretString,
        workers: usize,
    ) -> Result<Self, HsmError> {
        profile
            .pin
            .check(&pin)
            .map_err(|form| HsmError::PinForm { form: form.into() })?;
        let also_retried = profile.quirks.retry_codes.clone();
        let opened = || -> Result<Self, Fault> {
            let module = Module::load(&profile)?;
            let Found {
                slot,
                info,
                max_sessions,
            } = slot::find(&module, &profile)?;
            check_sessions(workers, &profile, max_sessions)?;
            let present = module.context.get_mechanism_list(slot)?;
            let lacking = |of| lacking(&present, of);
            if let Some(mechanism) = lacking(ECDSA) {
                return Err(missing(&info, mechanism).into());
            }
            let no_eddsa = lacking(EDDSA);
            let login = Self {
                profile,
                info,
                tally: Arc::default(),
                module,
                pin,
                no_eddsa,
                state: Mutex::new(State {
                    slot,
                    idle: None,
                    astray: false,
                    refused: None,
                    logged_in_before: false,
                }),
                known: Mutex::default(),
                generating: Mutex::default(),
            };
            let mut state = login.state();
            login.ensure_idle(&mut state)?;
            drop(state);
            Ok(login)
        };
        opened().map_err(|fault| fault.into_error(&also_retried))
    }

    /// A new session, logged in. The login is repeated if it was lost.
    pub(crate) fn session(&self) -> Result<Session, Fault> {
        let mut state = self.state();
        if self.profile.idle {
            self.ensure_idle(&mut state)?;
        } else if let Some(left_over) = state.idle.take()
            && self.lives(&left_over)
        {
            return Ok(left_over.session);
        }
        let session = match self.open_session(state.slot) {
            // No idle session told that the token moved to another slot.
            Err(_) if !self.profile.idle => {
                state.slot = self.find_again()?;
                self.open_session(state.slot)?
            }
            opened => opened?,
        };
        self.log_in(&mut state, &session)?;
        Ok(session)
    }

    /// Refuses what needs Ed25519 on a token that lacks it.
    pub(crate) fn demand_eddsa(&self) -> Result<(), HsmError> {
        self.no_eddsa
            .map_or(Ok(()), |mechanism| Err(missing(&self.info, mechanism)))
    }

    /// What the token says of itself now.
    pub(crate) fn describe(&self) -> Result<TokenInfo, Fault> {
        let slot = self.state().slot;
        Ok(slot::describe(&self.module.context, slot, self.profile.mode)?.info)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure_idle(&self, state: &mut State) -> Result<(), Fault> {
        if state.idle.as_ref().is_some_and(|idle| self.lives(idle)) {
            return Ok(());
        }
        state.astray |= state.idle.take().is_some();
        // The slot may have another number after the token came back.
        if state.astray {
            state.slot = self.find_again()?;
        }
        let session = self.open_session(state.slot)?;
        self.log_in(state, &session)?;
        state.idle = Some(Idle {
            session,
            since: Instant::now(),
        });
        state.astray = false;
        Ok(())
    }

    /// The slot of a token that was there before. Where it isn't found it went away, and time may bring it back: that is
    /// no fault of the profile.
    fn find_again(&self) -> Result<Slot, Fault> {
        match slot::find(&self.module, &self.profile) {
            Err(Fault::Refused(HsmError::TokenMissing { .. })) => Err(Fault::Code {
                function: "GetSlotList".to_owned(),
                code: ReturnCode::new(RvError::TokenNotPresent),
            }),
            found => Ok(found?.slot),
        }
    }

    /// A session that the module closes for its age is not asked: some modules answer for one they closed.
    fn lives(&self, idle: &Idle) -> bool {
        !self.outworn(idle.since) && holds(&idle.session)
    }

    /// Whether a session last used then is one that the module will have closed.
    pub(crate) fn outworn(&self, used: Instant) -> bool {
        self.profile
            .idle_timeout
            .is_some_and(|limit| used.elapsed() > limit)
    }

    fn open_session(&self, slot: Slot) -> Result<Session, Fault> {
        let session = match self.profile.mode {
            SessionMode::ReadWrite => self.module.context.open_rw_session(slot)?,
            SessionMode::ReadOnly => self.module.context.open_ro_session(slot)?,
        };
        Tally::count(&self.tally.sessions_opened);
        Ok(session)
    }

    fn log_in(&self, state: &mut State, session: &Session) -> Result<(), Fault> {
        if let Some(refused) = &state.refused {
            return Err(refused.clone().into());
        }
        if holds(session) {
            return Ok(());
        }
        let locked = |described: &'static str| HsmError::PinLocked {
            token: self.info.label.clone(),
            state: described.into(),
        };
        match slot::pin_state(&self.module.context, state.slot)? {
            PinState::Open => {}
            PinState::LastAttempt => return Err(locked("has one PIN attempt left").into()),
            PinState::Locked => return Err(locked("has locked its PIN").into()),
        }
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) => {
                if state.logged_in_before {
                    Tally::count(&self.tally.relogins);
                    if self.profile.idle {
                        tracing::warn!(token = self.info.label, "logged in to the token again");
                    } else {
                        // As ever when the last of the workers' sessions was let go.
                        tracing::debug!(token = self.info.label, "logged in to the token again");
                    }
                }
                state.logged_in_before = true;
                Ok(())
            }
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(code, _)) if about_the_pin(code) => {
                let refused = match code {
                    RvError::PinLocked => locked("has locked its PIN"),
                    _ => HsmError::PinRefused {
                        token: self.info.label.clone(),
                        code: ReturnCode::new(code)
                            .known_name()
                            .unwrap_or("a vendor's code")
                            .into(),
                    },
                };
                state.refused = Some(refused.clone());
                Err(refused.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the session exists and is logged in as the user.
pub(crate) fn holds(session: &Session) -> bool {
    session.get_session_info().is_ok_and(|info| {
        matches!(
            info.session_state(),
            SessionState::RoUser | SessionState::RwUser
        )
    })
}

fn about_the_pin(code: RvError) -> bool {
    matches!(
        code,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
    )
}

fn check_sessions(workers: usize, profile: &Profile, token: Option<u64>) -> Result<(), HsmError> {
    let token = token
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(usize::MAX);
    let allowed = profile.max_sessions.min(token);
    if workers == 0 || workers > allowed.saturating_sub(profile.idle_sessions()) {
        return Err(HsmError::TooManyWorkers { workers, allowed });
    }
    Ok(())
}

/// Mechanisms with their CKM_ names.
type Mechanisms = [(MechanismType, &'static str)];

/// What every token needs: the journal's key is one of them.
const ECDSA: &Mechanisms = &[
    (MechanismType::ECDSA, "CKM_ECDSA"),
    (MechanismType::ECC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN"),
];

/// What Ed25519 needs.
const EDDSA: &Mechanisms = &[
    (MechanismType::EDDSA, "CKM_EDDSA"),
    (
        MechanismType::ECC_EDWARDS_KEY_PAIR_GEN,
        "CKM_EC_EDWARDS_KEY_PAIR_GEN",
    ),
];

/// The first of them that isn't present.
fn lacking(present: &[MechanismType], needed: &Mechanisms) -> Option<&'static str> {
    let absent = |(mechanism, _): &&(MechanismType, _)| !present.contains(mechanism);
    needed.iter().find(absent).map(|(_, name)| *name)
}

fn missing(info: &TokenInfo, mechanism: &'static str) -> HsmError {
    HsmError::MechanismMissing {
        token: info.label.clone(),
        mechanism: mechanism.into(),
    }
}
