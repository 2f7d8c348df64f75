//! What a profile says is done on a real SoftHSM token: idle sessions, sessions that the module would have closed,
//! attributes of new keys.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::time::Duration;

use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use custodyd_hsm::{Curve, Hsm as _, HsmError, Outcome, Token, examine};
use fixture::{LONG, key, pin, with_each_module, with_token};

fn sign(token: &Token) {
    token
        .sign(&key(1), Curve::Secp256k1, [7; 32], LONG)
        .unwrap();
}

#[test]
fn without_a_session_to_spare_the_workers_own_keep_the_login() {
    with_token(
        "without_a_session_to_spare_the_workers_own_keep_the_login",
        |fixture| {
            let profile = fixture
                .profile_with(|text| text.replace("idle = true", "idle = false"))
                .with_module(fixture.spied().module.as_path());
            let token = Token::open(&profile, pin(), 1).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            sign(&token);
            // The worker took the session that opening left, and with it the login.
            assert_eq!(token.counters().sessions_opened, 1);
            assert_eq!(fixture.spy_log().matches(": C_Login").count(), 1);
        },
    );
}

#[test]
fn without_an_idle_session_workers_may_take_all_that_are_allowed() {
    with_token(
        "without_an_idle_session_workers_may_take_all_that_are_allowed",
        |fixture| {
            let profile = fixture.profile_with(|text| {
                text.replace("idle = true", "idle = false")
                    .replace("max = 64", "max = 2")
            });
            let refused = Token::open(&profile, pin(), 3).unwrap_err();
            assert!(
                matches!(
                    refused,
                    HsmError::TooManyWorkers {
                        workers: 3,
                        allowed: 2
                    }
                ),
                "{refused}"
            );
            let token = Token::open(&profile, pin(), 2).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            sign(&token);
        },
    );
}

#[test]
fn a_session_that_lay_idle_for_too_long_is_replaced_before_it_is_used() {
    with_token(
        "a_session_that_lay_idle_for_too_long_is_replaced_before_it_is_used",
        |fixture| {
            for idle in ["idle = true", "idle = false"] {
                let profile = fixture.profile_with(|text| {
                    text.replace("idle = true", idle)
                        .replace("# idle_timeout_s = 25", "idle_timeout_s = 1")
                });
                let token = Token::open(&profile, pin(), 1).unwrap();
                token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
                let before = token.counters().sessions_opened;
                std::thread::sleep(Duration::from_millis(1100));
                sign(&token);
                let after = token.counters();
                assert!(after.sessions_opened > before, "{idle}: {after:?}");
                // Replaced in time, not after a failure.
                assert_eq!((after.retries, after.signatures), (0, 1), "{idle}");
            }
        },
    );
}

#[test]
fn a_new_key_has_what_the_profiles_templates_add() {
    with_token("a_new_key_has_what_the_profiles_templates_add", |fixture| {
        let profile = fixture.profile_with(|text| {
            text.replace(
                "# CKA_COPYABLE = false",
                "CKA_COPYABLE = false\nCKA_MODIFIABLE = true",
            )
        });
        let token = Token::open(&profile, pin(), 1).unwrap();
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        token.check_attributes(&key(1)).unwrap();
        let plain = fixture.open(1);
        plain.generate(&key(2), "hot", Curve::Secp256k1).unwrap();

        let intruder = fixture.intruder();
        for (number, added) in [(1, true), (2, false)] {
            for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                let handle = intruder.find(key(number), class)[0];
                let read = intruder
                    .session
                    .get_attributes(
                        handle,
                        &[AttributeType::Copyable, AttributeType::Modifiable],
                    )
                    .unwrap();
                let expected = [Attribute::Copyable(!added), Attribute::Modifiable(added)];
                assert_eq!(read, expected, "{class}");
            }
        }
    });
}

#[test]
fn each_vendors_profile_fits_a_module_in_that_vendors_manners() {
    with_each_module(
        "each_vendors_profile_fits_a_module_in_that_vendors_manners",
        |fixture| {
            let examination = examine(&fixture.profile(), pin(), &mut |_| {});
            let parts = |outcome| {
                let found = examination.findings.iter();
                let those = found.filter(move |finding| finding.outcome == outcome);
                those.map(|finding| finding.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(parts(Outcome::Miss), [""; 0], "{examination:#?}");
            let good = parts(Outcome::Good).join("\n");
            for part in ["PIN", "secp256k1: destroyed", "p256: destroyed", "keys"] {
                assert!(good.contains(&format!("ok   {part}")), "{good}");
            }
            // Where it isn't offered, that is no fault.
            let ed25519 = good.contains("ok   CKM_EDDSA");
            assert_eq!(good.contains("ok   ed25519: destroyed"), ed25519, "{good}");
            assert_ne!(
                parts(Outcome::Absent).join("\n").contains("-    ed25519"),
                ed25519
            );
            let left = fixture.open(1).list().unwrap();
            assert_eq!(left, []);
        },
    );
}
