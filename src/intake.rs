//! The way in: handlers hand signed requests here and wait, bounded, for the engine's answer.
//!
//! Nothing is written in a request's future. One task stores what has gathered, many requests in one transaction, and
//! then rings the engine. Whoever goes away changes nothing: the request is durable and will be answered.

mod answers;
mod submission;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};

pub use answers::Answers;
pub use submission::{Pending, Submission, Vouched};

use crate::{
    clock::Clock,
    failpoint,
    problem::Problem,
    store::{InboxPut, InboxRow, Outcome, Store, StoreError},
    telemetry::trail,
};

/// Requests that may wait to be stored; past it the API answers 503 at once.
const QUEUE: usize = 8_192;
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

/// The way in. Clones share it.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<InboxRow>,
    answers: Answers,
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
    /// Starts the task that stores requests. `answers` is the engine's when it runs in this process; without it answers
    /// are looked up in the database.
    pub fn start(
        store: Store,
        answers: Option<Answers>,
        bell: Arc<Notify>,
        patience: Duration,
        clock: Clock,
    ) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let engine = match answers {
            Some(_) => Whereabouts::Here,
            None => Whereabouts::Elsewhere,
        };
        let answers = answers.unwrap_or_default();
        let storing = Storing {
            store: store.clone(),
            answers: answers.clone(),
            bell,
        };
        tokio::spawn(storing.run(requests));
        Self {
            queue,
            answers,
            engine,
            store,
            patience,
            clock,
        }
    }

    /// Stores an authenticated request and waits for its answer.
    ///
    /// # Errors
    /// 409 for a repeated nonce, 503 when it could not be stored: it has no effect. Where it is not known whether it was
    /// stored, the 503 says so.
    pub async fn submit(&self, vault: &str, submission: Submission) -> Result<Submitted, Problem> {
        let id = trail::take();
        let text = submission.request.to_text();
        let text = text.map_err(|_| Problem::internal())?;
        let row = InboxRow {
            id: id.clone(),
            vault: vault.to_owned(),
            kind: submission.intent.kind().to_owned(),
            principal: submission.speaker.to_string(),
            nonce: submission.nonce.clone(),
            at_ms: self.clock.now().as_ms(),
            request: text,
        };
        let vouched = match self.engine {
            Whereabouts::Here => Vouched::of(submission, &row),
            Whereabouts::Elsewhere => None,
        };
        let mut expected = self.answers.expect(&id, vouched);
        self.queue.try_send(row).map_err(|_| {
            Problem::unavailable("too many requests wait to be stored; try again shortly")
        })?;
        let answered = match self.engine {
            Whereabouts::Here => expected.within(self.patience).await?,
            Whereabouts::Elsewhere => {
                // Nobody answers here, so the wait ends as soon as the request is stored.
                match expected.within(Duration::ZERO).await? {
                    None => self.poll(&id).await,
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

/// The task that stores.
struct Storing {
    store: Store,
    answers: Answers,
    bell: Arc<Notify>,
}

impl Storing {
    async fn run(self, mut requests: mpsc::Receiver<InboxRow>) {
        let mut rows = Vec::with_capacity(BATCH);
        while requests.recv_many(&mut rows, BATCH).await > 0 {
            let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
            let result = self.store.inbox_put(std::mem::take(&mut rows)).await;
            failpoint::pass("inbox-stored");
            self.bell.notify_one();
            self.tell(&ids, result);
        }
    }

    fn tell(&self, ids: &[String], result: Result<Vec<InboxPut>, StoreError>) {
        match result {
            Ok(puts) => {
                for (id, put) in ids.iter().zip(puts) {
                    match put {
                        InboxPut::Stored => self.answers.stored(id),
                        InboxPut::Replayed => self.answers.refuse(
                            id,
                            Problem::replayed(
                                "sign again with a fresh nonce; an idempotency key keeps a repetition from paying twice",
                            ),
                        ),
                    }
                }
            }
            Err(e) => {
                tracing::error!(error = %e, requests = ids.len(), "the inbox could not be written");
                let problem = Problem::unavailable(match e {
                    StoreError::Unknown(_) => {
                        "it is not known whether the request was stored; a withdrawal is repeated safely under its \
                         idempotency key"
                    }
                    _ => "the request could not be stored, so it has no effect; try again",
                });
                for id in ids {
                    self.answers.refuse(id, problem.clone());
                }
            }
        }
    }
}
