//! Keys that the shim signs with itself: they look and sign like the token's own, at a pace and with nonces of a test's
//! choice.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use custodyd_faultshim::{Function, Injection, Rules};
use custodyd_hsm::{Curve, Flag, Hsm as _, HsmError, Token};
use fixture::{LONG, key, pin, with_shim};

fn sign(token: &Token, digest: u8) -> [u8; 64] {
    token
        .sign(&key(1), Curve::Secp256k1, [digest; 32], LONG)
        .unwrap()
}

#[test]
fn an_emulated_key_looks_and_signs_like_one_that_cannot_leave() {
    const NAME: &str = "an_emulated_key_looks_and_signs_like_one_that_cannot_leave";
    with_shim(NAME, |fixture| {
        fixture.set_rules(&Rules::none().emulate(0));
        for (number, curve) in [(1, Curve::Secp256k1), (2, Curve::P256)] {
            let token = fixture.open(1);
            token.generate(&key(number), "hot", curve).unwrap();
            token.check_attributes(&key(number)).unwrap();
            drop(token);
            // Seen by another process, or after a restart: nothing but the token knows it.
            let token = fixture.open(2);
            for digest in 0..20 {
                token.sign(&key(number), curve, [digest; 32], LONG).unwrap();
            }
            let counters = token.counters();
            assert_eq!((counters.retries, counters.bad_signatures), (0, 0));
        }
        // The disguise ends with the rules: the key can leave after all.
        fixture.set_rules(&Rules::none());
        let report = fixture.open(1).find(&key(1)).unwrap().unwrap();
        assert_eq!(report.attributes.get(Flag::Extractable), Some(true));
    });
}

#[test]
fn an_emulated_key_that_was_asked_for_extractable_is_refused_as_such() {
    const NAME: &str = "an_emulated_key_that_was_asked_for_extractable_is_refused_as_such";
    with_shim(NAME, |fixture| {
        fixture.set_rules(&Rules::none().emulate(0));
        let token = fixture.open(1);
        let intruder = fixture::Intruder::through(&fixture.subject.module());
        let secp256k1 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
        let loose = [
            cryptoki::object::Attribute::Private(true),
            cryptoki::object::Attribute::Sensitive(true),
            cryptoki::object::Attribute::Extractable(true),
        ];
        intruder.generate(key(1), &secp256k1, &loose);
        assert!(matches!(
            token.check_attributes(&key(1)),
            Err(HsmError::KeyRefused { attribute, .. }) if attribute == "CKA_EXTRACTABLE"
        ));
    });
}

#[test]
fn a_lost_login_is_noticed_with_an_emulated_key_too() {
    const NAME: &str = "a_lost_login_is_noticed_with_an_emulated_key_too";
    with_shim(NAME, |fixture| {
        fixture.set_rules(&Rules::none().emulate(0));
        let token = fixture.open(1);
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        sign(&token, 1);
        fixture.intruder().session.logout().unwrap();
        sign(&token, 2);
        assert_eq!(token.counters().relogins, 1);
    });
}

#[test]
fn a_repeated_nonce_gives_two_good_signatures_with_one_r() {
    const NAME: &str = "a_repeated_nonce_gives_two_good_signatures_with_one_r";
    with_shim(NAME, |fixture| {
        let rules = Rules::none().emulate(0);
        fixture.set_rules(&rules);
        let token = fixture.open(1);
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        let r = |digest| sign(&token, digest)[..32].to_vec();
        assert_ne!(r(1), r(2));
        fixture.set_rules(&rules.every(Function::Sign, Injection::RepeatedNonce));
        assert_eq!(r(3), r(4));
    });
}

#[test]
fn thirty_two_sessions_are_allowed_and_used_and_not_one_more() {
    const NAME: &str = "thirty_two_sessions_are_allowed_and_used_and_not_one_more";
    with_shim(NAME, |fixture| {
        fixture.set_rules(&Rules::none().emulate(5_000).max_sessions(32));
        let profile = fixture.profile_with(|text| text.replace("idle = true", "idle = false"));
        assert_eq!(
            Token::open(&profile, pin(), 33).unwrap_err(),
            HsmError::TooManyWorkers {
                workers: 33,
                allowed: 32
            }
        );
        let token = Token::open(&profile, pin(), 32).unwrap();
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        std::thread::scope(|scope| {
            for digest in 0..64 {
                let token = &token;
                scope.spawn(move || {
                    for _ in 0..4 {
                        sign(token, digest);
                    }
                });
            }
        });
        assert_eq!(fixture.counts().sessions_open(), 32);
        let counters = token.counters();
        assert_eq!((counters.signatures, counters.retries), (256, 0));
    });
}
