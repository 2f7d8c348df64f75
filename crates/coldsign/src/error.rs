//! Why coldsign stops. What it shows was escaped, so that a bundle can't speak to the terminal.

use std::io;
use std::path::PathBuf;

use custodyd_airgap::{BundleError, JournalKeyError, PsbtError, RecomputeError, VaultName};
use custodyd_chain::{PublicKey, SignatureError};
use custodyd_hsm::{HsmError, PinError};

use crate::limits::Refusal;
use crate::signed_log::LogError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ColdsignError {
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error("starting over with the environment that the token wants: {0}")]
    Restart(#[source] io::Error),
    #[error("reading {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("writing {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{0} is not empty: the answer goes into a folder of its own")]
    NotEmpty(PathBuf),
    #[error("{path}: {source}")]
    Bundle {
        path: PathBuf,
        source: Box<BundleError>,
    },
    #[error("{path}: {source}")]
    Parts {
        path: PathBuf,
        source: custodyd_airgap::PartsError,
    },
    #[error("no journal key is pinned for vault {0}: it must be in [vaults.{0}]")]
    UnknownVault(VaultName),
    #[error(transparent)]
    JournalKey(#[from] JournalKeyError),
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("nobody can be asked here: run it in a terminal, or with --yes")]
    NobodyToAsk,
    #[error("not confirmed, nothing was signed")]
    NotConfirmed,
    #[error("the PIN: {0}")]
    Pin(#[from] PinError),
    #[error("{0} ({advice})", advice = .0.advice())]
    Hsm(#[from] HsmError),
    #[error("the token's signature by {key} is refused: {source}")]
    Signature {
        key: PublicKey,
        source: Box<SignatureError>,
    },
    #[error("the answer could not be written into the PSBT: {0}")]
    Answer(#[from] PsbtError),
    #[error("no randomness for a key id: {0}")]
    Randomness(getrandom::Error),
}

impl ColdsignError {
    /// 2 for what the person at the keyboard can put right by asking differently, 1 for the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            ColdsignError::Usage(_) | ColdsignError::Config { .. } | ColdsignError::Pin(_) => 2,
            _ => 1,
        }
    }
}

impl From<lexopt::Error> for ColdsignError {
    fn from(error: lexopt::Error) -> Self {
        ColdsignError::Usage(format!("{error}; see coldsign --help"))
    }
}

/// A text as one line of what a terminal shows and doesn't interpret.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => vec![';', ' '],
        // Control characters, and those that turn the direction of writing.
        c if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            c.escape_unicode().collect()
        }
        c => vec![c],
    };
    text.trim_end().chars().flat_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_a_terminal_does_not_interpret() {
        assert_eq!(
            one_line("a\nb\u{1b}[2Jc\u{202e}d\n"),
            "a; b\\u{1b}[2Jc\\u{202e}d"
        );
    }
}
