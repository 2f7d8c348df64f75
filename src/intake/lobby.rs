//! Where requests wait for the engine of this process, and their senders for its answers.
//!
//! A request that the edge vouches for goes to the engine as it is, and becomes durable in the commit that answers it; nobody was
//! promised anything before. Everything else, and everything while the engine doesn't get on, is made durable first (ADR 24).
//! Invariant: a request that came in is at any time in exactly one place: arrived, with the engine, on its way into the inbox, or
//! there.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use super::submission::Vouched;
use crate::{
    failpoint,
    problem::Problem,
    store::{InboxRow, Outcome},
};

/// Requests that may wait to be begun with or stored; past it the API answers 503 at once.
const MOST: usize = 8_192;
/// How often somebody whose patience is over looks whether the request is stored by now.
const LOOK: Duration = Duration::from_millis(50);

/// Those who wait. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lobby(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Rung for the engine.
    bell: Notify,
    /// Rung for the task that stores.
    storing: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<String, Waiting>,
    /// For the engine, oldest first; not durable.
    arrived: VecDeque<Vouched>,
    /// To be made durable.
    unstored: Vec<Arc<InboxRow>>,
    /// Whether the engine takes requests that are not durable yet.
    open: bool,
    /// Whether something may be in the inbox that the engine has not seen.
    stored: bool,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<Outcome, Problem>>,
    stored: bool,
    vouched: Option<Vouched>,
}

impl Lobby {
    /// Lets a request in, and its sender wait.
    ///
    /// # Errors
    /// 503 when too many wait.
    pub(super) fn enter(
        &self,
        row: Arc<InboxRow>,
        vouched: Option<Vouched>,
    ) -> Result<Expected, Problem> {
        let (sender, answer) = oneshot::channel();
        let id = row.id.clone();
        let mut state = self.state();
        if state.arrived.len().saturating_add(state.unstored.len()) >= MOST {
            return Err(Problem::unavailable(
                "too many requests wait; try again shortly",
            ));
        }
        let mut waiting = Waiting {
            answer: sender,
            stored: false,
            vouched: None,
        };
        match vouched {
            Some(vouched) if state.open => {
                state.arrived.push_back(vouched);
                self.0.bell.notify_one();
            }
            vouched => {
                waiting.vouched = vouched;
                state.unstored.push(row);
                self.0.storing.notify_one();
            }
        }
        state.waiting.insert(id.clone(), waiting);
        drop(state);
        let lobby = self.clone();
        Ok(Expected {
            lobby,
            id,
            answer,
            waits: true,
        })
    }

    /// Says whether the engine gets on. While it does not, what comes is made durable first, and so is what came.
    pub fn set_open(&self, open: bool) {
        let mut state = self.state();
        state.open = open && !failpoint::is_set("inbox-first");
        if !open {
            while let Some(vouched) = state.arrived.pop_front() {
                self.store(&mut state, vouched);
            }
        }
    }

    /// Until something came for the engine.
    pub async fn rung(&self) {
        self.0.bell.notified().await;
    }

    /// Wakes the engine.
    pub fn ring(&self) {
        self.0.bell.notify_one();
    }

    /// Whether the inbox may hold what the engine has not seen; asked once, it is for the asker to look.
    pub fn take_stored(&self) -> bool {
        std::mem::take(&mut self.state().stored)
    }

    /// The inbox may hold what the engine has not seen.
    pub fn note_stored(&self) {
        self.state().stored = true;
    }

    /// The oldest requests that came, for the engine to answer, to refuse or to give back.
    pub fn arrived(&self, most: usize) -> Vec<Vouched> {
        let mut state = self.state();
        let many = state.arrived.len().min(most);
        state.arrived.drain(..many).collect()
    }

    /// Requests that the engine took and could not answer: they go the durable way.
    pub fn give_back(&self, rows: impl IntoIterator<Item = Arc<InboxRow>>) {
        self.state().unstored.extend(rows);
        self.0.storing.notify_one();
    }

    /// Gives durable answers to those who wait for them.
    pub fn deliver(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        let mut state = self.state();
        let waited = outcomes.into_iter().filter_map(|outcome| {
            let who = state.waiting.remove(&outcome.inbox_id)?;
            Some((who.answer, outcome))
        });
        let waited: Vec<_> = waited.collect();
        // Each is woken by it, and nobody need wait for that to come in.
        drop(state);
        for (answer, outcome) in waited {
            let _ = answer.send(Ok(outcome));
        }
    }

    /// The request was not taken in.
    pub fn refuse(&self, id: &str, problem: Problem) {
        if let Some(who) = self.state().waiting.remove(id) {
            let _ = who.answer.send(Err(problem));
        }
    }

    /// What the edge of this process found of a request in the inbox, once; nothing if nobody waits for its answer any more.
    pub fn vouched(&self, id: &str) -> Option<Vouched> {
        self.state().waiting.get_mut(id)?.vouched.take()
    }

    /// The next requests to be made durable; waits until there are any.
    pub(super) async fn unstored(&self, most: usize) -> Vec<Arc<InboxRow>> {
        loop {
            {
                let mut state = self.state();
                if !state.unstored.is_empty() {
                    let many = state.unstored.len().min(most);
                    return state.unstored.drain(..many).collect();
                }
            }
            self.0.storing.notified().await;
        }
    }

    /// These requests are durable; who waits need not be woken for that, the engine is.
    pub(super) fn stored<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let mut state = self.state();
        for id in ids {
            if let Some(who) = state.waiting.get_mut(id) {
                who.stored = true;
            }
        }
        state.stored = true;
        drop(state);
        self.ring();
    }

    /// Whether a request is durable. One that the engine has not begun with is on its way to be.
    fn is_stored(&self, id: &str) -> bool {
        let mut state = self.state();
        if state.waiting.get(id).is_some_and(|who| who.stored) {
            return true;
        }
        if let Some(at) = state.arrived.iter().position(|v| v.id() == id)
            && let Some(vouched) = state.arrived.remove(at)
        {
            self.store(&mut state, vouched);
        }
        false
    }

    fn store(&self, state: &mut State, vouched: Vouched) {
        state.unstored.push(vouched.row());
        if let Some(who) = state.waiting.get_mut(vouched.id()) {
            who.vouched = Some(vouched);
        }
        self.0.storing.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait. Given up when dropped, also by a request whose client went away.
#[derive(Debug)]
pub(super) struct Expected {
    lobby: Lobby,
    id: String,
    answer: oneshot::Receiver<Result<Outcome, Problem>>,
    /// Whether it still has its place: an answer gives it up.
    waits: bool,
}

impl Expected {
    /// The answer; none when it takes longer than this and the request is stored. What is not stored is waited for: nobody may
    /// be told that it will be answered.
    pub(super) async fn within(&mut self, patience: Duration) -> Result<Option<Outcome>, Problem> {
        let mut until = Instant::now() + patience;
        loop {
            match timeout_at(until, &mut self.answer).await {
                Ok(Ok(answer)) => {
                    self.waits = false;
                    return answer.map(Some);
                }
                Ok(Err(_)) => return Err(Problem::internal()),
                Err(_) if self.lobby.is_stored(&self.id) => return Ok(None),
                Err(_) => until = Instant::now() + LOOK,
            }
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if self.waits {
            self.lobby.state().waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
#[path = "lobby_tests.rs"]
mod tests;
