//! Each shipped profile against the shim in that vendor's manners: what is particular about each, and that the manners
//! bite where the profile is another's. The suite itself (`keys`, `signing`) runs against all of them too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use custodyd_faultshim::{Manner, Rules};
use custodyd_hsm::{Class, Curve, Flag, Hsm as _, HsmError, Profile, SessionMode, Token};
use fixture::{Fixture, LABEL, LONG, PIN, Subject, key, pin, with_shim, with_vendor};

fn generate(token: &Token) -> Result<(), HsmError> {
    token.generate(&key(1), "hot", Curve::Secp256k1).map(drop)
}

fn sign(token: &Token) {
    token
        .sign(&key(1), Curve::Secp256k1, [7; 32], LONG)
        .unwrap();
}

/// The profile of another module, for this one.
fn foreign(fixture: &Fixture, other: &Subject) -> Profile {
    fixture.subject.fit(&other.labelled(LABEL))
}

/// Opens with the vendor's PIN and another's profile.
fn open_foreign(fixture: &Fixture, other: &Subject) -> Token {
    Token::open(&foreign(fixture, other), pin(), 1).unwrap()
}

#[test]
fn each_vendors_key_is_made_found_listed_checked_and_used() {
    const NAME: &str = "each_vendors_key_is_made_found_listed_checked_and_used";
    fixture::with_each_module(NAME, |fixture| {
        let token = fixture.open(2);
        for (number, curve) in [(1, Curve::Secp256k1), (2, Curve::P256)] {
            let public = token.generate(&key(number), "hot", curve).unwrap();
            assert_eq!(token.find(&key(number)).unwrap().unwrap().public, public);
            token.check_attributes(&key(number)).unwrap();
            token.sign(&key(number), curve, [7; 32], LONG).unwrap();
        }
        assert_eq!(token.list().unwrap().len(), 2);
    });
}

#[test]
fn cloudhsm_refuses_read_only_sessions_and_the_error_names_the_call() {
    const NAME: &str = "cloudhsm_refuses_read_only_sessions_and_the_error_names_the_call";
    with_vendor(NAME, Manner::CloudHsm, |fixture| {
        let mut profile = fixture.profile();
        profile.mode = SessionMode::ReadOnly;
        let error = Token::open(&profile, pin(), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "C_OpenSession failed with CKR_FUNCTION_FAILED"
        );
    });
}

#[test]
fn cloudhsm_wants_user_and_password_and_a_bare_pin_never_reaches_it() {
    const NAME: &str = "cloudhsm_wants_user_and_password_and_a_bare_pin_never_reaches_it";
    with_vendor(NAME, Manner::CloudHsm, |fixture| {
        let error = Token::open(&fixture.profile(), PIN.into(), 1).unwrap_err();
        assert!(matches!(error, HsmError::PinForm { .. }), "{error}");
        assert_eq!(fixture.counts().logins(), 0);
    });
}

#[test]
fn cloudhsms_throttling_and_slow_synchronisation_are_waited_out() {
    const NAME: &str = "cloudhsms_throttling_and_slow_synchronisation_are_waited_out";
    with_vendor(NAME, Manner::CloudHsm, |fixture| {
        let token = fixture.open(1);
        generate(&token).unwrap();
        // The new key can't be used yet.
        sign(&token);
        let waited = token.counters().retries;
        assert!(waited > 0);
        for _ in 0..50 {
            sign(&token);
        }
        // Every seventh is throttled.
        let counters = token.counters();
        assert!(counters.retries - waited >= 7, "{counters:?}");
        assert_eq!((counters.signatures, counters.failures_retryable), (51, 0));
    });
}

#[test]
fn a_module_that_lacks_an_attribute_refuses_a_template_that_names_it() {
    const NAME: &str = "a_module_that_lacks_an_attribute_refuses_a_template_that_names_it";
    with_vendor(NAME, Manner::CloudHsm, |fixture| {
        let error = generate(&open_foreign(fixture, &Subject::SoftHsm)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "C_GenerateKeyPair failed with CKR_ATTRIBUTE_TYPE_INVALID"
        );
        assert_eq!(error.class(), Class::Misconfigured);
    });
}

#[test]
fn an_attribute_that_the_module_lacks_is_unknown_and_not_false() {
    const NAME: &str = "an_attribute_that_the_module_lacks_is_unknown_and_not_false";
    with_vendor(NAME, Manner::CloudHsm, |fixture| {
        generate(&fixture.open(1)).unwrap();
        let mut profile = fixture.profile();
        profile.quirks.unsupported_attributes.clear();
        let token = Token::open(&profile, pin(), 1).unwrap();
        let report = token.find(&key(1)).unwrap().unwrap();
        assert_eq!(report.attributes.get(Flag::SignRecover), None);
        assert_eq!(
            token.check_attributes(&key(1)),
            Err(HsmError::KeyRefused {
                key: key(1),
                attribute: "CKA_SIGN_RECOVER".into(),
                found: None,
                required: false
            })
        );
    });
}

#[test]
fn yubihsms_sixteen_sessions_are_known_before_workers_are_started() {
    const NAME: &str = "yubihsms_sixteen_sessions_are_known_before_workers_are_started";
    with_vendor(NAME, Manner::YubiHsm2, |fixture| {
        let profile = foreign(fixture, &Subject::SoftHsm);
        assert_eq!(
            Token::open(&profile, pin(), 16).unwrap_err(),
            HsmError::TooManyWorkers {
                workers: 16,
                allowed: 16
            }
        );
        drop(Token::open(&profile, pin(), 15).unwrap());
        // Its own profile needs no idle session.
        let mut profile = fixture.profile();
        profile.max_sessions = 16;
        drop(Token::open(&profile, pin(), 16).unwrap());
    });
}

#[test]
fn yubihsms_sessions_that_time_out_sooner_than_the_profile_thinks_are_replaced() {
    const NAME: &str =
        "yubihsms_sessions_that_time_out_sooner_than_the_profile_thinks_are_replaced";
    with_vendor(NAME, Manner::YubiHsm2, |fixture| {
        let token = fixture.open(1);
        generate(&token).unwrap();
        fixture.set_rules(&Rules::none().manner(Manner::YubiHsm2).idle_ms(100));
        for round in 1..=3 {
            std::thread::sleep(std::time::Duration::from_millis(150));
            sign(&token);
            assert_eq!(token.counters().retries, round);
        }
    });
}

#[test]
fn a_raw_point_is_refused_by_a_profile_that_expects_der() {
    const NAME: &str = "a_raw_point_is_refused_by_a_profile_that_expects_der";
    with_vendor(NAME, Manner::Utimaco, |fixture| {
        generate(&fixture.open(1)).unwrap();
        let text = |text: String| text.replace("ec_point = \"any\"", "ec_point = \"der\"");
        let token = Token::open(&fixture.profile_with(text), pin(), 1).unwrap();
        let error = token.find(&key(1)).unwrap_err();
        assert!(
            matches!(&error, HsmError::KeyUnreadable { attribute, .. } if *attribute == "CKA_EC_POINT"),
            "{error}"
        );
    });
}

#[test]
fn a_curve_is_asked_for_by_name_where_the_profile_says_so() {
    const NAME: &str = "a_curve_is_asked_for_by_name_where_the_profile_says_so";
    with_vendor(NAME, Manner::NShield, |fixture| {
        let text = |text: String| text.replace("ec_params = \"oid\"", "ec_params = \"name\"");
        let token = Token::open(&fixture.profile_with(text), pin(), 1).unwrap();
        generate(&token).unwrap();
        sign(&token);
    });
}

#[test]
fn without_manners_the_shim_is_the_token_itself() {
    with_shim("without_manners_the_shim_is_the_token_itself", |fixture| {
        let token = fixture.open(1);
        generate(&token).unwrap();
        sign(&token);
        let counters = token.counters();
        assert_eq!((counters.retries, counters.relogins), (0, 0));
        assert_eq!(fixture.counts().injected(), 0);
    });
}
