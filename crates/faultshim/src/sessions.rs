//! The sessions that are open: how many, how long idle, and what each is signing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki_sys::{CK_SESSION_HANDLE, CK_SLOT_ID};

use crate::counts::Extra;
use crate::emulated::Secret;
use crate::shim::SharedCounts;

struct Open {
    slot: CK_SLOT_ID,
    used: Instant,
    /// C_SignInit was called with this emulated key.
    signing: Option<Arc<Secret>>,
}

/// The open sessions of this process.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<CK_SESSION_HANDLE, Open>>,
    /// When a key was made last.
    made_key: Mutex<Option<Instant>>,
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, HashMap<CK_SESSION_HANDLE, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.open().len()
    }

    pub(crate) fn opened(
        &self,
        session: CK_SESSION_HANDLE,
        slot: CK_SLOT_ID,
        counts: &SharedCounts,
    ) {
        let mut open = self.open();
        let (used, signing) = (Instant::now(), None);
        open.insert(
            session,
            Open {
                slot,
                used,
                signing,
            },
        );
        counts.extra(Extra::SessionsOpened);
        counts.set(Extra::SessionsOpen, open.len());
    }

    /// Forgets those for which `gone` says so.
    fn forget(&self, counts: &SharedCounts, gone: impl Fn(CK_SESSION_HANDLE, CK_SLOT_ID) -> bool) {
        let mut open = self.open();
        open.retain(|session, state| !gone(*session, state.slot));
        counts.set(Extra::SessionsOpen, open.len());
    }

    pub(crate) fn closed(&self, closed: CK_SESSION_HANDLE, counts: &SharedCounts) {
        self.forget(counts, |session, _| session == closed);
    }

    pub(crate) fn all_closed(&self, closed: Option<CK_SLOT_ID>, counts: &SharedCounts) {
        self.forget(counts, |_, slot| closed.is_none_or(|closed| closed == slot));
    }

    /// Notes that a session is used; whether it had been idle for longer than `limit`.
    pub(crate) fn was_idle(&self, session: CK_SESSION_HANDLE, limit: Option<Duration>) -> bool {
        let Some(limit) = limit else { return false };
        let now = Instant::now();
        self.open().get_mut(&session).is_some_and(|open| {
            let idle = now.saturating_duration_since(open.used);
            open.used = now;
            idle > limit
        })
    }

    pub(crate) fn begin_signing(&self, session: CK_SESSION_HANDLE, secret: Option<Arc<Secret>>) {
        if let Some(open) = self.open().get_mut(&session) {
            open.signing = secret;
        }
    }

    /// The emulated key of the operation under way, if there is one.
    pub(crate) fn signing(&self, session: CK_SESSION_HANDLE) -> Option<Arc<Secret>> {
        self.open().get(&session)?.signing.clone()
    }

    pub(crate) fn made_key(&self) {
        *self.made_key.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the youngest key is younger than `age`.
    pub(crate) fn key_is_younger(&self, age: Duration) -> bool {
        let made = *self.made_key.lock().unwrap_or_else(PoisonError::into_inner);
        made.is_some_and(|made| made.elapsed() < age)
    }
}
