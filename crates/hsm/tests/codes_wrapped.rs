//! Every return code of PKCS#11 3.0 from the functions that only wrapped keys and the canary use: an error or nothing lost, no crash, no
//! session left open, and work goes on when the fault is over.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Curve, Hsm as _, Token, make_wrapping_key};
use fixture::{key, pin, with_shim};

fn each_code_of(test: &str, function: Function) {
    with_shim(test, |fixture| {
        let text = |text: String| text.replace("back_off_ms = 20", "back_off_ms = 0");
        let profile = fixture.profile_with(text);
        make_wrapping_key(
            &profile,
            pin(),
            "so-pin-1".to_owned().into(),
            &key(200),
            "wrapping",
        )
        .unwrap();
        let token = Token::open(&profile, pin(), 1).unwrap();
        let make = || token.generate_wrapped(&key(1), &key(200), Curve::Secp256k1);
        make().unwrap();
        let open = fixture.counts().sessions_open();
        for code in Code::all() {
            let before = fixture.counts().injected();
            fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
            let made = make();
            if let Ok(made) = &made {
                // A code that comes after the work is done may be borne; what was made must then be good.
                fixture.set_rules(&Rules::none());
                token.check_wrapped(made).unwrap();
            } else {
                let shown = format!("{made:?}");
                assert!(!shown.contains(fixture::PIN), "{shown}");
            }
            assert!(
                fixture.counts().injected() > before,
                "{code} was never returned"
            );
            fixture.set_rules(&Rules::none());
            make().unwrap_or_else(|error| panic!("after {code}: {error}"));
            assert!(
                fixture.counts().sessions_open() <= open,
                "sessions left open after {code}"
            );
        }
    });
}

#[test]
fn wrap_key() {
    each_code_of("wrap_key", Function::WrapKey);
}

#[test]
fn unwrap_key() {
    each_code_of("unwrap_key", Function::UnwrapKey);
}

#[test]
fn destroy_object() {
    each_code_of("destroy_object", Function::DestroyObject);
}

#[test]
fn create_object() {
    with_shim("create_object", |fixture| {
        let text = |text: String| text.replace("back_off_ms = 20", "back_off_ms = 0");
        let token = Token::open(&fixture.profile_with(text), pin(), 1).unwrap();
        let sound = token.canary(32).unwrap();
        let open = fixture.counts().sessions_open();
        for code in Code::all() {
            let before = fixture.counts().injected();
            fixture.set_rules(&Rules::none().every(Function::CreateObject, Injection::Code(code)));
            // An error, or the report that it can't be done here: never one that says the nonces are sound.
            if let Ok(report) = token.canary(32) {
                assert_ne!(report, sound, "{code}");
            }
            assert!(
                fixture.counts().injected() > before,
                "{code} was never returned"
            );
            fixture.set_rules(&Rules::none());
            assert_eq!(token.canary(32).unwrap(), sound, "after {code}");
            assert!(
                fixture.counts().sessions_open() <= open,
                "sessions left open after {code}"
            );
        }
    });
}

#[test]
fn generate_key() {
    with_shim("generate_key", |fixture| {
        let profile = fixture.profile();
        let officer = || "so-pin-1".to_owned().into();
        for code in Code::all() {
            let before = fixture.counts().injected();
            fixture.set_rules(&Rules::none().every(Function::GenerateKey, Injection::Code(code)));
            let made = make_wrapping_key(&profile, pin(), officer(), &key(200), "wrapping");
            let error = made.expect_err("no key was made");
            assert!(!format!("{error} {error:?}").contains("so-pin-1"));
            let counts = fixture.counts();
            assert!(counts.injected() > before, "{code} was never returned");
            assert_eq!(counts.sessions_open(), 0, "after {code}");
        }
        fixture.set_rules(&Rules::none());
        make_wrapping_key(&profile, pin(), officer(), &key(200), "wrapping").unwrap();
    });
}
