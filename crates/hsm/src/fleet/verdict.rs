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
            // A token shows first that it still unwraps what it wraps itself.
            | HsmError::WrappedKeyRefused { .. }
            | HsmError::GenerationRunning { .. }
            | HsmError::SelfCheck(_) => Self::Answered,
            HsmError::Call {
                class: Class::Misconfigured,
                ..
            }
            | HsmError::MechanismMissing { .. }
            | HsmError::WrappingRefused { .. } => Self::Unable,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyId;

    #[test]
    fn a_refused_wrapped_key_is_an_answer_and_a_token_that_cannot_wrap_is_only_unable() {
        let key = KeyId::from_bytes([1; 16]);
        let reason = || "for the test".to_owned();
        for (error, verdict) in [
            (
                HsmError::WrappedKeyRefused {
                    key,
                    reason: reason(),
                },
                Verdict::Answered,
            ),
            (
                HsmError::WrappingRefused {
                    token: "a".to_owned(),
                    reason: reason().into(),
                },
                Verdict::Unable,
            ),
            (
                HsmError::KeyMissing {
                    key,
                    token: "a".to_owned(),
                },
                Verdict::Absent,
            ),
        ] {
            assert_eq!(Verdict::of(&Err(error.clone())), verdict, "{error}");
        }
    }
}
