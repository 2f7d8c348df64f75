//! The codes, and the class that each has by itself.

use custodyd_faultshim::Code;
use custodyd_hsm::Class;

/// Time or a new session cures it.
const RETRYABLE: [&str; 24] = [
    "CKR_BUFFER_TOO_SMALL",
    "CKR_CANCEL",
    "CKR_DEVICE_ERROR",
    "CKR_DEVICE_MEMORY",
    "CKR_DEVICE_REMOVED",
    "CKR_FUNCTION_CANCELED",
    "CKR_FUNCTION_FAILED",
    "CKR_GENERAL_ERROR",
    "CKR_HOST_MEMORY",
    "CKR_KEY_CHANGED",
    "CKR_KEY_HANDLE_INVALID",
    "CKR_NO_EVENT",
    "CKR_OBJECT_HANDLE_INVALID",
    "CKR_OPERATION_ACTIVE",
    "CKR_OPERATION_CANCEL_FAILED",
    "CKR_OPERATION_NOT_INITIALIZED",
    "CKR_RANDOM_NO_RNG",
    "CKR_SESSION_CLOSED",
    "CKR_SESSION_COUNT",
    "CKR_SESSION_HANDLE_INVALID",
    "CKR_SLOT_ID_INVALID",
    "CKR_TOKEN_NOT_PRESENT",
    "CKR_TOKEN_RESOURCE_EXCEEDED",
    "CKR_USER_NOT_LOGGED_IN",
];

/// Profile, PIN, token or key don't fit.
const MISCONFIGURED: [&str; 40] = [
    "CKR_ACTION_PROHIBITED",
    "CKR_ATTRIBUTE_READ_ONLY",
    "CKR_ATTRIBUTE_SENSITIVE",
    "CKR_ATTRIBUTE_TYPE_INVALID",
    "CKR_ATTRIBUTE_VALUE_INVALID",
    "CKR_CANT_LOCK",
    "CKR_CURVE_NOT_SUPPORTED",
    "CKR_DOMAIN_PARAMS_INVALID",
    "CKR_FUNCTION_NOT_PARALLEL",
    "CKR_FUNCTION_NOT_SUPPORTED",
    "CKR_FUNCTION_REJECTED",
    "CKR_KEY_FUNCTION_NOT_PERMITTED",
    "CKR_KEY_SIZE_RANGE",
    "CKR_KEY_TYPE_INCONSISTENT",
    "CKR_LIBRARY_LOAD_FAILED",
    "CKR_MECHANISM_INVALID",
    "CKR_MECHANISM_PARAM_INVALID",
    "CKR_NEED_TO_CREATE_THREADS",
    "CKR_NEW_PIN_MODE",
    "CKR_NEXT_OTP",
    "CKR_PIN_EXPIRED",
    "CKR_PIN_INCORRECT",
    "CKR_PIN_INVALID",
    "CKR_PIN_LEN_RANGE",
    "CKR_PIN_LOCKED",
    "CKR_PIN_TOO_WEAK",
    "CKR_SESSION_EXISTS",
    "CKR_SESSION_PARALLEL_NOT_SUPPORTED",
    "CKR_SESSION_READ_ONLY",
    "CKR_SESSION_READ_ONLY_EXISTS",
    "CKR_SESSION_READ_WRITE_SO_EXISTS",
    "CKR_TEMPLATE_INCOMPLETE",
    "CKR_TEMPLATE_INCONSISTENT",
    "CKR_TOKEN_NOT_RECOGNIZED",
    "CKR_TOKEN_WRITE_PROTECTED",
    "CKR_USER_ALREADY_LOGGED_IN",
    "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
    "CKR_USER_PIN_NOT_INITIALIZED",
    "CKR_USER_TOO_MANY_TYPES",
    "CKR_USER_TYPE_INVALID",
];

/// The class of a code where no function gives it another meaning.
pub(crate) fn class(code: Code) -> Class {
    let name = code.to_string();
    if RETRYABLE.contains(&name.as_str()) {
        Class::Retryable
    } else if MISCONFIGURED.contains(&name.as_str()) {
        Class::Misconfigured
    } else {
        Class::Fatal
    }
}

/// How a call is to end.
pub(crate) type Expected = Result<(), Class>;

/// Those of the specification, a vendor's own, and one that nobody defined.
pub(crate) fn codes() -> impl Iterator<Item = Code> {
    Code::all().chain([Code::number(0x8000_0042), Code::number(0x0000_7777)])
}

pub(crate) fn is(code: Code, names: &[&str]) -> bool {
    names.contains(&code.to_string().as_str())
}
