//! While an open token is at work with keys that lie on it.

use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Class, Curve, Hsm as _, HsmError, Token};

use crate::classes::{Expected, class, codes, is};
use crate::fixture::{Fixture, key, with_shim};
use crate::{assert_ends, open, sign};

each_code_of! { working:
    a_signing_that_cannot_begin_fails_as_it_should:
        while_working(SignInit, straight, sign, |code| Err(class(code)));
    a_signing_that_cannot_end_fails_as_it_should:
        while_working(Sign, straight, sign, |code| Err(class(code)));
    a_search_that_cannot_begin_fails_as_it_should:
        while_working(FindObjectsInit, straight, find, |code| Err(class(code)));
    a_search_that_cannot_go_on_fails_as_it_should:
        while_working(FindObjects, straight, find, |code| Err(class(code)));
    // The search stays open in its session, where the next gets CKR_OPERATION_ACTIVE.
    a_search_that_cannot_end_spoils_the_session_only:
        while_working(FindObjectsFinal, straight, find, |_| Err(Class::Retryable));
    attributes_that_cannot_be_read_refuse_the_key:
        while_working(GetAttributeValue, straight, find, |code| {
            if is(code, &["CKR_BUFFER_TOO_SMALL"]) { Err(Class::Misconfigured) } else { Err(class(code)) }
        });
    a_generation_that_fails_fails_as_it_should:
        while_working(GenerateKeyPair, straight,
            |token| token.generate(&key(2), "new", Curve::Secp256k1).map(drop),
            |code| Err(class(code)));
    a_session_that_cannot_be_closed_is_forgotten:
        while_working(CloseSession,
            |rules| rules.next(1, Function::Sign, Injection::Code(Code::named("CKR_DEVICE_ERROR").unwrap())),
            sign, |_| Ok(()));
    a_lost_session_that_cannot_be_replaced_fails_as_it_should:
        while_working(OpenSession, through_a_lost_session, sign, |code| Err(class(code)));
    a_session_info_that_fails_hinders_nobody:
        while_working(GetSessionInfo, through_a_lost_session, sign, |_| Ok(()));
    a_lost_slot_list_fails_as_it_should:
        while_working(GetSlotList, through_a_lost_login, sign, |code| Err(class(code)));
    a_lost_token_fails_as_it_should:
        while_working(GetTokenInfo, through_a_lost_login, sign, |code| Err(class(code)));
    a_lost_login_that_cannot_be_repeated_fails_as_it_should:
        while_working(Login, through_a_lost_login, sign, |code| {
            // Believed, and then nothing is seen.
            if is(code, &["CKR_USER_ALREADY_LOGGED_IN"]) { Err(Class::Retryable) } else { Err(class(code)) }
        });
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
