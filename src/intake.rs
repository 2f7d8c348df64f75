//! The way in: handlers hand verified requests here and wait, bounded, for the engine's answer.
//!
//! Nothing is written in a request's future. What the engine of this process can take as it is goes to it, and becomes durable in
//! the commit that answers it; everything else one task stores first, many requests in one transaction. Nobody is told 202 before
//! the request is durable: then whoever goes away changes nothing, it will be answered.

mod lobby;
mod submission;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

pub use lobby::Lobby;
#[cfg(test)]
pub(crate) use submission::tests::vouched as sample;
pub use submission::{Pending, Submission, Vouched};

use self::lobby::Expected;
use crate::{
    clock::Clock,
    failpoint,
    problem::Problem,
    store::{InboxPut, InboxRow, Outcome, Store, StoreError},
    telemetry::trail,
};

/// Requests stored in one transaction.
const BATCH: usize = 512;
/// How often an answer is looked for in the database when the engine is another process.
const POLL: Duration = Duration::from_millis(50);

/// What became of a submitted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The engine answered.
    Answered(Outcome),
    /// It is stored and will be answered; the id finds the answer.
    Pending(String),
}

/// A request that was handed in and waits for its answer. Dropped, nobody waits for it any more; what becomes of it is the same.
#[derive(Debug)]
pub struct Entered {
    id: String,
    expected: Expected,
}

/// The way in. Clones share it.
#[derive(Debug, Clone)]
pub struct Intake {
    lobby: Lobby,
    engine: Whereabouts,
    store: Store,
    patience: Duration,
    clock: Clock,
}

/// Where the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    Here,
    Elsewhere,
}

impl Intake {
    /// Starts the task that stores requests. `lobby` is the engine's when it runs in this process; without it answers are looked
    /// up in the database.
    pub fn start(store: Store, lobby: Option<Lobby>, patience: Duration, clock: Clock) -> Self {
        let engine = match lobby {
            Some(_) => Whereabouts::Here,
            None => Whereabouts::Elsewhere,
        };
        let lobby = lobby.unwrap_or_default();
        tokio::spawn(keep_storing(store.clone(), lobby.clone()));
        Self {
            lobby,
            engine,
            store,
            patience,
            clock,
        }
    }

    /// Hands an authenticated request in and waits for its answer.
    ///
    /// # Errors
    /// [`Intake::enter`]'s and [`Intake::answer`]'s.
    pub async fn submit(&self, vault: &str, submission: Submission) -> Result<Submitted, Problem> {
        let entered = self.enter(vault, submission)?;
        self.answer(entered).await
    }

    /// Hands an authenticated request in. Apart from waiting for its answer, so that no future has room for the request.
    ///
    /// # Errors
    /// 503 when too many wait: it has no effect.
    pub fn enter(&self, vault: &str, submission: Submission) -> Result<Entered, Problem> {
        let id = trail::take();
        let text = submission.request.to_text();
        let text = text.map_err(|_| Problem::internal())?;
        let row = Arc::new(InboxRow {
            id: id.clone(),
            vault: vault.to_owned(),
            kind: submission.intent.kind().to_owned(),
            principal: submission.speaker.to_string(),
            nonce: submission.nonce.clone(),
            at_ms: self.clock.now().as_ms(),
            request: text.into(),
        });
        let vouched = match self.engine {
            Whereabouts::Here => Vouched::of(submission, &row),
            Whereabouts::Elsewhere => None,
        };
        let expected = self.lobby.enter(row, vouched)?;
        Ok(Entered { id, expected })
    }

    /// Waits for the answer of what was handed in.
    ///
    /// # Errors
    /// 409 for a repeated nonce, 503 when it could not be stored: it has no effect. Where it is not known whether it was
    /// stored, the 503 says so.
    pub async fn answer(&self, entered: Entered) -> Result<Submitted, Problem> {
        let Entered { id, mut expected } = entered;
        let answered = match self.engine {
            Whereabouts::Here => expected.within(self.patience).await?,
            Whereabouts::Elsewhere => {
                // Nobody answers here, so the wait ends as soon as the request is stored.
                match expected.within(Duration::ZERO).await? {
                    // Apart, since it is large: every waiting request's future would have room for it.
                    None => Box::pin(self.poll(&id)).await,
                    answered => answered,
                }
            }
        };
        Ok(answered.map_or(Submitted::Pending(id), Submitted::Answered))
    }

    async fn poll(&self, id: &str) -> Option<Outcome> {
        let until = Instant::now() + self.patience;
        let looking = async {
            loop {
                if let Ok(Some(outcome)) = self.store.outcome(id).await {
                    return outcome;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        timeout_at(until, looking).await.ok()
    }
}

/// Makes requests durable, for ever.
async fn keep_storing(store: Store, lobby: Lobby) {
    loop {
        let rows = lobby.unstored(BATCH).await;
        let result = store.inbox_put(rows.iter().cloned()).await;
        failpoint::pass("inbox-stored");
        tell(&lobby, &rows, result);
    }
}

fn tell(lobby: &Lobby, rows: &[Arc<InboxRow>], result: Result<Vec<InboxPut>, StoreError>) {
    match result {
        Ok(puts) => {
            let puts = || rows.iter().map(|row| row.id.as_str()).zip(&puts);
            lobby.stored(
                puts()
                    .filter(|(_, put)| **put == InboxPut::Stored)
                    .map(|(id, _)| id),
            );
            for (id, _) in puts().filter(|(_, put)| **put == InboxPut::Replayed) {
                lobby.refuse(id, replayed());
            }
        }
        Err(e) => {
            tracing::error!(error = %e, requests = rows.len(), "the inbox could not be written");
            let problem = match e {
                StoreError::Unknown(_) => unknown(),
                _ => Problem::unavailable(
                    "the request could not be stored, so it has no effect; try again",
                ),
            };
            for row in rows {
                lobby.refuse(&row.id, problem.clone());
            }
        }
    }
}

/// Its principal's nonce was used before.
pub fn replayed() -> Problem {
    Problem::replayed(
        "sign again with a fresh nonce; an idempotency key keeps a repetition from paying twice",
    )
}

/// A commit may have happened.
pub fn unknown() -> Problem {
    Problem::unavailable(
        "it is not known whether the request was stored; a withdrawal is repeated safely under its idempotency key",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room<F>(_: impl FnOnce(&'static Intake, Entered) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands wait at once, and each of their futures is allocated, moved and given back.
    #[test]
    fn who_waits_for_an_answer_takes_little_room() {
        let room = room(Intake::answer);
        assert!(room <= 512, "{room} bytes");
    }
}
