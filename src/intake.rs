//! The way in: handlers hand signed requests here and wait, bounded, for the engine's answer.
//!
//! Nothing is written in a request's future. One task stores what has gathered, many requests in one transaction, and
//! then rings the engine. Whoever goes away changes nothing: the request is durable and will be answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    clock::Clock,
    failpoint,
    problem::Problem,
    store::{InboxPut, InboxRow, Outcome, Store, StoreError},
    stored_request::StoredRequest,
    telemetry::trail,
};

/// Requests that may wait to be stored; past it the API answers 503 at once.
const QUEUE: usize = 8_192;
/// Requests stored in one transaction.
const BATCH: usize = 512;
/// How often an answer is looked for in the database when the engine is another process.
const POLL: Duration = Duration::from_millis(50);

/// Answers on their way from the engine to whoever waits in this process.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Outcome>>>>,
}

impl Answers {
    fn expect(&self, id: &str) -> Expected {
        let (sender, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), sender);
        Expected {
            answers: self.clone(),
            id: id.to_owned(),
            answer,
        }
    }

    /// Gives durable answers to those who wait for them.
    pub fn deliver(&self, outcomes: Vec<Outcome>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for outcome in outcomes {
            if let Some(sender) = waiting.remove(&outcome.inbox_id) {
                let _ = sender.send(outcome);
            }
        }
    }
}

/// A place among those who wait. Given up when dropped, also by a request whose client went away.
struct Expected {
    answers: Answers,
    id: String,
    answer: oneshot::Receiver<Outcome>,
}

impl Expected {
    async fn within(&mut self, patience: Duration) -> Option<Outcome> {
        tokio::time::timeout(patience, &mut self.answer)
            .await
            .ok()?
            .ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.answers
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// What became of a submitted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The engine answered.
    Answered(Outcome),
    /// It is stored and will be answered; the id finds the answer.
    Pending(String),
}

struct Put {
    row: InboxRow,
    stored: oneshot::Sender<Result<InboxPut, Problem>>,
}

/// The way in. Clones share it.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Put>,
    answers: Option<Answers>,
    store: Store,
    patience: Duration,
    clock: Clock,
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
        tokio::spawn(store_requests(store.clone(), requests, bell));
        Self {
            queue,
            answers,
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
    pub async fn submit(
        &self,
        vault: &str,
        kind: &str,
        principal: &str,
        nonce: &str,
        request: &StoredRequest,
    ) -> Result<Submitted, Problem> {
        let id = trail::take();
        let request = request.to_text().map_err(|_| Problem::internal())?;
        let row = InboxRow {
            id: id.clone(),
            vault: vault.to_owned(),
            kind: kind.to_owned(),
            principal: principal.to_owned(),
            nonce: nonce.to_owned(),
            at_ms: self.clock.now().as_ms(),
            request,
        };
        let answer = self.answers.as_ref().map(|answers| answers.expect(&id));
        let (stored, acknowledged) = oneshot::channel();
        let put = match self.queue.try_send(Put { row, stored }) {
            Ok(()) => acknowledged
                .await
                .unwrap_or_else(|_| Err(Problem::internal())),
            Err(_) => Err(Problem::unavailable(
                "too many requests wait to be stored; try again shortly",
            )),
        };
        if put? == InboxPut::Replayed {
            return Err(Problem::replayed(
                "sign again with a fresh nonce; an idempotency key keeps a repetition from paying twice",
            ));
        }
        let answered = match answer {
            Some(mut expected) => expected.within(self.patience).await,
            None => self.poll(&id).await,
        };
        Ok(answered.map_or(Submitted::Pending(id), Submitted::Answered))
    }

    async fn poll(&self, id: &str) -> Option<Outcome> {
        let looking = async {
            loop {
                if let Ok(Some(outcome)) = self.store.outcome(id).await {
                    return outcome;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(self.patience, looking).await.ok()
    }
}

async fn store_requests(store: Store, mut requests: mpsc::Receiver<Put>, bell: Arc<Notify>) {
    let mut puts = Vec::with_capacity(BATCH);
    while requests.recv_many(&mut puts, BATCH).await > 0 {
        let (rows, waiting): (Vec<_>, Vec<_>) =
            puts.drain(..).map(|put| (put.row, put.stored)).unzip();
        let result = store.inbox_put(&rows).await;
        failpoint::pass("inbox-stored");
        bell.notify_one();
        match result {
            Ok(stored) => waiting
                .into_iter()
                .zip(stored)
                .for_each(|(w, put)| drop(w.send(Ok(put)))),
            Err(e) => {
                tracing::error!(error = %e, requests = rows.len(), "the inbox could not be written");
                let problem = Problem::unavailable(match e {
                    StoreError::Unknown(_) => {
                        "it is not known whether the request was stored; a withdrawal is repeated safely under its \
                         idempotency key"
                    }
                    _ => "the request could not be stored, so it has no effect; try again",
                });
                waiting
                    .into_iter()
                    .for_each(|w| drop(w.send(Err(problem.clone()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_goes_to_who_waits_and_who_went_away_leaves_nothing_behind() {
        let answers = Answers::default();
        let outcome = |id: &str| Outcome {
            inbox_id: id.to_owned(),
            status: 200,
            body: String::new(),
        };
        let mut waiting = answers.expect("a");
        drop(answers.expect("b"));
        assert_eq!(answers.waiting.lock().unwrap().len(), 1);
        answers.deliver(vec![outcome("a"), outcome("b")]);
        let answered = waiting.within(Duration::from_secs(5)).await;
        assert_eq!(answered, Some(outcome("a")));
        drop(waiting);
        assert!(answers.waiting.lock().unwrap().is_empty());
    }
}
