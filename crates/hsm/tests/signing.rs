//! Signatures of a real SoftHSM token: low-S, verified, through lost logins and sessions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::sync::mpsc;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use custodyd_hsm::{Curve, Hsm as _, PublicPoint, Token, raw_sign_rate};
use fixture::{LONG, key, pin, with_each_local_module, with_each_module, with_token};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256};

fn digest(number: u32) -> [u8; 32] {
    Sha256::digest(number.to_be_bytes()).into()
}

/// By other code than the crate's: k256, which refuses high-S.
fn assert_good(public: &PublicPoint, digest: &[u8; 32], signature: &[u8; 64]) {
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(public.as_bytes()).unwrap();
    let signature = k256::ecdsa::Signature::from_slice(signature).unwrap();
    assert!(signature.normalize_s().is_none(), "high-S");
    key.verify_prehash(digest, &signature).unwrap();
}

fn sign(token: &Token, number: u32) -> [u8; 64] {
    token
        .sign(&key(1), Curve::Secp256k1, digest(number), LONG)
        .unwrap()
}

#[test]
fn a_thousand_signatures_are_all_low_s_and_verify() {
    with_each_module(
        "a_thousand_signatures_are_all_low_s_and_verify",
        |fixture| {
            let token = fixture.open(2);
            let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            for number in 0..1000 {
                assert_good(&public, &digest(number), &sign(&token, number));
            }
            let counters = token.counters();
            assert_eq!((counters.signatures, counters.bad_signatures), (1000, 0));
            if fixture.subject.is_calm() {
                // One for each worker, and an idle one where the profile has it to spare.
                let sessions = 2 + u64::from(fixture.profile().idle);
                assert_eq!((counters.retries, counters.sessions_opened), (0, sessions));
            }
        },
    );
}

#[test]
fn a_p256_key_signs() {
    with_each_module("a_p256_key_signs", |fixture| {
        let token = fixture.open(1);
        let public = token.generate(&key(1), "journal", Curve::P256).unwrap();
        let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(public.as_bytes()).unwrap();
        for number in 0..100 {
            let signature = token
                .sign(&key(1), Curve::P256, digest(number), LONG)
                .unwrap();
            let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
            verifier
                .verify_prehash(&digest(number), &signature)
                .unwrap();
        }
    });
}

#[test]
fn eight_threads_share_two_workers() {
    with_each_module("eight_threads_share_two_workers", |fixture| {
        let token = fixture.open(2);
        let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let token = token.clone();
                scope.spawn(move || {
                    for number in 0..200 {
                        let number = thread * 1000 + number;
                        assert_good(&public, &digest(number), &sign(&token, number));
                    }
                });
            }
        });
        assert_eq!(token.counters().signatures, 1600);
    });
}

#[test]
fn submitted_signatures_are_answered_once_each() {
    with_each_module("submitted_signatures_are_answered_once_each", |fixture| {
        let token = fixture.open(2);
        let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        let (sender, receiver) = mpsc::channel();
        for number in 0..200 {
            let sender = sender.clone();
            let reply = Box::new(move |result| sender.send((number, result)).unwrap());
            token
                .submit_sign(key(1).into(), Curve::Secp256k1, digest(number), LONG, reply)
                .unwrap();
        }
        drop(sender);
        let mut answered: Vec<u32> = receiver
            .iter()
            .map(|(number, result)| {
                assert_good(&public, &digest(number), &result.unwrap());
                number
            })
            .collect();
        answered.sort_unstable();
        assert_eq!(answered, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn a_lost_login_is_repeated() {
    with_each_local_module("a_lost_login_is_repeated", |fixture| {
        let token = fixture.open(2);
        let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        for round in 1..=3 {
            sign(&token, 1);
            // Logs every session of the slot out, PKCS#11 3.0 §5.6.9.
            fixture.intruder().session.logout().unwrap();
            assert_good(&public, &digest(2), &sign(&token, 2));
            assert_eq!(token.counters().relogins, round);
        }
        assert_eq!(token.counters().bad_signatures, 0);
    });
}

#[test]
fn lost_sessions_are_reopened_and_keys_found_again() {
    with_each_local_module(
        "lost_sessions_are_reopened_and_keys_found_again",
        |fixture| {
            let token = fixture.open(2);
            let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            for number in 0..10 {
                sign(&token, number);
            }
            let intruder = fixture.intruder();
            let context = intruder.context.clone();
            drop(intruder);
            // All sessions, handles and the login of the process are gone.
            context.clone().finalize().unwrap();
            context
                .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
                .unwrap();
            for number in 0..10 {
                assert_good(&public, &digest(number), &sign(&token, number));
            }
            let relogins = token.counters().relogins;
            // Without an idle session the login ends whenever the last worker lets its session go.
            assert!(
                relogins == 1 || !fixture.profile().idle && relogins > 1,
                "{relogins}"
            );
        },
    );
}

#[test]
fn the_module_sees_one_signing_operation_per_signature_and_no_private_value_is_read() {
    const NAME: &str =
        "the_module_sees_one_signing_operation_per_signature_and_no_private_value_is_read";
    with_token(NAME, |fixture| {
        let token = Token::open(&fixture.spied(), pin(), 1).unwrap();
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        for number in 0..20 {
            sign(&token, number);
        }
        token.list().unwrap();
        let log = fixture.spy_log();
        let calls = |name: &str| {
            log.lines()
                .filter(|line| line.ends_with(&format!(": {name}")))
                .count()
        };
        assert_eq!(calls("C_SignInit"), 20);
        // The wrapper asks for the length first, with a null buffer; each operation makes one signature.
        assert_eq!(calls("C_Sign"), 40);
        assert_eq!(log.matches("pSignature[*pulSignatureLen]").count(), 40);
        assert_eq!(log.matches("pSignature[*pulSignatureLen] NULL").count(), 20);
        assert_eq!((calls("C_Login"), calls("C_GenerateKeyPair")), (1, 1));
        assert!(calls("C_GetAttributeValue") > 0);
        assert!(!log.contains("CKA_VALUE "), "a private value was asked for");
    });
}

#[test]
fn the_bare_loop_signs() {
    with_token("the_bare_loop_signs", |fixture| {
        let rate = raw_sign_rate(&fixture.profile(), pin(), 2, Duration::from_millis(300)).unwrap();
        assert!(rate.signatures > 10 && rate.per_second() > 30.0, "{rate:?}");
        // Its keys were session objects.
        assert_eq!(fixture.open(1).list().unwrap(), []);
    });
}
