//! A token that could not be opened at start, and is opened as soon as it can be.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::counters::Counters;
use crate::error::{Class, HsmError};
use crate::hsm::{Health, Hsm, MemberStatus};
use crate::request::{Reply, Request};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How often the thread looks whether it is still wanted.
const NAP: Duration = Duration::from_millis(250);

/// Stands for a token until it is open; from then on it is that token.
#[derive(Debug)]
pub struct Opening {
    name: String,
    call_limit: Duration,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    open: OnceLock<Arc<dyn Hsm>>,
    /// What kept it from opening last.
    fault: Mutex<HsmError>,
}

impl Opening {
    /// Whether a failure to open may pass by itself: the token, its server or its network is gone for now. A network HSM
    /// that can't be reached shows no token at all; where others are seen, the selector is wrong.
    #[must_use]
    pub fn may_pass(fault: &HsmError) -> bool {
        match fault {
            HsmError::TokenMissing { present, .. } => present.is_empty(),
            fault => fault.class() == Class::Retryable,
        }
    }

    /// Opens a token in the background until it opens, with pauses that grow to 15 s. A failure that does not pass by itself,
    /// such as a refused PIN, ends it: a wrong PIN offered again would lock the token. `call_limit` counts until then.
    ///
    /// # Errors
    /// [`HsmError::NoThread`].
    pub fn start(
        name: &str,
        fault: HsmError,
        call_limit: Duration,
        open: impl Fn() -> Result<Arc<dyn Hsm>, HsmError> + Send + 'static,
    ) -> Result<Self, HsmError> {
        let state = Arc::new(State {
            open: OnceLock::new(),
            fault: Mutex::new(fault),
        });
        let (watched, token) = (Arc::downgrade(&state), name.to_owned());
        super::spawn("hsm-opening", move || keep_opening(&token, &watched, open))?;
        Ok(Self {
            name: name.to_owned(),
            call_limit,
            state,
        })
    }

    fn fault(&self) -> HsmError {
        let fault = self.state.fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn keep_opening(
    token: &str,
    watched: &Weak<State>,
    open: impl Fn() -> Result<Arc<dyn Hsm>, HsmError>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut slept = Duration::ZERO;
        while slept < pause {
            thread::sleep(NAP);
            slept += NAP;
            if watched.strong_count() == 0 {
                return;
            }
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        let opened = open();
        let Some(state) = watched.upgrade() else {
            return;
        };
        match opened {
            Ok(hsm) => {
                tracing::info!(token, "the token is open");
                let _ = state.open.set(hsm);
                return;
            }
            Err(error) => {
                let passing = Opening::may_pass(&error);
                if !passing {
                    tracing::error!(token, %error, advice = error.advice(), "the token is not opened again");
                }
                *state.fault.lock().unwrap_or_else(PoisonError::into_inner) = error;
                if !passing {
                    return;
                }
            }
        }
    }
}

impl Hsm for Opening {
    fn submit(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError> {
        match self.state.open.get() {
            Some(hsm) => hsm.submit(request, limit, reply),
            None => Err(HsmError::NotOpen {
                token: self.name.clone(),
                reason: self.fault().to_string(),
            }),
        }
    }

    fn members(&self) -> Vec<MemberStatus> {
        match self.state.open.get() {
            Some(hsm) => hsm.members(),
            None => vec![MemberStatus {
                name: self.name.clone(),
                info: None,
                health: Health::Out {
                    reason: self.fault().to_string(),
                },
                counters: Counters::default(),
                restarts: 0,
                missing_keys: 0,
            }],
        }
    }

    fn call_limit(&self) -> Duration {
        let open = self.state.open.get();
        open.map_or(self.call_limit, |hsm| hsm.call_limit())
    }
}
