//! While the security officer makes a wrapping key: the right class of error, no session left open, and it can be repeated.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use custodyd_faultshim::{Function, Injection, Rules};
use custodyd_hsm::{HsmError, make_wrapping_key};

use crate::assert_ends;
use crate::classes::{class, codes};
use crate::fixture::{Fixture, key, pin, with_shim};

const SO_PIN: &str = "so-pin-1";

each_code_of! { ceremony:
    a_wrapping_key_that_cannot_be_made_fails_as_it_should: while_making(GenerateKey);
    a_key_that_cannot_be_marked_as_trusted_fails_as_it_should: while_marking(SetAttributeValue);
    a_logout_that_fails_is_told_and_leaves_no_login: while_logging_out(Logout);
}

fn make(fixture: &Fixture) -> Result<(), HsmError> {
    make_wrapping_key(
        &fixture.profile(),
        pin(),
        SO_PIN.to_owned().into(),
        &key(200),
        "wrapping",
    )
    .map(drop)
}

/// Each code from the calls that the rules say.
fn each_code(fixture: &Fixture, rules: impl Fn(Injection) -> Rules) {
    for code in codes() {
        let before = fixture.counts().injected();
        fixture.set_rules(&rules(Injection::Code(code)));
        let made = make(fixture);
        assert!(!format!("{made:?}").contains(SO_PIN), "{made:?}");
        assert_ends(made, Err(class(code)), code);
        let counts = fixture.counts();
        assert!(counts.injected() > before, "{code} was never returned");
        assert_eq!(counts.sessions_open(), 0, "after {code}");
    }
    fixture.set_rules(&Rules::none());
}

fn while_making(fixture: &Fixture, function: Function) {
    each_code(fixture, |code| Rules::none().every(function, code));
    make(fixture).unwrap();
}

/// The key is there already, and nobody trusts it.
fn while_marking(fixture: &Fixture, function: Function) {
    let intruder = fixture.intruder();
    let template = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::ValueLen(32.into()),
        Attribute::Id(key(200).as_bytes().to_vec()),
    ];
    intruder
        .session
        .generate_key(&Mechanism::AesKeyGen, &template)
        .unwrap();
    drop(intruder);
    each_code(fixture, |code| Rules::none().every(function, code));
}

fn while_logging_out(fixture: &Fixture, function: Function) {
    // The user's, the officer's, and the user's again.
    for number in 1..=3 {
        each_code(fixture, |code| Rules::none().nth(number, function, code));
        make(fixture).unwrap();
    }
}
