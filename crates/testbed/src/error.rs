//! What can go wrong with a real part, told so that a failed test needs no second look.

use std::{fmt, io, path::PathBuf, time::Duration};

/// A part that could not be started, asked or stopped.
///
/// `Debug` prints what `Display` does, so that `unwrap` in a test reads as a sentence.
#[derive(thiserror::Error)]
pub enum TestbedError {
    /// The part isn't installed.
    #[error("{part} is not installed ({looked_for}): run `make setup`")]
    Missing {
        /// What is missing.
        part: &'static str,
        /// Where it was looked for.
        looked_for: String,
    },
    /// A program of ours isn't beside custodyd.
    #[error("{program} is not built beside {beside}: cargo build --package {program}", beside = .beside.display())]
    NotBuilt {
        /// The program.
        program: &'static str,
        /// custodyd, as it is tested.
        beside: PathBuf,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The refusal.
        source: io::Error,
    },
    /// A command ended with a failure.
    #[error("{command} failed with {status}: {output}")]
    Command {
        /// The program and its first arguments; secrets are never among them.
        command: String,
        /// How it ended.
        status: String,
        /// What it said on standard error, or on standard output when that was empty.
        output: String,
    },
    /// A part ended by itself while it was being waited for.
    #[error("{part} ended with {status} before it was ready; the end of {log}:\n{tail}", log = .log.display())]
    Ended {
        /// The part.
        part: String,
        /// How it ended.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A part didn't do in time what it was waited for.
    #[error("{part} did not {what} within {waited:?}; the end of its log:\n{tail}")]
    TooSlow {
        /// The part.
        part: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// The last lines of its log.
        tail: String,
    },
    /// A part said something that can't be used.
    #[error("{part} said: {said}")]
    Unexpected {
        /// The part.
        part: &'static str,
        /// What it said.
        said: String,
    },
    /// A node answered a call with an error.
    #[error("{part} refused {method}: {reason}")]
    Refused {
        /// The node.
        part: &'static str,
        /// The method called.
        method: String,
        /// Its error, as it gave it.
        reason: String,
    },
    /// An answer that isn't what the protocol says.
    #[error("{part} gave an answer that cannot be read: {answer}")]
    Unreadable {
        /// Who answered.
        part: &'static str,
        /// The answer.
        answer: String,
    },
}

impl fmt::Debug for TestbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TestbedError {
    pub(crate) fn unexpected(part: &'static str, said: &str) -> Self {
        Self::Unexpected {
            part,
            said: said.to_owned(),
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
