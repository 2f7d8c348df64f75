//! How a command ends badly, and with which exit code.

use std::process::ExitCode;

use custodyd_client::{
    BundleError, CeremonyError, ClientError, DecisionError, GovernanceError, State,
};

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An option is missing or doesn't fit.
    #[error("{0}")]
    Usage(String),
    /// The call failed or was refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer to a withdrawal got lost.
    #[error(
        "{fault}; it is unknown whether it was taken: repeat the command with --idempotency-key {key}"
    )]
    Unknown {
        /// Why there is no answer.
        fault: ClientError,
        /// The key under which repeating is safe.
        key: String,
    },
    /// The bundle can't be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The genesis can't be signed.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// Policy or people ended the withdrawal.
    #[error("withdrawal {id} is {state}{detail}")]
    Unpaid {
        /// Which.
        id: String,
        /// Its state.
        state: State,
        /// Why, after a colon.
        detail: String,
    },
    /// It takes longer than one wanted to wait.
    #[error(
        "withdrawal {id} is {state} and not {wanted} yet; follow it with: custodyctl watch {id}"
    )]
    TimedOut {
        /// Which.
        id: String,
        /// Its state.
        state: State,
        /// The state waited for.
        wanted: State,
    },
    /// The export isn't built in time.
    #[error("export {0} is not built yet; nothing was written")]
    NotBuilt(String),
    /// The person asked said no.
    #[error("not signed; nothing was sent")]
    Declined,
    /// The daemon isn't ready.
    #[error("the daemon is not ready: {0}")]
    NotReady(String),
    /// The terminal can't be read.
    #[error("the terminal can't be read: {0}")]
    Terminal(std::io::Error),
    /// The program can't start.
    #[error("the program can't start: {0}")]
    Runtime(std::io::Error),
}

impl Failure {
    /// 1 refused, 2 wrong usage, 3 no answer.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Client(fault) | Self::Unknown { fault, .. } => match fault {
                ClientError::Endpoint(_)
                | ClientError::Tls(_)
                | ClientError::Identity(_)
                | ClientError::Signature(_)
                | ClientError::Decision(DecisionError::NotOperator(_) | DecisionError::Expiry(_))
                | ClientError::Governance(
                    GovernanceError::NotOperator(_) | GovernanceError::Expiry(_),
                ) => 2,
                ClientError::NoAnswer { .. } => 3,
                _ => 1,
            },
            Self::TimedOut { .. } | Self::NotBuilt(_) => 3,
            _ => 1,
        })
    }
}
