//! Whose fault an answer is: the request's, which no other token cures, or the token's.

use crate::error::{Class, HsmError};
use crate::request::Response;

/// What an answer says about the token that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works, and this is the answer: what was asked for, or a refusal that every token owes.
    Answered,
    /// It works, and hasn't the key.
    Absent,
    /// It has more work than it takes.
    Busy,
    /// It can't do this, which another might; nothing is held against it.
    Unable,
    /// It failed.
    Failed,
    /// It can't be trusted: out at once.
    Untrusted,
}

impl Verdict {
    pub(crate) fn of(answer: &Result<Response, HsmError>) -> Self {
        match answer {
            Ok(Response::Found(None)) => Self::Absent,
            Ok(_) => Self::Answered,
            Err(error) => Self::of_error(error),
        }
    }

    /// What time or a person may cure, and isn't known to be the request's fault, is the token's.
    fn of_error(error: &HsmError) -> Self {
        match error {
            HsmError::KeyMissing { .. } => Self::Absent,
            HsmError::QueueFull { .. } => Self::Busy,
            HsmError::BadSignature { .. } | HsmError::KeyDiffers { .. } => Self::Untrusted,
            // The same on every token that holds the same keys; or of this process.
            HsmError::KeyRefused { .. }
            | HsmError::KeyDuplicated { .. }
            | HsmError::CurveMismatch { .. }
            | HsmError::DigestRefused { .. }
            | HsmError::KeyUnreadable { .. }
            | HsmError::KeyChanged { .. }
            | HsmError::GenerationRunning { .. }
            | HsmError::SelfCheck(_) => Self::Answered,
            HsmError::Call {
                class: Class::Misconfigured,
                ..
            }
            | HsmError::MechanismMissing { .. } => Self::Unable,
            HsmError::Closed
            | HsmError::ModuleStuck { .. }
            | HsmError::Panicked { .. }
            | HsmError::Call { .. } => Self::Failed,
            // A poisoned request must not take one token out after the other.
            other if other.class() == Class::Fatal => Self::Unable,
            _ => Self::Failed,
        }
    }
}
