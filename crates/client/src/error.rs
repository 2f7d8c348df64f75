//! What can go wrong between this program and the daemon's answer.

use custodyd_httpsig::SigningFault;

use crate::decision::DecisionError;
use crate::endpoint::EndpointError;
use crate::identity::IdentityError;
use crate::problem::Problem;
use crate::proposal::GovernanceError;
use crate::statement::StatementError;
use crate::tls::TlsError;

/// A failed call. Only `Refused` is the daemon's word.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon's address can't be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The key can't be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The request can't be signed as it is.
    #[error("the request can't be signed: {0}")]
    Signature(#[from] custodyd_httpsig::HttpSigError),
    /// The decision can't be signed.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The vote on a proposal can't be signed.
    #[error(transparent)]
    Governance(#[from] GovernanceError),
    /// A statement can't be read from the raw data.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The key did not sign: it is on a card that refused.
    #[error("the key did not sign: {0}")]
    Key(#[from] SigningFault),
    /// The request was taken, and not answered as long as one wanted to wait.
    #[error(
        "{url} was taken and is not answered yet; its answer will be at /v1/requests/{request}"
    )]
    Pending {
        /// Where it was sent.
        url: String,
        /// The request's id.
        request: String,
    },
    /// The request can't be written as JSON.
    #[error("the request can't be written: {0}")]
    Request(#[source] serde_json::Error),
    /// The daemon refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// No complete answer came. Whether the request was taken is unknown.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// Where it was sent.
        url: String,
        /// The chain of causes.
        reason: String,
    },
    /// The answer is longer than any the daemon gives.
    #[error("the answer from {url} is longer than {limit} bytes")]
    TooLong {
        /// Where it came from.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what this version of the client understands.
    #[error("the answer from {url} can't be read: {reason}")]
    Answer {
        /// Where it came from.
        url: String,
        /// What doesn't fit.
        reason: String,
    },
    /// A failed status without a problem document: something else than custodyd answered.
    #[error("{url} answered with status {status} and no problem document: {excerpt:?}")]
    Status {
        /// Where it came from.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The answer's beginning.
        excerpt: String,
    },
    /// The machine has no usable clock or randomness.
    #[error("{0}")]
    Machine(String),
    /// Certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing can be sent.
    #[error("connections can't be set up: {0}")]
    Connections(String),
}

impl ClientError {
    /// Whether the request may have been taken: then it is sent again under the same idempotency key, or not at all.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Pending { .. } => true,
            Self::Refused(problem) => problem.status == 408 || problem.status >= 500,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
