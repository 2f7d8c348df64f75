//! Several tokens that hold the same keys, as one HSM: load spread, fail-over within a second, fail-back.
//!
//! Order of the files, top down: this one (the interface) → `generation` and `survey` (what concerns all tokens: a new key, a
//! listing) and `relay` (a request carried from token to token) with `clockwork` (time passing) → `course`, `roster`,
//! `breaker`, `census`, `verdict` (the decisions; pure) → `settings`. `opening` stands for a token that is not there yet.
//! Why it is so: docs/adr/0016-several-tokens-one-set-of-keys.md.

mod breaker;
mod census;
mod clockwork;
mod course;
mod generation;
mod opening;
mod relay;
mod roster;
mod settings;
mod survey;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::HsmError;
use crate::hsm::{Health, Hsm, MemberStatus};
use crate::request::{Reply, Request, Response};

pub use opening::Opening;
pub use settings::FleetSettings;

use relay::{Relay, Shared};
use roster::Roster;

/// Requests that concern all tokens, and so have a thread each, at a time.
const MOST_ERRANDS: usize = 8;

/// Several tokens that hold the same keys.
pub struct Fleet {
    shared: Arc<Shared>,
    errands: Arc<AtomicUsize>,
}

impl Fleet {
    /// A fleet of these tokens, the first of which makes new keys. Members are told apart by the names that they give themselves.
    ///
    /// # Errors
    /// [`HsmError::Closed`] without members; [`HsmError::NoThread`].
    pub fn new(members: Vec<Arc<dyn Hsm>>, settings: FleetSettings) -> Result<Self, HsmError> {
        if members.is_empty() {
            return Err(HsmError::Closed);
        }
        let now = Instant::now();
        let statuses: Vec<Option<MemberStatus>> = members
            .iter()
            .map(|member| member.members().into_iter().next())
            .collect();
        let names: Vec<String> = statuses
            .iter()
            .map(|status| status.as_ref().map_or(String::new(), |s| s.name.clone()))
            .collect();
        let mut roster = Roster::new(names.clone(), settings.clone(), now);
        for (seat, status) in statuses.iter().enumerate() {
            if let Some(Health::Out { reason }) = status.as_ref().map(|status| &status.health) {
                roster.distrust(seat, reason, now);
            }
        }
        let tick = settings.probe.max(Duration::from_millis(1));
        let shared = Arc::new(Shared::new(members, names, settings, roster));
        let (clockwork, watched) = (Arc::clone(&shared.clockwork), Arc::downgrade(&shared));
        spawn("hsm-fleet", move || clockwork.run(&watched, tick))?;
        Ok(Self {
            shared,
            errands: Arc::default(),
        })
    }

    /// Does what may wait for several tokens on a thread of its own.
    fn errand(
        &self,
        reply: Reply,
        work: impl FnOnce(&Shared) -> Result<Response, HsmError> + Send + 'static,
    ) -> Result<(), HsmError> {
        let errand = Errand::begin(&self.errands)?;
        let shared = Arc::clone(&self.shared);
        spawn("hsm-errand", move || {
            let answer = work(&shared);
            // Before the caller hears of it, who may ask again.
            drop((shared, errand));
            reply(answer);
        })
    }
}

impl Hsm for Fleet {
    fn submit(&self, request: Request, limit: Duration, reply: Reply) -> Result<(), HsmError> {
        request.admissible()?;
        match request {
            Request::Generate { id, label, curve } => self.errand(reply, move |shared| {
                generation::generate(shared, id, label, curve, limit).map(Response::Public)
            }),
            Request::List => self.errand(reply, move |shared| {
                survey::list(shared, limit).map(Response::Listed)
            }),
            request => Relay::start(&self.shared, request, limit, reply),
        }
    }

    fn members(&self) -> Vec<MemberStatus> {
        // Not under the roster's lock: a member may take a moment to answer.
        let inner = self.shared.members.iter().map(|member| member.members());
        let inner: Vec<Vec<MemberStatus>> = inner.collect();
        let (roster, now) = (self.shared.roster(), Instant::now());
        let mut statuses = Vec::new();
        for (seat, members) in inner.into_iter().enumerate() {
            for mut status in members {
                if !matches!(status.health, Health::Out { .. })
                    && let Some(health) = roster.health(seat)
                {
                    status.health = health;
                }
                status.missing_keys = u64::try_from(roster.lacking(seat, now)).unwrap_or(u64::MAX);
                statuses.push(status);
            }
        }
        statuses
    }

    fn call_limit(&self) -> Duration {
        let limits = self.shared.members.iter().map(|member| member.call_limit());
        limits.max().unwrap_or_default()
    }

    fn each(&self) -> Vec<Arc<dyn Hsm>> {
        self.shared.members.clone()
    }

    fn bar(&self, name: &str, reason: &str) -> bool {
        self.shared.roster().bar(name, reason)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.clockwork.close();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("members", &self.shared.members)
            .finish_non_exhaustive()
    }
}

/// One of the requests that have a thread.
struct Errand(Arc<AtomicUsize>);

impl Errand {
    fn begin(count: &Arc<AtomicUsize>) -> Result<Self, HsmError> {
        let errand = Self(Arc::clone(count));
        // Counted first: dropping it takes it back.
        if count.fetch_add(1, Ordering::Relaxed) < MOST_ERRANDS {
            return Ok(errand);
        }
        Err(HsmError::QueueFull {
            capacity: MOST_ERRANDS,
        })
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), HsmError> {
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(_detached) => Ok(()),
        Err(error) => Err(HsmError::NoThread(error.to_string())),
    }
}
