//! What doesn't fit is refused when the token is opened: clearly, as misconfigured, and without the PIN.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::path::Path;

use custodyd_hsm::{Class, HsmError, Profile, Selector, Token};
use fixture::{PIN, pin, with_each_module, with_token};

fn refusal(profile: &Profile, pin: &str, workers: usize) -> HsmError {
    let error = Token::open(profile, pin.into(), workers).unwrap_err();
    let shown = format!("{error} {error:?} {}", error.advice());
    assert!(!shown.contains(pin) && !shown.contains(PIN), "{shown}");
    error
}

#[test]
fn a_wrong_pin_is_offered_once() {
    with_token("a_wrong_pin_is_offered_once", |fixture| {
        let error = refusal(&fixture.spied(), "wrong-pin-5", 4);
        assert_eq!(error.class(), Class::Misconfigured);
        assert!(
            matches!(
                error,
                HsmError::PinRefused { ref code, .. } if code == "CKR_PIN_INCORRECT"
            ),
            "{error}"
        );
        assert_eq!(fixture.spy_log().matches(": C_Login").count(), 1);
    });
}

#[test]
fn a_missing_module_is_named() {
    with_token("a_missing_module_is_named", |fixture| {
        for path in ["/nowhere/libhsm.so", "/etc/hostname"] {
            let error = refusal(
                &fixture.profile().with_module(Path::new(path)),
                PIN_OTHER,
                1,
            );
            assert!(
                matches!(&error, HsmError::ModuleMissing { path: named, .. } if named == Path::new(path)),
                "{error}"
            );
            assert_eq!(error.class(), Class::Misconfigured);
        }
    });
}

const PIN_OTHER: &str = "some-other-pin";

#[test]
fn a_missing_token_is_named_beside_those_present() {
    with_each_module("a_missing_token_is_named_beside_those_present", |fixture| {
        let profile = fixture
            .profile()
            .with_selector(Selector::Label("elsewhere".to_owned()));
        assert_eq!(
            refusal(&profile, &fixture.subject.pin(PIN_OTHER), 1),
            HsmError::TokenMissing {
                selector: "label \"elsewhere\"".to_owned(),
                present: vec![fixture::LABEL.to_owned()]
            }
        );
        let serial = fixture.open(1).info().serial.clone();
        let by_serial = fixture.profile().with_selector(Selector::Serial(serial));
        assert_eq!(
            Token::open(&by_serial, pin(), 1).unwrap().info().label,
            fixture::LABEL
        );
    });
}

#[test]
fn the_profiles_environment_must_be_there_before_the_module_is_loaded() {
    with_token(
        "the_profiles_environment_must_be_there_before_the_module_is_loaded",
        |fixture| {
            let profile = fixture
                .profile()
                .with_environment("CUSTODYD_HSM_UNSET", "here");
            let wanted = vec![("CUSTODYD_HSM_UNSET".to_owned(), "here".to_owned())];
            assert_eq!(profile.missing_environment(), wanted);
            assert_eq!(
                refusal(&profile, PIN_OTHER, 1),
                HsmError::EnvironmentMissing(vec!["CUSTODYD_HSM_UNSET=here".to_owned()])
            );
            let set = fixture
                .profile()
                .with_environment("SOFTHSM2_CONF", &std::env::var("SOFTHSM2_CONF").unwrap());
            assert_eq!(set.missing_environment(), []);
        },
    );
}

#[test]
fn a_pin_of_another_form_is_refused_unseen_by_the_token() {
    with_token(
        "a_pin_of_another_form_is_refused_unseen_by_the_token",
        |fixture| {
            let profile = fixture
                .profile_with(|text| text.replace("pin = \"pin\"", "pin = \"user:password\""));
            let profile = profile.with_module(fixture.spied().module.as_path());
            for pin in ["justapassword", ":justapassword", "justauser:"] {
                assert_eq!(
                    refusal(&profile, pin, 1),
                    HsmError::PinForm {
                        form: "user:password".into()
                    }
                );
            }
            assert_eq!(fixture.spy_log(), "");
        },
    );
}

#[test]
fn more_workers_than_sessions_are_refused() {
    with_token("more_workers_than_sessions_are_refused", |fixture| {
        let profile = fixture.profile_with(|text| text.replace("max = 64", "max = 4"));
        for workers in [0, 4, 100] {
            assert_eq!(
                refusal(&profile, PIN_OTHER, workers),
                HsmError::TooManyWorkers {
                    workers,
                    allowed: 4
                }
            );
        }
        Token::open(&profile, pin(), 3).unwrap();
    });
}
