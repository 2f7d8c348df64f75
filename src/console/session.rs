//! Sessions: they let an operator look, and nothing else. A session is a random token in a cookie; here only its hash is
//! kept, in memory, so a restart ends them all.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use custodyd_passkey::CredentialId;
use custodyd_policy::{OperatorId, Timestamp};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Console;
use crate::{
    directory::{Directory, Sworn},
    problem::Problem,
};

/// Sessions at most; past it the one that was idle longest ends.
const MOST_SESSIONS: usize = 4_096;

/// How long a session lasts.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// Until its token is exchanged for another.
    pub rotation: Duration,
}

/// A living session, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who looks.
    pub operator: OperatorId,
    /// The passkey they signed in with; when it is revoked the session ends.
    pub credential: CredentialId,
    /// Since when.
    pub since: Timestamp,
    seen: Timestamp,
    rotated: Timestamp,
}

/// A session's token: 32 random bytes, base64url. Whoever has it may look.
pub(super) type Token = Zeroizing<String>;

/// Living sessions by the SHA-256 of their token.
#[derive(Debug)]
pub struct Sessions {
    lifetime: Lifetime,
    living: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(super) fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            living: Mutex::default(),
        }
    }

    /// A new session for who has just signed in, and its token.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn open(&self, sworn: &Sworn, now: Timestamp) -> Result<Token, Problem> {
        let token = fresh_token()?;
        let session = Session {
            operator: sworn.operator.clone(),
            credential: sworn.credential.clone(),
            since: now,
            seen: now,
            rotated: now,
        };
        let mut living = self.living();
        living.retain(|_, session| self.lives(session, now));
        if living.len() >= MOST_SESSIONS {
            let idlest = living.iter().min_by_key(|(_, session)| session.seen);
            if let Some(key) = idlest.map(|(key, _)| *key) {
                living.remove(&key);
            }
        }
        living.insert(hash(&token), session);
        Ok(token)
    }

    /// The session of a token, if it lives and its passkey still counts. It lives on from now.
    pub(super) fn find(
        &self,
        token: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Option<Session> {
        let key = hash(token);
        let mut living = self.living();
        let session = living.get_mut(&key)?;
        let counts = directory
            .passkeys(&session.operator)
            .any(|passkey| passkey.id == session.credential);
        if !counts || !self.lives(session, now) {
            living.remove(&key);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Another token for the same session, where it is time for one. The old one is good no longer.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn rotate(&self, token: &str, now: Timestamp) -> Result<Option<Token>, Problem> {
        let mut living = self.living();
        let key = hash(token);
        let due = living.get(&key).is_some_and(|session| {
            now.as_ms().saturating_sub(session.rotated.as_ms()) >= ms(self.lifetime.rotation)
        });
        if !due {
            return Ok(None);
        }
        let fresh = fresh_token()?;
        if let Some(mut session) = living.remove(&key) {
            session.rotated = now;
            living.insert(hash(&fresh), session);
        }
        Ok(Some(fresh))
    }

    /// Ends a session.
    pub(super) fn close(&self, token: &str) {
        self.living().remove(&hash(token));
    }

    fn lives(&self, session: &Session, now: Timestamp) -> bool {
        let since = |at: Timestamp| now.as_ms().saturating_sub(at.as_ms());
        since(session.seen) < ms(self.lifetime.idle)
            && since(session.since) < ms(self.lifetime.absolute)
    }

    fn living(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console {
    /// The session that a request's `Cookie` header names.
    pub(super) fn session(
        &self,
        cookies: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Option<(Token, Session)> {
        let token = token_in(cookies)?;
        let session = self.sessions.find(&token, directory, now)?;
        Some((token, session))
    }
}

/// The cookie's name: the prefix binds it to this host, to https and to every path (RFC 6265bis §4.1.3.2).
pub(super) const COOKIE: &str = "__Host-custodyd";

/// The token in a `Cookie` header. Two of them could be read in two ways.
fn token_in(cookies: &str) -> Option<Token> {
    let mut named = cookies
        .split(';')
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    match (named.next(), named.next()) {
        (Some(token), None) if token.len() == 43 => Some(Zeroizing::new(token.to_owned())),
        _ => None,
    }
}

fn fresh_token() -> Result<Token, Problem> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut())
        .map_err(|_| Problem::unavailable("the system gives no randomness"))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
