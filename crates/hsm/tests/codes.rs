//! Every return code of PKCS#11 3.0, from every function that this crate calls: the right class of error, no crash, no
//! session left open, and work goes on when the fault is over.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Class, Curve, Hsm as _, HsmError, Token};
use fixture::{Fixture, LONG, key, pin, with_shim};

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
fn class(code: Code) -> Class {
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
type Expected = Result<(), Class>;

/// Those of the specification, a vendor's own, and one that nobody defined.
fn codes() -> impl Iterator<Item = Code> {
    Code::all().chain([Code::number(0x8000_0042), Code::number(0x0000_7777)])
}

fn is(code: Code, names: &[&str]) -> bool {
    names.contains(&code.to_string().as_str())
}

fn open(fixture: &Fixture) -> Result<Token, HsmError> {
    let text = |text: String| {
        text.replace("back_off_ms = 20", "back_off_ms = 0")
            .replace("open_ms = 30000", "open_ms = 2000")
    };
    Token::open(&fixture.profile_with(text), pin(), 1)
}

fn sign(token: &Token) -> Result<(), HsmError> {
    token
        .sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
        .map(drop)
}

fn assert_ends(result: Result<(), HsmError>, expected: Expected, code: Code) {
    let ended = result.as_ref().copied().map_err(HsmError::class);
    assert_eq!(ended, expected, "{code}: {result:?}");
    if let Err(error) = result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(fixture::PIN), "{shown}");
    }
}

/// Each code from `function` while the token is being opened.
fn while_opening(fixture: &Fixture, function: Function, expected: impl Fn(Code) -> Expected) {
    for code in codes() {
        let before = fixture.counts().injected();
        fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
        assert_ends(open(fixture).map(drop), expected(code), code);
        let counts = fixture.counts();
        assert!(counts.injected() > before, "{code} was never returned");
        assert_eq!(counts.sessions_open(), 0, "after {code}");
    }
    fixture.set_rules(&Rules::none());
    drop(open(fixture).unwrap());
}

/// Each code from `function` while `work` is done on an open token, under rules that make the work call it.
fn while_working(
    fixture: &Fixture,
    function: Function,
    leading_there: impl Fn(Rules) -> Rules,
    work: impl Fn(&Token) -> Result<(), HsmError>,
    expected: impl Fn(Code) -> Expected,
) {
    let token = open(fixture).unwrap();
    token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
    drop(token);
    for code in codes() {
        let token = open(fixture).unwrap();
        sign(&token).unwrap();
        let before = fixture.counts().injected();
        let rules = leading_there(Rules::none()).every(function, Injection::Code(code));
        fixture.set_rules(&rules);
        let result = work(&token);
        let refused = matches!(
            result,
            Err(HsmError::PinRefused { .. } | HsmError::PinLocked { .. })
        );
        assert_ends(result, expected(code), code);
        let counts = fixture.counts();
        assert!(counts.injected() > before, "{code} was never returned");
        // The idle session, and the worker's if it was not thrown away.
        let open = counts.sessions_open();
        assert!(open <= 2, "{open} sessions are open after {code}");

        fixture.set_rules(&Rules::none());
        // A refused PIN is never offered again; everything else heals.
        if !refused {
            sign(&token).unwrap_or_else(|error| panic!("after {code}: {error}"));
            assert_eq!(fixture.counts().sessions_open(), 2, "after {code}");
        }
        drop(token);
        assert_eq!(fixture.counts().sessions_open(), 0, "after {code}");
    }
}

fn straight(rules: Rules) -> Rules {
    rules
}

/// The worker's session is gone: another is opened.
fn through_a_lost_session(rules: Rules) -> Rules {
    rules.next(1, Function::SignInit, Injection::LostSession)
}

/// The login is gone: slot and token are looked up again, and the PIN is given again.
fn through_a_lost_login(rules: Rules) -> Rules {
    rules.next(1, Function::SignInit, Injection::LostLogin)
}

fn find(token: &Token) -> Result<(), HsmError> {
    token.find(&key(1)).map(drop)
}

macro_rules! while_opening {
    ($($test:ident: $function:ident, $expected:expr;)*) => {$(
        #[test]
        fn $test() {
            with_shim(stringify!($test), |fixture| {
                while_opening(fixture, Function::$function, $expected);
            });
        }
    )*};
}

macro_rules! while_working {
    ($($test:ident: $function:ident, $leading:expr, $work:expr, $expected:expr;)*) => {$(
        #[test]
        fn $test() {
            with_shim(stringify!($test), |fixture| {
                while_working(fixture, Function::$function, $leading, $work, $expected);
            });
        }
    )*};
}

while_opening! {
    a_slot_list_that_fails_ends_the_opening: GetSlotList, |code| Err(class(code));
    a_token_info_that_fails_ends_the_opening: GetTokenInfo, |code| Err(class(code));
    a_mechanism_list_that_fails_ends_the_opening: GetMechanismList, |code| Err(class(code));
    a_session_that_cannot_be_opened_ends_the_opening: OpenSession, |code| Err(class(code));
    a_login_that_fails_ends_the_opening: Login, |code| {
        if is(code, &["CKR_USER_ALREADY_LOGGED_IN"]) { Ok(()) } else { Err(class(code)) }
    };
    // Taken for a session that isn't logged in, which is then made so.
    a_session_info_that_fails_does_not_end_the_opening: GetSessionInfo, |_| Ok(());
}

while_working! {
    a_signing_that_cannot_begin_fails_as_it_should:
        SignInit, straight, sign, |code| Err(class(code));
    a_signing_that_cannot_end_fails_as_it_should:
        Sign, straight, sign, |code| Err(class(code));
    a_search_that_cannot_begin_fails_as_it_should:
        FindObjectsInit, straight, find, |code| Err(class(code));
    a_search_that_cannot_go_on_fails_as_it_should:
        FindObjects, straight, find, |code| Err(class(code));
    // The search stays open in its session, where the next gets CKR_OPERATION_ACTIVE.
    a_search_that_cannot_end_spoils_the_session_only:
        FindObjectsFinal, straight, find, |_| Err(Class::Retryable);
    attributes_that_cannot_be_read_refuse_the_key:
        GetAttributeValue, straight, find, |code| {
            if is(code, &["CKR_BUFFER_TOO_SMALL"]) { Err(Class::Misconfigured) } else { Err(class(code)) }
        };
    a_generation_that_fails_fails_as_it_should:
        GenerateKeyPair, straight,
        |token| token.generate(&key(2), "new", Curve::Secp256k1).map(drop),
        |code| Err(class(code));
    a_session_that_cannot_be_closed_is_forgotten:
        CloseSession, |rules| rules.next(1, Function::Sign, Injection::Code(Code::named("CKR_DEVICE_ERROR").unwrap())),
        sign, |_| Ok(());
    a_lost_session_that_cannot_be_replaced_fails_as_it_should:
        OpenSession, through_a_lost_session, sign, |code| Err(class(code));
    a_session_info_that_fails_hinders_nobody:
        GetSessionInfo, through_a_lost_session, sign, |_| Ok(());
    a_lost_slot_list_fails_as_it_should:
        GetSlotList, through_a_lost_login, sign, |code| Err(class(code));
    a_lost_token_fails_as_it_should:
        GetTokenInfo, through_a_lost_login, sign, |code| Err(class(code));
    a_lost_login_that_cannot_be_repeated_fails_as_it_should:
        Login, through_a_lost_login, sign, |code| {
            // Believed, and then nothing is seen.
            if is(code, &["CKR_USER_ALREADY_LOGGED_IN"]) { Err(Class::Retryable) } else { Err(class(code)) }
        };
}

#[test]
fn a_module_that_cannot_be_initialised_is_tried_again_by_the_next_opening() {
    const NAME: &str = "a_module_that_cannot_be_initialised_is_tried_again_by_the_next_opening";
    with_shim(NAME, |fixture| {
        let already = Code::named("CKR_CRYPTOKI_ALREADY_INITIALIZED").unwrap();
        for code in codes().filter(|code| *code != already) {
            fixture.set_rules(&Rules::none().every(Function::Initialize, Injection::Code(code)));
            assert_ends(open(fixture).map(drop), Err(class(code)), code);
            assert_eq!(fixture.counts().sessions_opened(), 0);
        }
        fixture.set_rules(&Rules::none());
        drop(open(fixture).unwrap());
    });
}
