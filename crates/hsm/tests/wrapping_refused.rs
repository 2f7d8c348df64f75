//! A module that takes CKA_WRAP_WITH_TRUSTED and doesn't heed it can have no wrapped keys: whoever has the PIN could take them
//! away under a key of his own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Class, Curve, Hsm as _, HsmError, TokenInfo, make_wrapping_key};
use fixture::{Fixture, key, pin, with_shim};

const WRAPPING: u8 = 200;

fn ceremony(fixture: &Fixture) -> Result<TokenInfo, HsmError> {
    let so_pin = "so-pin-1".into();
    make_wrapping_key(&fixture.profile(), pin(), so_pin, &key(WRAPPING), "w")
}

fn assert_ignores(refused: &HsmError) {
    let HsmError::WrappingRefused { reason, .. } = refused else {
        panic!("{refused}");
    };
    assert!(reason.contains("CKA_WRAP_WITH_TRUSTED"), "{reason}");
    assert_eq!(refused.class(), Class::Misconfigured);
}

#[test]
fn the_ceremony_refuses_a_module_that_ignores_the_trust() {
    with_shim(
        "the_ceremony_refuses_a_module_that_ignores_the_trust",
        |fixture| {
            fixture.set_rules(&Rules::none().ignore_wrap_with_trusted());
            assert_ignores(&ceremony(fixture).unwrap_err());
            // The key that it made is as good as one before the ceremony: the module is what was wrong.
            fixture.set_rules(&Rules::none());
            ceremony(fixture).unwrap();
        },
    );
}

#[test]
fn no_key_is_wrapped_or_unwrapped_by_a_module_that_ignores_the_trust() {
    const NAME: &str = "no_key_is_wrapped_or_unwrapped_by_a_module_that_ignores_the_trust";
    with_shim(NAME, |fixture| {
        ceremony(fixture).unwrap();
        let wrapping = key(WRAPPING);
        let made = fixture
            .open(1)
            .generate_wrapped(&key(1), &wrapping, Curve::Secp256k1)
            .unwrap();
        fixture.set_rules(&Rules::none().ignore_wrap_with_trusted());
        let token = fixture.open(1);
        for refused in [
            token
                .generate_wrapped(&key(2), &wrapping, Curve::Secp256k1)
                .unwrap_err(),
            token.check_wrapped(&made).unwrap_err(),
            token.check_wrapping_key(&wrapping).unwrap_err(),
        ] {
            assert_ignores(&refused);
        }
    });
}

#[test]
fn a_key_that_was_made_without_the_mark_is_not_wrapped() {
    with_shim(
        "a_key_that_was_made_without_the_mark_is_not_wrapped",
        |fixture| {
            ceremony(fixture).unwrap();
            let token = fixture.open(1);
            // The session has found the module to be obedient, which it is no more.
            token.check_wrapping_key(&key(WRAPPING)).unwrap();
            fixture.set_rules(&Rules::none().ignore_wrap_with_trusted());
            let refused = token
                .generate_wrapped(&key(1), &key(WRAPPING), Curve::Secp256k1)
                .unwrap_err();
            assert!(
                matches!(&refused, HsmError::KeyRefused { attribute, required: true, .. }
                    if attribute == "CKA_WRAP_WITH_TRUSTED"),
                "{refused}"
            );
        },
    );
}

#[test]
fn the_ceremony_makes_no_second_key_beside_one_that_the_officer_cannot_see() {
    const NAME: &str = "the_ceremony_makes_no_second_key_beside_one_that_the_officer_cannot_see";
    with_shim(NAME, |fixture| {
        let intruder = fixture.intruder();
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::ValueLen(32.into()),
            Attribute::Id(key(WRAPPING).as_bytes().to_vec()),
        ];
        intruder
            .session
            .generate_key(&Mechanism::AesKeyGen, &template)
            .unwrap();
        drop(intruder);
        for _ in 0..2 {
            let HsmError::WrappingRefused { reason, .. } = ceremony(fixture).unwrap_err() else {
                panic!("it was not refused for the key that is there");
            };
            assert!(reason.contains("CKA_PRIVATE"), "{reason}");
        }
        let keys = fixture
            .intruder()
            .find(key(WRAPPING), ObjectClass::SECRET_KEY);
        assert_eq!(keys.len(), 1);
    });
}

#[test]
fn a_failed_ceremony_names_what_failed_first() {
    with_shim("a_failed_ceremony_names_what_failed_first", |fixture| {
        let injected = |code| Injection::Code(Code::named(code).unwrap());
        fixture.set_rules(
            &Rules::none()
                .every(Function::GenerateKey, injected("CKR_DEVICE_MEMORY"))
                .nth(2, Function::Logout, injected("CKR_DEVICE_ERROR")),
        );
        let error = ceremony(fixture).unwrap_err();
        assert!(
            matches!(&error, HsmError::Call { function, .. } if function == "C_GenerateKey"),
            "{error}"
        );
    });
}
