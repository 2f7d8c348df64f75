//! Every CKR_ code of PKCS#11 3.0 that a function used here may return: its name, and what is to be done.
//!
//! Sources: PKCS#11 3.0 §5.1 for the meaning; SoftHSM, CloudHSM and p11-kit for what is transient in practice.

use cryptoki::error::RvError;
use serde::Deserialize;

use crate::error::Class;

/// What a return code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Throw the session away, log in again if need be, and retry a bounded number of times; if that doesn't cure it,
    /// hand it to the caller.
    Reopen(Class),
    /// Hand it to the caller.
    Stop(Class),
}

use Class::{Fatal, Misconfigured, Retryable};
use Remedy::{Reopen, Stop};

type Row = (&'static str, RvError);

/// A new session cures it, or time.
const TRANSIENT: &[Row] = &[
    // The session, login, token or connection is gone: a new session cures it.
    ("CKR_SLOT_ID_INVALID", RvError::SlotIdInvalid),
    ("CKR_DEVICE_ERROR", RvError::DeviceError),
    ("CKR_DEVICE_MEMORY", RvError::DeviceMemory),
    ("CKR_DEVICE_REMOVED", RvError::DeviceRemoved),
    ("CKR_SESSION_CLOSED", RvError::SessionClosed),
    ("CKR_SESSION_COUNT", RvError::SessionCount),
    ("CKR_SESSION_HANDLE_INVALID", RvError::SessionHandleInvalid),
    ("CKR_TOKEN_NOT_PRESENT", RvError::TokenNotPresent),
    ("CKR_USER_NOT_LOGGED_IN", RvError::UserNotLoggedIn),
    // The operation stuck or failed without blame: a fresh session may do better.
    ("CKR_CANCEL", RvError::Cancel),
    ("CKR_HOST_MEMORY", RvError::HostMemory),
    ("CKR_GENERAL_ERROR", RvError::GeneralError),
    ("CKR_FUNCTION_FAILED", RvError::FunctionFailed),
    ("CKR_FUNCTION_CANCELED", RvError::FunctionCanceled),
    ("CKR_OPERATION_ACTIVE", RvError::OperationActive),
    (
        "CKR_OPERATION_NOT_INITIALIZED",
        RvError::OperationNotInitialized,
    ),
    ("CKR_BUFFER_TOO_SMALL", RvError::BufferTooSmall),
    ("CKR_RANDOM_NO_RNG", RvError::RandomNoRng),
    ("CKR_NO_EVENT", RvError::NoEvent),
    // The handle is stale: the key is searched again by its id on the new session.
    ("CKR_KEY_HANDLE_INVALID", RvError::KeyHandleInvalid),
    ("CKR_OBJECT_HANDLE_INVALID", RvError::ObjectHandleInvalid),
    ("CKR_KEY_CHANGED", RvError::KeyChanged),
    // New in 3.0, and not known to the wrapper by name.
    (
        "CKR_TOKEN_RESOURCE_EXCEEDED",
        RvError::UnknownErrorCode(0x201),
    ),
    (
        "CKR_OPERATION_CANCEL_FAILED",
        RvError::UnknownErrorCode(0x202),
    ),
];

/// A new session cures it, or the profile is wrong.
const STALE: &[Row] = &[
    // Attributes are checked before the first use, so these too mean a stale handle, now of another object.
    (
        "CKR_KEY_FUNCTION_NOT_PERMITTED",
        RvError::KeyFunctionNotPermitted,
    ),
    ("CKR_KEY_TYPE_INCONSISTENT", RvError::KeyTypeInconsistent),
];

/// The profile, PIN or token is wrong.
const UNSUITABLE: &[Row] = &[
    // The PIN, the login or the right to use the token.
    ("CKR_PIN_INCORRECT", RvError::PinIncorrect),
    ("CKR_PIN_INVALID", RvError::PinInvalid),
    ("CKR_PIN_LEN_RANGE", RvError::PinLenRange),
    ("CKR_PIN_EXPIRED", RvError::PinExpired),
    ("CKR_PIN_LOCKED", RvError::PinLocked),
    ("CKR_PIN_TOO_WEAK", RvError::PinTooWeak),
    (
        "CKR_USER_PIN_NOT_INITIALIZED",
        RvError::UserPinNotInitialized,
    ),
    ("CKR_USER_TYPE_INVALID", RvError::UserTypeInvalid),
    (
        "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
        RvError::UserAnotherAlreadyLoggedIn,
    ),
    ("CKR_USER_TOO_MANY_TYPES", RvError::UserTooManyTypes),
    ("CKR_USER_ALREADY_LOGGED_IN", RvError::UserAlreadyLoggedIn),
    ("CKR_TOKEN_NOT_RECOGNIZED", RvError::TokenNotRecognized),
    ("CKR_TOKEN_WRITE_PROTECTED", RvError::TokenWriteProtected),
    ("CKR_SESSION_READ_ONLY", RvError::SessionReadOnly),
    (
        "CKR_SESSION_READ_ONLY_EXISTS",
        RvError::SessionReadOnlyExists,
    ),
    (
        "CKR_SESSION_READ_WRITE_SO_EXISTS",
        RvError::SessionReadWriteSoExists,
    ),
    (
        "CKR_SESSION_PARALLEL_NOT_SUPPORTED",
        RvError::SessionParallelNotSupported,
    ),
    ("CKR_SESSION_EXISTS", RvError::SessionExists),
    ("CKR_NEW_PIN_MODE", RvError::NewPinMode),
    ("CKR_NEXT_OTP", RvError::NextOtp),
    // The token can't do what is asked, or not in the form in which it is asked.
    ("CKR_ATTRIBUTE_READ_ONLY", RvError::AttributeReadOnly),
    ("CKR_ATTRIBUTE_SENSITIVE", RvError::AttributeSensitive),
    ("CKR_ATTRIBUTE_TYPE_INVALID", RvError::AttributeTypeInvalid),
    (
        "CKR_ATTRIBUTE_VALUE_INVALID",
        RvError::AttributeValueInvalid,
    ),
    ("CKR_ACTION_PROHIBITED", RvError::ActionProhibited),
    ("CKR_TEMPLATE_INCOMPLETE", RvError::TemplateIncomplete),
    ("CKR_TEMPLATE_INCONSISTENT", RvError::TemplateInconsistent),
    ("CKR_MECHANISM_INVALID", RvError::MechanismInvalid),
    (
        "CKR_MECHANISM_PARAM_INVALID",
        RvError::MechanismParamInvalid,
    ),
    ("CKR_CURVE_NOT_SUPPORTED", RvError::CurveNotSupported),
    ("CKR_DOMAIN_PARAMS_INVALID", RvError::DomainParamsInvalid),
    ("CKR_KEY_SIZE_RANGE", RvError::KeySizeRange),
    ("CKR_FUNCTION_NOT_SUPPORTED", RvError::FunctionNotSupported),
    ("CKR_FUNCTION_NOT_PARALLEL", RvError::FunctionNotParallel),
    ("CKR_FUNCTION_REJECTED", RvError::FunctionRejected),
    ("CKR_NEED_TO_CREATE_THREADS", RvError::NeedToCreateThreads),
    ("CKR_CANT_LOCK", RvError::CantLock),
    ("CKR_LIBRARY_LOAD_FAILED", RvError::LibraryLoadFailed),
];

/// Nobody but a person cures it.
const FAULTY: &[Row] = &[
    // Ours or the module's fault: nothing that waiting would cure.
    ("CKR_ARGUMENTS_BAD", RvError::ArgumentsBad),
    ("CKR_DATA_INVALID", RvError::DataInvalid),
    ("CKR_DATA_LEN_RANGE", RvError::DataLenRange),
    ("CKR_ENCRYPTED_DATA_INVALID", RvError::EncryptedDataInvalid),
    (
        "CKR_ENCRYPTED_DATA_LEN_RANGE",
        RvError::EncryptedDataLenRange,
    ),
    ("CKR_KEY_NOT_NEEDED", RvError::KeyNotNeeded),
    ("CKR_KEY_NEEDED", RvError::KeyNeeded),
    ("CKR_KEY_INDIGESTIBLE", RvError::KeyIndigestible),
    ("CKR_KEY_NOT_WRAPPABLE", RvError::KeyNotWrappable),
    ("CKR_KEY_UNEXTRACTABLE", RvError::KeyUnextractable),
    ("CKR_PUBLIC_KEY_INVALID", RvError::PublicKeyInvalid),
    ("CKR_SIGNATURE_INVALID", RvError::SignatureInvalid),
    ("CKR_SIGNATURE_LEN_RANGE", RvError::SignatureLenRange),
    (
        "CKR_UNWRAPPING_KEY_HANDLE_INVALID",
        RvError::UnwrappingKeyHandleInvalid,
    ),
    (
        "CKR_UNWRAPPING_KEY_SIZE_RANGE",
        RvError::UnwrappingKeySizeRange,
    ),
    (
        "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT",
        RvError::UnwrappingKeyTypeInconsistent,
    ),
    ("CKR_WRAPPED_KEY_INVALID", RvError::WrappedKeyInvalid),
    ("CKR_WRAPPED_KEY_LEN_RANGE", RvError::WrappedKeyLenRange),
    (
        "CKR_WRAPPING_KEY_HANDLE_INVALID",
        RvError::WrappingKeyHandleInvalid,
    ),
    ("CKR_WRAPPING_KEY_SIZE_RANGE", RvError::WrappingKeySizeRange),
    (
        "CKR_WRAPPING_KEY_TYPE_INCONSISTENT",
        RvError::WrappingKeyTypeInconsistent,
    ),
    (
        "CKR_RANDOM_SEED_NOT_SUPPORTED",
        RvError::RandomSeedNotSupported,
    ),
    ("CKR_SAVED_STATE_INVALID", RvError::SavedStateInvalid),
    ("CKR_STATE_UNSAVEABLE", RvError::StateUnsaveable),
    ("CKR_INFORMATION_SENSITIVE", RvError::InformationSensitive),
    (
        "CKR_CRYPTOKI_NOT_INITIALIZED",
        RvError::CryptokiNotInitialized,
    ),
    (
        "CKR_CRYPTOKI_ALREADY_INITIALIZED",
        RvError::CryptokiAlreadyInitialized,
    ),
    ("CKR_MUTEX_BAD", RvError::MutexBad),
    ("CKR_MUTEX_NOT_LOCKED", RvError::MutexNotLocked),
    (
        "CKR_EXCEEDED_MAX_ITERATIONS",
        RvError::ExceededMaxIterations,
    ),
    ("CKR_FIPS_SELF_TEST_FAILED", RvError::FipsSelfTestFailed),
    // New in 3.0, and not known to the wrapper by name.
    ("CKR_AEAD_DECRYPT_FAILED", RvError::UnknownErrorCode(0x42)),
    ("CKR_KEY_EXHAUSTED", RvError::UnknownErrorCode(0x203)),
];

const TABLE: [(Remedy, &[Row]); 4] = [
    (Reopen(Retryable), TRANSIENT),
    (Reopen(Misconfigured), STALE),
    (Stop(Misconfigured), UNSUITABLE),
    (Stop(Fatal), FAULTY),
];

fn rows() -> impl Iterator<Item = (&'static str, RvError, Remedy)> {
    TABLE
        .into_iter()
        .flat_map(|(remedy, rows)| rows.iter().map(move |(name, code)| (*name, *code, remedy)))
}

/// A code that a function returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ReturnCode(RvError);

impl ReturnCode {
    pub(crate) const fn new(code: RvError) -> Self {
        Self(code)
    }

    /// The CKR_ name; none for a vendor's own code.
    pub(crate) fn known_name(self) -> Option<&'static str> {
        rows()
            .find(|(_, code, _)| *code == self.0)
            .map(|(name, _, _)| name)
    }

    /// The CKR_ name, or the number of a code that has none.
    pub(crate) fn name(self) -> String {
        match (self.known_name(), self.0) {
            (Some(name), _) => name.to_owned(),
            (None, RvError::VendorDefined(number) | RvError::UnknownErrorCode(number)) => {
                format!("{number:#010x}")
            }
            (None, other) => format!("{other:?}"),
        }
    }

    /// What to do about it, where `also_retried` are the profile's own additions.
    pub(crate) fn remedy(self, also_retried: &[Self]) -> Remedy {
        if also_retried.contains(&self) {
            return Reopen(Retryable);
        }
        rows()
            .find(|(_, code, _)| *code == self.0)
            .map_or(Stop(Fatal), |(_, _, remedy)| remedy)
    }
}

impl TryFrom<String> for ReturnCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some((name, code, _)) = rows().find(|(name, _, _)| *name == text) {
            if name.starts_with("CKR_PIN") {
                return Err(format!(
                    "{name} may not be retried: a few wrong PINs lock the token"
                ));
            }
            return Ok(Self(code));
        }
        match text
            .strip_prefix("0x")
            .map(|digits| u64::from_str_radix(digits, 16))
        {
            // CKR_VENDOR_DEFINED and above belong to the vendor (PKCS#11 3.0 §3.6).
            Some(Ok(number)) if number >= 0x8000_0000 => Ok(Self(RvError::VendorDefined(number))),
            _ => Err(format!(
                "{text:?} is no return code: write a CKR_ name, or a vendor's own as 0x8…"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_is_read_back_by_its_name() {
        for (index, (name, code, _)) in rows().enumerate() {
            assert!(
                rows()
                    .skip(index + 1)
                    .all(|(other, same, _)| other != name && same != code),
                "{name}"
            );
            assert_eq!(ReturnCode::new(code).name(), name);
            let parsed = ReturnCode::try_from(name.to_owned());
            assert_eq!(parsed.is_ok(), !name.starts_with("CKR_PIN"), "{name}");
        }
    }

    #[test]
    fn a_wrong_pin_is_never_retried_and_an_unknown_code_is_fatal() {
        assert_eq!(
            ReturnCode::new(RvError::PinIncorrect).remedy(&[]),
            Stop(Misconfigured)
        );
        let vendor = ReturnCode::try_from("0x80000042".to_owned()).unwrap();
        assert_eq!(vendor.name(), "0x80000042");
        assert_eq!(vendor.remedy(&[]), Stop(Fatal));
        assert_eq!(vendor.remedy(&[vendor]), Reopen(Retryable));
        for bad in ["", "CKR_OK", "0x30", "0xzz", "FUNCTION_FAILED"] {
            assert!(ReturnCode::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
