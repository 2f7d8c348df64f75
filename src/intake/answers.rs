//! Answers on their way from the engine to whoever waits in this process, and what those who wait left for the engine.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::submission::Vouched;
use crate::{problem::Problem, store::Outcome};

/// How often somebody whose patience is over looks whether the request is stored by now.
const LOOK: Duration = Duration::from_millis(50);

/// Those who wait, by their requests' ids. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<Mutex<HashMap<String, Waiting>>>);

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<Outcome, Problem>>,
    stored: bool,
    vouched: Option<Box<Vouched>>,
}

impl Answers {
    pub(super) fn expect(&self, id: &str, vouched: Option<Box<Vouched>>) -> Expected {
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting {
            answer: sender,
            stored: false,
            vouched,
        };
        self.waiting().insert(id.to_owned(), waiting);
        Expected {
            answers: self.clone(),
            id: id.to_owned(),
            answer,
        }
    }

    /// Gives durable answers to those who wait for them.
    pub fn deliver(&self, outcomes: Vec<Outcome>) {
        let mut waiting = self.waiting();
        for outcome in outcomes {
            if let Some(who) = waiting.remove(&outcome.inbox_id) {
                let _ = who.answer.send(Ok(outcome));
            }
        }
    }

    /// What the edge of this process found of a request, once; nothing if nobody waits for its answer any more.
    pub fn vouched(&self, id: &str) -> Option<Box<Vouched>> {
        self.waiting().get_mut(id)?.vouched.take()
    }

    /// The request is durable; who waits need not be woken for that.
    pub(super) fn stored(&self, id: &str) {
        if let Some(who) = self.waiting().get_mut(id) {
            who.stored = true;
        }
    }

    /// The request was not taken in.
    pub(super) fn refuse(&self, id: &str, problem: Problem) {
        if let Some(who) = self.waiting().remove(id) {
            let _ = who.answer.send(Err(problem));
        }
    }

    fn is_stored(&self, id: &str) -> bool {
        self.waiting().get(id).is_some_and(|who| who.stored)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait. Given up when dropped, also by a request whose client went away.
#[derive(Debug)]
pub(super) struct Expected {
    answers: Answers,
    id: String,
    answer: oneshot::Receiver<Result<Outcome, Problem>>,
}

impl Expected {
    /// The answer; none when it takes longer than this and the request is stored. What is not stored is waited for: nobody may
    /// be told that it will be answered.
    pub(super) async fn within(&mut self, patience: Duration) -> Result<Option<Outcome>, Problem> {
        let mut until = Instant::now() + patience;
        loop {
            match timeout_at(until, &mut self.answer).await {
                Ok(Ok(answer)) => return answer.map(Some),
                Ok(Err(_)) => return Err(Problem::internal()),
                Err(_) if self.answers.is_stored(&self.id) => return Ok(None),
                Err(_) => until = Instant::now() + LOOK,
            }
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.answers.waiting().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: &str) -> Outcome {
        Outcome {
            inbox_id: id.to_owned(),
            status: 200,
            body: String::new(),
        }
    }

    #[tokio::test]
    async fn an_answer_goes_to_who_waits_and_who_went_away_leaves_nothing_behind() {
        let answers = Answers::default();
        let mut waiting = answers.expect("a", None);
        drop(answers.expect("b", None));
        assert_eq!(answers.waiting().len(), 1);
        answers.deliver(vec![outcome("a"), outcome("b")]);
        let answered = waiting.within(Duration::from_secs(5)).await;
        assert_eq!(answered, Ok(Some(outcome("a"))));
        drop(waiting);
        assert!(answers.waiting().is_empty());
    }

    #[tokio::test]
    async fn nobody_is_told_to_come_again_for_a_request_that_is_not_stored() {
        let answers = Answers::default();
        let mut waiting = answers.expect("a", None);
        let elsewhere = answers.clone();
        let storing = async move {
            tokio::time::sleep(Duration::from_millis(120)).await;
            elsewhere.stored("a");
        };
        let began = Instant::now();
        let (pending, ()) = tokio::join!(waiting.within(Duration::from_millis(1)), storing);
        assert_eq!(pending, Ok(None));
        assert!(began.elapsed() >= Duration::from_millis(120));

        let mut refused = answers.expect("b", None);
        answers.refuse("b", Problem::replayed("again"));
        let problem = refused.within(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(problem.status, 409);
    }
}
