//! Sessions: they let an operator look, and nothing else. A session is a random token in a cookie; here only its hash is
//! kept, in memory, so a restart ends them all.
//!
//! A token is exchanged for another from time to time. The former one is good until the browser has shown the new one, and a
//! moment longer, for requests that were on their way; if it comes back after that, one of two holders is a thief, and the
//! session ends. So it does where one exchange after the other is answered with the former token: somebody ignores them.
//! What stays open longer than a token is good, a stream, asks for its session by number.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use custodyd_passkey::CredentialId;
use custodyd_policy::{OperatorId, Timestamp};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::begun::random;
use crate::{
    directory::{Directory, Sworn},
    problem::Problem,
    telemetry::console,
};

/// Sessions of one operator; past it the one that was idle longest ends.
const MOST_OF_ONE: usize = 8;
/// How long a former token is good once the new one was seen, milliseconds.
const GRACE_MS: u64 = 10_000;
/// Exchanges in a row whose new token nobody showed: one answer may get lost, and the next one too.
const MOST_UNSEEN: u32 = 2;
/// How often sessions that ended by themselves are taken out, milliseconds.
const SWEEP_MS: u64 = 60_000;

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
    number: u64,
    seen: Timestamp,
    rotated: Timestamp,
    token: Hash,
    former: Option<Former>,
    /// Exchanges since a new token was shown.
    unseen: u32,
}

/// The token before the last exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Former {
    token: Hash,
    /// Set once the new token was seen.
    until: Option<Timestamp>,
}

type Hash = [u8; 32];

/// A session's token: 32 random bytes, base64url. Whoever has it may look.
pub(super) type Token = Zeroizing<String>;

/// Living sessions.
#[derive(Debug)]
pub struct Sessions {
    lifetime: Lifetime,
    living: Mutex<Living>,
}

#[derive(Debug, Default)]
struct Living {
    /// By number, in the order in which they began.
    sessions: HashMap<u64, Session>,
    /// Which session a token is of, by the token's SHA-256.
    tokens: HashMap<Hash, u64>,
    next: u64,
    swept: Timestamp,
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
        let mut living = self.living();
        living.sweep(self.lifetime, now);
        living.make_room(&sworn.operator);
        let number = living.next;
        living.next = number.saturating_add(1);
        living.tokens.insert(hash(&token), number);
        let session = Session {
            operator: sworn.operator.clone(),
            credential: sworn.credential.clone(),
            since: now,
            number,
            seen: now,
            rotated: now,
            token: hash(&token),
            former: None,
            unseen: 0,
        };
        living.sessions.insert(number, session);
        living.count();
        Ok(token)
    }

    /// The session of a token, if it lives and its passkey still counts. Where somebody is `active` it lives on from now; a page
    /// that looks for itself keeps no session alive.
    pub(super) fn find(
        &self,
        token: &str,
        directory: &Directory,
        active: bool,
        now: Timestamp,
    ) -> Option<Session> {
        let token = hash(token);
        let mut living = self.living();
        if now.as_ms().saturating_sub(living.swept.as_ms()) >= SWEEP_MS {
            living.sweep(self.lifetime, now);
        }
        let number = *living.tokens.get(&token)?;
        let session = living.sessions.get_mut(&number)?;
        if !session.holds(directory, self.lifetime, now) || !session.takes(&token, now) {
            living.end(number);
            return None;
        }
        if active {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Whether a session that was found still lives, whatever became of the token that it was found by.
    pub(super) fn still_lives(
        &self,
        found: &Session,
        directory: &Directory,
        now: Timestamp,
    ) -> bool {
        let living = self.living();
        let session = living.sessions.get(&found.number);
        session.is_some_and(|session| session.holds(directory, self.lifetime, now))
    }

    /// Another token for the same session, where it is time for one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn rotate(&self, token: &str, now: Timestamp) -> Result<Option<Token>, Problem> {
        let token = hash(token);
        let mut living = self.living();
        let Some(number) = living.tokens.get(&token).copied() else {
            return Ok(None);
        };
        let Some(session) = living.sessions.get_mut(&number) else {
            return Ok(None);
        };
        if since(session.rotated, now) < ms(self.lifetime.rotation) {
            return Ok(None);
        }
        if session.unseen >= MOST_UNSEEN {
            living.end(number);
            return Ok(None);
        }
        let fresh = fresh_token()?;
        session.unseen = session.unseen.saturating_add(1);
        // A token that was never seen again got lost on its way: the one before it stays the former one.
        let gone = if session.token == token {
            session.former.replace(Former { token, until: None })
        } else {
            let token = session.token;
            Some(Former { token, until: None })
        };
        session.token = hash(&fresh);
        session.rotated = now;
        if let Some(gone) = gone {
            living.tokens.remove(&gone.token);
        }
        living.tokens.insert(hash(&fresh), number);
        Ok(Some(fresh))
    }

    /// Takes out what ended by itself, so that nobody who is gone is counted.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.living().sweep(self.lifetime, now);
    }

    /// Ends a session.
    pub(super) fn close(&self, token: &str) {
        let mut living = self.living();
        if let Some(number) = living.tokens.get(&hash(token)).copied() {
            living.end(number);
        }
    }

    fn living(&self) -> MutexGuard<'_, Living> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether its time isn't over and the passkey that it began with counts.
    fn holds(&self, directory: &Directory, lifetime: Lifetime, now: Timestamp) -> bool {
        let mut passkeys = directory.passkeys(&self.operator);
        self.lives(lifetime, now) && passkeys.any(|passkey| passkey.id == self.credential)
    }

    fn lives(&self, lifetime: Lifetime, now: Timestamp) -> bool {
        since(self.seen, now) < ms(lifetime.idle) && since(self.since, now) < ms(lifetime.absolute)
    }

    /// Whether one of its tokens is still good, and takes note of a new one that is seen for the first time.
    fn takes(&mut self, token: &Hash, now: Timestamp) -> bool {
        let current = self.token == *token;
        match &mut self.former {
            None => current,
            Some(former) if current => {
                let grace = Timestamp::from_ms(now.as_ms().saturating_add(GRACE_MS));
                former.until.get_or_insert(grace);
                self.unseen = 0;
                true
            }
            Some(former) => former.token == *token && former.until.is_none_or(|until| now < until),
        }
    }
}

impl Living {
    fn sweep(&mut self, lifetime: Lifetime, now: Timestamp) {
        self.swept = now;
        self.sessions
            .retain(|_, session| session.lives(lifetime, now));
        let sessions = &self.sessions;
        self.tokens
            .retain(|_, number| sessions.contains_key(number));
        self.count();
    }

    fn make_room(&mut self, operator: &OperatorId) {
        let theirs = || {
            let all = self.sessions.iter();
            all.filter(|(_, session)| session.operator == *operator)
        };
        if theirs().count() >= MOST_OF_ONE {
            let idlest = theirs().min_by_key(|(number, session)| (session.seen, **number));
            if let Some(number) = idlest.map(|(number, _)| *number) {
                self.end(number);
            }
        }
    }

    fn end(&mut self, number: u64) {
        if let Some(session) = self.sessions.remove(&number) {
            self.tokens.remove(&session.token);
            if let Some(former) = session.former {
                self.tokens.remove(&former.token);
            }
        }
        self.count();
    }

    fn count(&self) {
        console::sessions(self.sessions.len());
    }
}

/// The cookie's name: the prefix binds it to this host, to https and to every path (RFC 6265bis §4.1.3.2).
pub(super) const COOKIE: &str = "__Host-custodyd";

/// The token in a `Cookie` header. Two of them could be read in two ways.
pub(super) fn token_in(cookies: &str) -> Option<Token> {
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
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

fn since(then: Timestamp, now: Timestamp) -> u64 {
    now.as_ms().saturating_sub(then.as_ms())
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
