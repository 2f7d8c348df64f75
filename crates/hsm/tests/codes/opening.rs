//! While a module is loaded, looked at and opened.

use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Outcome, examine};

use crate::classes::{Expected, class, codes, is};
use crate::fixture::{self, Fixture, pin, with_shim};
use crate::{assert_ends, open};

each_code_of! { opening:
    a_module_that_cannot_be_initialised_is_tried_again_by_the_next_opening: while_initialising(Initialize);
    a_module_that_says_nothing_of_itself_is_a_miss: while_examining(GetInfo);
    a_slot_list_that_fails_ends_the_opening: while_opening(GetSlotList, |code| Err(class(code)));
    a_token_info_that_fails_ends_the_opening: while_opening(GetTokenInfo, |code| Err(class(code)));
    a_mechanism_list_that_fails_ends_the_opening: while_opening(GetMechanismList, |code| Err(class(code)));
    a_session_that_cannot_be_opened_ends_the_opening: while_opening(OpenSession, |code| Err(class(code)));
    a_login_that_fails_ends_the_opening: while_opening(Login, |code| {
        if is(code, &["CKR_USER_ALREADY_LOGGED_IN"]) { Ok(()) } else { Err(class(code)) }
    });
    // Taken for a session that isn't logged in, which is then made so.
    a_session_info_that_fails_does_not_end_the_opening: while_opening(GetSessionInfo, |_| Ok(()));
}

fn while_initialising(fixture: &Fixture, function: Function) {
    let already = Code::named("CKR_CRYPTOKI_ALREADY_INITIALIZED").unwrap();
    for code in codes().filter(|code| *code != already) {
        fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
        assert_ends(open(fixture).map(drop), Err(class(code)), code);
        assert_eq!(fixture.counts().sessions_opened(), 0);
    }
    fixture.set_rules(&Rules::none());
    drop(open(fixture).unwrap());
}

/// Only `custodyd doctor` asks: its examination ends there, with a line that names the code.
fn while_examining(fixture: &Fixture, function: Function) {
    let profile = fixture.profile();
    for code in codes() {
        fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
        let examination = examine(&profile, pin(), &mut |_| {});
        assert_eq!(examination.misses(), 1, "{code}: {examination:?}");
        let last = examination.findings.last().unwrap();
        assert_eq!(
            (last.part.as_str(), last.outcome),
            ("module", Outcome::Miss)
        );
        let named = format!("C_GetInfo failed with {code}; ");
        assert!(last.text.starts_with(&named), "{last}");
        assert!(!format!("{examination:?}").contains(fixture::PIN));
        assert_eq!(fixture.counts().sessions_opened(), 0, "after {code}");
    }
    fixture.set_rules(&Rules::none());
    let examination = examine(&profile, pin(), &mut |_| {});
    assert_eq!(examination.misses(), 0, "{examination:?}");
    assert_eq!(fixture.counts().sessions_open(), 0);
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
