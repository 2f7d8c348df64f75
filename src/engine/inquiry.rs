//! Reading the vault while the engine runs: short questions, answered on the engine's task between two batches.
//!
//! Lists are read from the database. What no table holds (how much of a limit is used, who may still approve) is asked here.

use custodyd_policy::Timestamp;
use custodyd_vault::Vault;
use tokio::sync::{mpsc, oneshot};

use crate::problem::Problem;

/// Questions that may wait; past it they are refused at once.
const QUEUE: usize = 256;
/// Questions answered between two batches.
const AT_ONCE: usize = 32;

pub(super) type Question = Box<dyn FnOnce(&Vault, Timestamp) + Send>;

/// Where questions are put. Clones share the queue.
#[derive(Clone)]
pub struct Inquiries {
    queue: mpsc::Sender<Question>,
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiries").finish_non_exhaustive()
    }
}

/// The engine's end of the queue.
pub(super) struct Questions(mpsc::Receiver<Question>);

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Inquiries {
    pub(super) fn new() -> (Self, Questions) {
        let (queue, questions) = mpsc::channel(QUEUE);
        (Self { queue }, Questions(questions))
    }

    /// A vault that stands still at `now` and answers, for tests of pages.
    #[cfg(test)]
    pub(crate) fn of(vault: Vault, now: Timestamp) -> Self {
        let (asked, mut questions) = Self::new();
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            while questions.next(&mut waiting).await > 0 {
                waiting.drain(..).for_each(|question| question(&vault, now));
            }
        });
        asked
    }

    /// Asks the vault as the last commit left it, and when that is asked. The question holds the engine up for as long as
    /// it takes: it reads a little, and never walks through all withdrawals.
    ///
    /// # Errors
    /// 503 when too many questions wait, or the engine ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Vault, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = |what| Problem::unavailable(what);
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |vault, now| {
            let _ = answer.send(question(vault, now));
        });
        self.queue
            .try_send(question)
            .map_err(|_| busy("the engine has too many questions to answer; try again shortly"))?;
        answered
            .await
            .map_err(|_| busy("the engine does not answer at the moment; try again shortly"))
    }
}

impl Questions {
    /// The next questions; none when nobody can ask any more.
    pub(super) async fn next(&mut self, into: &mut Vec<Question>) -> usize {
        self.0.recv_many(into, AT_ONCE).await
    }

    /// Those that wait already, so that a busy engine answers too.
    pub(super) fn take(&mut self, into: &mut Vec<Question>) {
        while into.len() < AT_ONCE
            && let Ok(question) = self.0.try_recv()
        {
            into.push(question);
        }
    }
}
