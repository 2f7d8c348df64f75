//! One request's way over the tokens: who was asked, what came back, what the caller gets. Pure.

use crate::error::HsmError;
use crate::request::Response;

use super::verdict::Verdict;

type Answer = Result<Response, HsmError>;

/// What to do after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The caller gets this.
    Answer(Answer),
    /// Another token is asked, if there is one.
    Another,
    /// The caller has an answer already.
    Nothing,
}

/// A request that is under way.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Tokens asked so far.
    tried: Vec<usize>,
    /// Of these, how many owe an answer.
    running: usize,
    answered: bool,
    busy: Option<HsmError>,
    failure: Option<HsmError>,
    absent: Option<Answer>,
}

impl Course {
    pub(crate) fn tried(&self) -> &[usize] {
        &self.tried
    }

    pub(crate) const fn is_answered(&self) -> bool {
        self.answered
    }

    pub(crate) fn asked(&mut self, seat: usize) {
        self.tried.push(seat);
        self.running = self.running.saturating_add(1);
    }

    /// A token answered.
    pub(crate) fn heard(&mut self, verdict: Verdict, answer: Answer) -> Next {
        self.running = self.running.saturating_sub(1);
        if self.answered {
            return Next::Nothing;
        }
        match (verdict, answer) {
            (Verdict::Answered, answer) => {
                self.answered = true;
                return Next::Answer(answer);
            }
            (Verdict::Absent, answer) => self.absent = Some(answer),
            (Verdict::Busy, Err(error)) => self.busy = Some(error),
            (_, Err(error)) => {
                // Of several failures the one that time may cure, so that the caller tries again.
                let better = |old: &HsmError| error.class() < old.class();
                if self.failure.as_ref().is_none_or(better) {
                    self.failure = Some(error);
                }
            }
            // Only errors have these verdicts.
            (_, Ok(_)) => {}
        }
        Next::Another
    }

    /// No token is left to ask. The caller's answer, unless one may still come. A key counts as absent only if every token
    /// said so: one that failed might hold it.
    pub(crate) fn exhausted(&mut self) -> Option<Answer> {
        if self.answered || self.running > 0 {
            return None;
        }
        self.answered = true;
        let failed = self.busy.take().or(self.failure.take()).map(Err);
        Some(
            failed
                .or(self.absent.take())
                .unwrap_or(Err(HsmError::Closed)),
        )
    }
}
