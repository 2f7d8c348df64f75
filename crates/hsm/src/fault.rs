//! Why an operation on a session failed, before it is decided whether to try again.

use cryptoki::error::Error;

use crate::error::{Class, HsmError};
use crate::key::KeyId;
use crate::return_code::{Remedy, ReturnCode};

/// A failed attempt.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A PKCS#11 function returned a code. The session that saw it is thrown away: an operation may stick to it.
    Code { function: String, code: ReturnCode },
    /// A signature came back that isn't one. The session is thrown away.
    BadSignature(KeyId),
    /// An answer of ours that no retry changes. The session is sound.
    Refused(HsmError),
}

/// What to do after a failed attempt.
pub(crate) enum Verdict {
    /// On another session, if attempts and time are left; else the caller gets this.
    Retry(HsmError),
    /// The caller gets this now.
    GiveUp(HsmError),
}

impl Fault {
    pub(crate) fn judge(self, also_retried: &[ReturnCode]) -> Verdict {
        match self {
            Self::Refused(error) => Verdict::GiveUp(error),
            Self::BadSignature(key) => Verdict::Retry(HsmError::BadSignature { key }),
            Self::Code { function, code } => {
                let call = |class| HsmError::Call {
                    function: format!("C_{function}"),
                    code: code.name(),
                    class,
                };
                match code.remedy(also_retried) {
                    Remedy::Reopen(class) => Verdict::Retry(call(class)),
                    Remedy::Stop(class) => Verdict::GiveUp(call(class)),
                }
            }
        }
    }

    /// Whether time or a new session may cure it.
    pub(crate) fn may_pass(&self, also_retried: &[ReturnCode]) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::BadSignature(_) => true,
            Self::Code { code, .. } => matches!(code.remedy(also_retried), Remedy::Reopen(_)),
        }
    }

    /// For callers that don't retry.
    pub(crate) fn into_error(self, also_retried: &[ReturnCode]) -> HsmError {
        match self.judge(also_retried) {
            Verdict::Retry(error) | Verdict::GiveUp(error) => error,
        }
    }
}

impl From<HsmError> for Fault {
    fn from(error: HsmError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => Self::Code {
                function: format!("{function:?}"),
                code: ReturnCode::new(code),
            },
            // The wrapper could not make sense of the module: a missing function, text that is no UTF-8.
            other => Self::Refused(HsmError::Call {
                function: "the module".to_owned(),
                code: other.to_string(),
                class: Class::Misconfigured,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;
    use cryptoki::error::RvError;

    use super::*;

    fn after_retries(code: RvError, also_retried: &[ReturnCode]) -> (HsmError, bool) {
        match Fault::from(Error::Pkcs11(code, Function::Sign)).judge(also_retried) {
            Verdict::Retry(error) => (error, true),
            Verdict::GiveUp(error) => (error, false),
        }
    }

    #[test]
    fn a_code_names_its_function_and_gets_its_class() {
        let (error, retried) = after_retries(RvError::DeviceError, &[]);
        assert_eq!(error.to_string(), "C_Sign failed with CKR_DEVICE_ERROR");
        assert_eq!((error.class(), retried), (Class::Retryable, true));

        let (error, retried) = after_retries(RvError::MechanismInvalid, &[]);
        assert_eq!((error.class(), retried), (Class::Misconfigured, false));

        let (error, retried) = after_retries(RvError::KeyFunctionNotPermitted, &[]);
        assert_eq!((error.class(), retried), (Class::Misconfigured, true));
    }

    #[test]
    fn a_profile_can_add_codes_to_retry() {
        let throttled = ReturnCode::new(RvError::VendorDefined(0x8000_0042));
        let (error, retried) = after_retries(RvError::VendorDefined(0x8000_0042), &[throttled]);
        assert_eq!(error.to_string(), "C_Sign failed with 0x80000042");
        assert_eq!((error.class(), retried), (Class::Retryable, true));
        assert_eq!(
            after_retries(RvError::VendorDefined(0x8000_0043), &[throttled])
                .0
                .class(),
            Class::Fatal
        );
    }
}
