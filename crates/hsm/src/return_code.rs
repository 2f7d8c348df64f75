//! Every CKR_ code of PKCS#11 3.0 that a function used here may return: its name, and what is to be done.
//!
//! Sources: PKCS#11 3.0 §5.1 for the meaning; SoftHSM, CloudHSM and p11-kit for what is transient in practice.

use cryptoki::error::RvError;
use serde::Deserialize;

use crate::error::Class;

/// What a return code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Throw the session away, log in again if need be, and retry a bounded number of times.
    Reopen,
    /// Hand it to the caller.
    Stop(Class),
}

use Class::{Fatal, Misconfigured};
use Remedy::{Reopen, Stop};

const TABLE: &[(&str, RvError, Remedy)] = &[
    // The session, login, token or connection is gone: a new session cures it.
    ("CKR_SLOT_ID_INVALID", RvError::SlotIdInvalid, Reopen),
    ("CKR_DEVICE_ERROR", RvError::DeviceError, Reopen),
    ("CKR_DEVICE_MEMORY", RvError::DeviceMemory, Reopen),
    ("CKR_DEVICE_REMOVED", RvError::DeviceRemoved, Reopen),
    ("CKR_SESSION_CLOSED", RvError::SessionClosed, Reopen),
    ("CKR_SESSION_COUNT", RvError::SessionCount, Reopen),
    (
        "CKR_SESSION_HANDLE_INVALID",
        RvError::SessionHandleInvalid,
        Reopen,
    ),
    ("CKR_TOKEN_NOT_PRESENT", RvError::TokenNotPresent, Reopen),
    ("CKR_USER_NOT_LOGGED_IN", RvError::UserNotLoggedIn, Reopen),
    // The operation stuck or failed without blame: a fresh session may do better.
    ("CKR_CANCEL", RvError::Cancel, Reopen),
    ("CKR_HOST_MEMORY", RvError::HostMemory, Reopen),
    ("CKR_GENERAL_ERROR", RvError::GeneralError, Reopen),
    ("CKR_FUNCTION_FAILED", RvError::FunctionFailed, Reopen),
    ("CKR_FUNCTION_CANCELED", RvError::FunctionCanceled, Reopen),
    ("CKR_OPERATION_ACTIVE", RvError::OperationActive, Reopen),
    (
        "CKR_OPERATION_NOT_INITIALIZED",
        RvError::OperationNotInitialized,
        Reopen,
    ),
    ("CKR_BUFFER_TOO_SMALL", RvError::BufferTooSmall, Reopen),
    ("CKR_RANDOM_NO_RNG", RvError::RandomNoRng, Reopen),
    ("CKR_NO_EVENT", RvError::NoEvent, Reopen),
    // The handle is stale: the key is searched again by its id on the new session.
    ("CKR_KEY_HANDLE_INVALID", RvError::KeyHandleInvalid, Reopen),
    (
        "CKR_OBJECT_HANDLE_INVALID",
        RvError::ObjectHandleInvalid,
        Reopen,
    ),
    ("CKR_KEY_CHANGED", RvError::KeyChanged, Reopen),
    // The PIN, the login or the right to use the token.
    (
        "CKR_PIN_INCORRECT",
        RvError::PinIncorrect,
        Stop(Misconfigured),
    ),
    ("CKR_PIN_INVALID", RvError::PinInvalid, Stop(Misconfigured)),
    (
        "CKR_PIN_LEN_RANGE",
        RvError::PinLenRange,
        Stop(Misconfigured),
    ),
    ("CKR_PIN_EXPIRED", RvError::PinExpired, Stop(Misconfigured)),
    ("CKR_PIN_LOCKED", RvError::PinLocked, Stop(Misconfigured)),
    ("CKR_PIN_TOO_WEAK", RvError::PinTooWeak, Stop(Misconfigured)),
    (
        "CKR_USER_PIN_NOT_INITIALIZED",
        RvError::UserPinNotInitialized,
        Stop(Misconfigured),
    ),
    (
        "CKR_USER_TYPE_INVALID",
        RvError::UserTypeInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
        RvError::UserAnotherAlreadyLoggedIn,
        Stop(Misconfigured),
    ),
    (
        "CKR_USER_TOO_MANY_TYPES",
        RvError::UserTooManyTypes,
        Stop(Misconfigured),
    ),
    (
        "CKR_USER_ALREADY_LOGGED_IN",
        RvError::UserAlreadyLoggedIn,
        Stop(Misconfigured),
    ),
    (
        "CKR_TOKEN_NOT_RECOGNIZED",
        RvError::TokenNotRecognized,
        Stop(Misconfigured),
    ),
    (
        "CKR_TOKEN_WRITE_PROTECTED",
        RvError::TokenWriteProtected,
        Stop(Misconfigured),
    ),
    (
        "CKR_SESSION_READ_ONLY",
        RvError::SessionReadOnly,
        Stop(Misconfigured),
    ),
    (
        "CKR_SESSION_READ_ONLY_EXISTS",
        RvError::SessionReadOnlyExists,
        Stop(Misconfigured),
    ),
    (
        "CKR_SESSION_READ_WRITE_SO_EXISTS",
        RvError::SessionReadWriteSoExists,
        Stop(Misconfigured),
    ),
    (
        "CKR_SESSION_PARALLEL_NOT_SUPPORTED",
        RvError::SessionParallelNotSupported,
        Stop(Misconfigured),
    ),
    (
        "CKR_SESSION_EXISTS",
        RvError::SessionExists,
        Stop(Misconfigured),
    ),
    ("CKR_NEW_PIN_MODE", RvError::NewPinMode, Stop(Misconfigured)),
    ("CKR_NEXT_OTP", RvError::NextOtp, Stop(Misconfigured)),
    // The token can't do what is asked, or not in the form in which it is asked.
    (
        "CKR_ATTRIBUTE_READ_ONLY",
        RvError::AttributeReadOnly,
        Stop(Misconfigured),
    ),
    (
        "CKR_ATTRIBUTE_SENSITIVE",
        RvError::AttributeSensitive,
        Stop(Misconfigured),
    ),
    (
        "CKR_ATTRIBUTE_TYPE_INVALID",
        RvError::AttributeTypeInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_ATTRIBUTE_VALUE_INVALID",
        RvError::AttributeValueInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_ACTION_PROHIBITED",
        RvError::ActionProhibited,
        Stop(Misconfigured),
    ),
    (
        "CKR_TEMPLATE_INCOMPLETE",
        RvError::TemplateIncomplete,
        Stop(Misconfigured),
    ),
    (
        "CKR_TEMPLATE_INCONSISTENT",
        RvError::TemplateInconsistent,
        Stop(Misconfigured),
    ),
    (
        "CKR_MECHANISM_INVALID",
        RvError::MechanismInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_MECHANISM_PARAM_INVALID",
        RvError::MechanismParamInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_CURVE_NOT_SUPPORTED",
        RvError::CurveNotSupported,
        Stop(Misconfigured),
    ),
    (
        "CKR_DOMAIN_PARAMS_INVALID",
        RvError::DomainParamsInvalid,
        Stop(Misconfigured),
    ),
    (
        "CKR_KEY_SIZE_RANGE",
        RvError::KeySizeRange,
        Stop(Misconfigured),
    ),
    (
        "CKR_KEY_TYPE_INCONSISTENT",
        RvError::KeyTypeInconsistent,
        Stop(Misconfigured),
    ),
    (
        "CKR_KEY_FUNCTION_NOT_PERMITTED",
        RvError::KeyFunctionNotPermitted,
        Stop(Misconfigured),
    ),
    (
        "CKR_FUNCTION_NOT_SUPPORTED",
        RvError::FunctionNotSupported,
        Stop(Misconfigured),
    ),
    (
        "CKR_FUNCTION_NOT_PARALLEL",
        RvError::FunctionNotParallel,
        Stop(Misconfigured),
    ),
    (
        "CKR_FUNCTION_REJECTED",
        RvError::FunctionRejected,
        Stop(Misconfigured),
    ),
    (
        "CKR_NEED_TO_CREATE_THREADS",
        RvError::NeedToCreateThreads,
        Stop(Misconfigured),
    ),
    ("CKR_CANT_LOCK", RvError::CantLock, Stop(Misconfigured)),
    (
        "CKR_LIBRARY_LOAD_FAILED",
        RvError::LibraryLoadFailed,
        Stop(Misconfigured),
    ),
    // Ours or the module's fault: nothing that waiting would cure.
    ("CKR_ARGUMENTS_BAD", RvError::ArgumentsBad, Stop(Fatal)),
    ("CKR_DATA_INVALID", RvError::DataInvalid, Stop(Fatal)),
    ("CKR_DATA_LEN_RANGE", RvError::DataLenRange, Stop(Fatal)),
    (
        "CKR_ENCRYPTED_DATA_INVALID",
        RvError::EncryptedDataInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_ENCRYPTED_DATA_LEN_RANGE",
        RvError::EncryptedDataLenRange,
        Stop(Fatal),
    ),
    ("CKR_KEY_NOT_NEEDED", RvError::KeyNotNeeded, Stop(Fatal)),
    ("CKR_KEY_NEEDED", RvError::KeyNeeded, Stop(Fatal)),
    (
        "CKR_KEY_INDIGESTIBLE",
        RvError::KeyIndigestible,
        Stop(Fatal),
    ),
    (
        "CKR_KEY_NOT_WRAPPABLE",
        RvError::KeyNotWrappable,
        Stop(Fatal),
    ),
    (
        "CKR_KEY_UNEXTRACTABLE",
        RvError::KeyUnextractable,
        Stop(Fatal),
    ),
    (
        "CKR_PUBLIC_KEY_INVALID",
        RvError::PublicKeyInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_SIGNATURE_INVALID",
        RvError::SignatureInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_SIGNATURE_LEN_RANGE",
        RvError::SignatureLenRange,
        Stop(Fatal),
    ),
    (
        "CKR_UNWRAPPING_KEY_HANDLE_INVALID",
        RvError::UnwrappingKeyHandleInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_UNWRAPPING_KEY_SIZE_RANGE",
        RvError::UnwrappingKeySizeRange,
        Stop(Fatal),
    ),
    (
        "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT",
        RvError::UnwrappingKeyTypeInconsistent,
        Stop(Fatal),
    ),
    (
        "CKR_WRAPPED_KEY_INVALID",
        RvError::WrappedKeyInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_WRAPPED_KEY_LEN_RANGE",
        RvError::WrappedKeyLenRange,
        Stop(Fatal),
    ),
    (
        "CKR_WRAPPING_KEY_HANDLE_INVALID",
        RvError::WrappingKeyHandleInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_WRAPPING_KEY_SIZE_RANGE",
        RvError::WrappingKeySizeRange,
        Stop(Fatal),
    ),
    (
        "CKR_WRAPPING_KEY_TYPE_INCONSISTENT",
        RvError::WrappingKeyTypeInconsistent,
        Stop(Fatal),
    ),
    (
        "CKR_RANDOM_SEED_NOT_SUPPORTED",
        RvError::RandomSeedNotSupported,
        Stop(Fatal),
    ),
    (
        "CKR_SAVED_STATE_INVALID",
        RvError::SavedStateInvalid,
        Stop(Fatal),
    ),
    (
        "CKR_STATE_UNSAVEABLE",
        RvError::StateUnsaveable,
        Stop(Fatal),
    ),
    (
        "CKR_INFORMATION_SENSITIVE",
        RvError::InformationSensitive,
        Stop(Fatal),
    ),
    (
        "CKR_CRYPTOKI_NOT_INITIALIZED",
        RvError::CryptokiNotInitialized,
        Stop(Fatal),
    ),
    (
        "CKR_CRYPTOKI_ALREADY_INITIALIZED",
        RvError::CryptokiAlreadyInitialized,
        Stop(Fatal),
    ),
    ("CKR_MUTEX_BAD", RvError::MutexBad, Stop(Fatal)),
    ("CKR_MUTEX_NOT_LOCKED", RvError::MutexNotLocked, Stop(Fatal)),
    (
        "CKR_EXCEEDED_MAX_ITERATIONS",
        RvError::ExceededMaxIterations,
        Stop(Fatal),
    ),
    (
        "CKR_FIPS_SELF_TEST_FAILED",
        RvError::FipsSelfTestFailed,
        Stop(Fatal),
    ),
];

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
        TABLE
            .iter()
            .find(|(_, code, _)| *code == self.0)
            .map(|(name, _, _)| *name)
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
            return Reopen;
        }
        TABLE
            .iter()
            .find(|(_, code, _)| *code == self.0)
            .map_or(Stop(Fatal), |(_, _, remedy)| *remedy)
    }
}

impl TryFrom<String> for ReturnCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some((name, code, _)) = TABLE.iter().find(|(name, _, _)| *name == text) {
            if name.starts_with("CKR_PIN") {
                return Err(format!(
                    "{name} may not be retried: a few wrong PINs lock the token"
                ));
            }
            return Ok(Self(*code));
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
        for (index, (name, code, _)) in TABLE.iter().enumerate() {
            assert!(
                TABLE
                    .iter()
                    .skip(index + 1)
                    .all(|(other, same, _)| other != name && same != code),
                "{name}"
            );
            assert_eq!(ReturnCode::new(*code).name(), *name);
            let parsed = ReturnCode::try_from((*name).to_owned());
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
        assert_eq!(vendor.remedy(&[vendor]), Reopen);
        for bad in ["", "CKR_OK", "0x30", "0xzz", "FUNCTION_FAILED"] {
            assert!(ReturnCode::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
