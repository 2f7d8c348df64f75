//! What the fault shim does to a token, and what becomes of it: wrong and high signatures, hangs, late answers, sessions
//! and logins that are gone, bursts of errors, and a module that crashes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use custodyd_faultshim::{Code, Control, Function, Injection, Rules, library};
use custodyd_hsm::{Class, Curve, Hsm as _, HsmError, PublicPoint, Token};
use fixture::{Fixture, LONG, PIN, SOFTHSM, key, with_shim};
use k256::ecdsa::signature::hazmat::PrehashVerifier;

const DIGEST: [u8; 32] = [0x21; 32];
/// The functions that finding a key and signing with it calls, in their order.
const ON_THE_WAY: [Function; 6] = [
    Function::FindObjectsInit,
    Function::FindObjects,
    Function::FindObjectsFinal,
    Function::GetAttributeValue,
    Function::SignInit,
    Function::Sign,
];

fn opened(fixture: &Fixture, workers: usize) -> (Token, PublicPoint) {
    let token = fixture.open(workers);
    let public = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
    (token, public)
}

fn sign(token: &Token, limit: Duration) -> Result<[u8; 64], HsmError> {
    token.sign(&key(1), Curve::Secp256k1, DIGEST, limit)
}

/// By other code than the crate's: k256, which refuses high-S.
fn assert_good(public: &PublicPoint, signature: &[u8; 64]) {
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(public.as_bytes()).unwrap();
    let signature = k256::ecdsa::Signature::from_slice(signature).unwrap();
    assert!(signature.normalize_s().is_none(), "high-S");
    key.verify_prehash(&DIGEST, &signature).unwrap();
}

fn code(name: &str) -> Injection {
    Injection::Code(Code::named(name).unwrap())
}

fn wait_until(what: &str, met: impl Fn() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_wrong_signature_is_thrown_away_with_its_session_and_made_again() {
    const NAME: &str = "a_wrong_signature_is_thrown_away_with_its_session_and_made_again";
    with_shim(NAME, |fixture| {
        let (token, public) = opened(fixture, 1);
        let before = token.counters().sessions_opened;
        fixture.set_rules(&Rules::none().nth(3, Function::Sign, Injection::WrongSignature));
        for _ in 0..5 {
            assert_good(&public, &sign(&token, LONG).unwrap());
        }
        let counters = token.counters();
        assert_eq!((counters.bad_signatures, counters.signatures), (1, 5));
        assert_eq!(counters.sessions_opened, before + 1);
        assert_eq!(fixture.counts().sessions_open(), 2);
    });
}

#[test]
fn a_token_that_signs_wrongly_on_two_sessions_is_a_fatal_fault() {
    const NAME: &str = "a_token_that_signs_wrongly_on_two_sessions_is_a_fatal_fault";
    with_shim(NAME, |fixture| {
        let (token, _) = opened(fixture, 2);
        fixture.set_rules(&Rules::none().every(Function::Sign, Injection::WrongSignature));
        let error = sign(&token, LONG).unwrap_err();
        assert_eq!(error, HsmError::BadSignature { key: key(1) });
        assert_eq!(error.class(), Class::Fatal);
        let counters = token.counters();
        assert_eq!((counters.bad_signatures, counters.signatures), (2, 0));
        assert_eq!(fixture.counts().signatures(), 2);
    });
}

#[test]
fn a_high_s_leaves_as_low_s() {
    with_shim("a_high_s_leaves_as_low_s", |fixture| {
        let (token, public) = opened(fixture, 1);
        fixture.set_rules(&Rules::none().every(Function::Sign, Injection::HighS));
        for _ in 0..20 {
            assert_good(&public, &sign(&token, LONG).unwrap());
        }
        assert_eq!(fixture.counts().injected(), 20);
        assert_eq!(token.counters().bad_signatures, 0);
    });
}

#[test]
fn one_call_that_hangs_costs_its_caller_the_deadline_and_others_nothing() {
    const NAME: &str = "one_call_that_hangs_costs_its_caller_the_deadline_and_others_nothing";
    with_shim(NAME, |fixture| {
        let (token, public) = opened(fixture, 1);
        sign(&token, LONG).unwrap();
        fixture.set_rules(&Rules::none().next(1, Function::Sign, Injection::Hang));
        let limit = Duration::from_millis(200);
        assert_eq!(
            sign(&token, limit),
            Err(HsmError::Deadline {
                operation: "signing".into(),
                limit
            })
        );
        // The only worker is inside the module: another has taken its place.
        for _ in 0..10 {
            assert_good(&public, &sign(&token, LONG).unwrap());
        }
        let counters = token.counters();
        assert_eq!((counters.stuck_calls, counters.stuck_workers), (1, 1));
        assert_eq!(fixture.counts().sessions_open(), 3);

        fixture.set_rules(&Rules::none());
        wait_until("the worker came back", || {
            token.counters().stuck_workers == 0
        });
        // It was replaced: it closes its session and ends.
        wait_until("the session was closed", || {
            fixture.counts().sessions_open() == 2
        });
        assert_good(&public, &sign(&token, LONG).unwrap());
    });
}

#[test]
fn a_signature_that_comes_too_late_reaches_nobody() {
    with_shim(
        "a_signature_that_comes_too_late_reaches_nobody",
        |fixture| {
            let (token, public) = opened(fixture, 2);
            sign(&token, LONG).unwrap();
            let made = fixture.counts().signatures();
            fixture.set_rules(&Rules::none().next(1, Function::Sign, Injection::LateMs(400)));
            let (sender, receiver) = std::sync::mpsc::channel();
            let limit = Duration::from_millis(100);
            let reply = Box::new(move |answer| sender.send(answer).unwrap());
            token
                .submit_sign(key(1).into(), Curve::Secp256k1, DIGEST, limit, reply)
                .unwrap();
            let late = HsmError::Deadline {
                operation: "signing".into(),
                limit,
            };
            // One answer, and the sender is gone with it: the signature that was made has nowhere to go.
            assert_eq!(receiver.iter().collect::<Vec<_>>(), [Err(late)]);
            wait_until("the worker came back", || {
                token.counters().stuck_workers == 0
            });
            assert_eq!(fixture.counts().signatures(), made + 1);
            assert_good(&public, &sign(&token, LONG).unwrap());
        },
    );
}

#[test]
fn a_slow_module_is_waited_for_within_the_deadline() {
    with_shim(
        "a_slow_module_is_waited_for_within_the_deadline",
        |fixture| {
            let (token, public) = opened(fixture, 1);
            fixture.set_rules(&Rules::none().every(Function::Sign, Injection::DelayMs(150)));
            assert_good(&public, &sign(&token, LONG).unwrap());
            let counters = token.counters();
            assert_eq!((counters.stuck_calls, counters.retries), (0, 0));
        },
    );
}

/// Loses something at each function that a signature calls on its way, and wants the signature nevertheless.
fn lose(fixture: &Fixture, loss: Injection, relogins: u64) {
    for function in ON_THE_WAY {
        let (token, public) = opened(fixture, 1);
        // Another key, so that this one is looked for on the way.
        token.generate(&key(2), "hot", Curve::Secp256k1).unwrap();
        drop(token);
        let token = fixture.open(1);
        let before = fixture.counts().injected();
        fixture.set_rules(&Rules::none().next(1, function, loss));
        let signature = sign(&token, LONG);
        assert_good(
            &public,
            &signature.unwrap_or_else(|error| panic!("{}: {error}", function.name())),
        );
        assert_eq!(
            fixture.counts().injected(),
            before + 1,
            "{}",
            function.name()
        );
        let counters = token.counters();
        assert_eq!(
            (counters.retries, counters.relogins),
            (1, relogins),
            "{}",
            function.name()
        );
        assert_eq!(fixture.counts().sessions_open(), 2, "{}", function.name());
        fixture.set_rules(&Rules::none());
    }
}

#[test]
fn a_session_lost_at_any_step_is_replaced() {
    with_shim("a_session_lost_at_any_step_is_replaced", |fixture| {
        lose(fixture, Injection::LostSession, 0);
    });
}

#[test]
fn a_login_lost_at_any_step_is_repeated() {
    with_shim("a_login_lost_at_any_step_is_repeated", |fixture| {
        lose(fixture, Injection::LostLogin, 1);
    });
}

#[test]
fn a_burst_of_errors_shorter_than_the_retries_is_not_noticed() {
    const NAME: &str = "a_burst_of_errors_shorter_than_the_retries_is_not_noticed";
    with_shim(NAME, |fixture| {
        let (token, public) = opened(fixture, 1);
        // The shipped profile makes three attempts.
        for (burst, noticed) in [(1, false), (2, false), (3, true), (2, false)] {
            let retries = token.counters().retries;
            fixture.set_rules(&Rules::none().next(burst, Function::Sign, code("CKR_DEVICE_ERROR")));
            match sign(&token, LONG) {
                Ok(signature) => {
                    assert!(!noticed);
                    assert_good(&public, &signature);
                    assert_eq!(token.counters().retries, retries + burst);
                }
                Err(error) => {
                    assert!(noticed, "{burst}: {error}");
                    assert_eq!(error.to_string(), "C_Sign failed with CKR_DEVICE_ERROR");
                    assert_eq!(error.class(), Class::Retryable);
                }
            }
        }
        fixture.set_rules(&Rules::none());
        assert_good(&public, &sign(&token, LONG).unwrap());
        assert_eq!(fixture.counts().sessions_open(), 2);
    });
}

#[test]
fn a_token_out_of_sessions_is_told_apart_and_comes_back() {
    const NAME: &str = "a_token_out_of_sessions_is_told_apart_and_comes_back";
    with_shim(NAME, |fixture| {
        let (token, public) = opened(fixture, 1);
        sign(&token, LONG).unwrap();
        // The idle session and none beside it: the worker's, once lost, can't be replaced.
        fixture.set_rules(&Rules::none().max_sessions(1).next(
            1,
            Function::SignInit,
            Injection::LostSession,
        ));
        let error = sign(&token, LONG).unwrap_err();
        assert_eq!(
            error.to_string(),
            "C_OpenSession failed with CKR_SESSION_COUNT"
        );
        assert_eq!(error.class(), Class::Retryable);
        fixture.set_rules(&Rules::none());
        assert_good(&public, &sign(&token, LONG).unwrap());
    });
}

#[test]
fn the_shim_serves_other_programs_and_its_crash_is_a_real_one() {
    const NAME: &str = "the_shim_serves_other_programs_and_its_crash_is_a_real_one";
    with_shim(NAME, |fixture| {
        // Rules and counts of its own: it calls what the crate doesn't.
        let folder = tempfile::tempdir().unwrap();
        let control = Control::in_folder(folder.path());
        let tool = |more: &[&str]| {
            Command::new("pkcs11-tool")
                .arg("--module")
                .arg(library().unwrap())
                .args(["--token-label", fixture::LABEL, "--login", "--pin", PIN])
                .args(more)
                .envs(control.environment(Path::new(SOFTHSM)))
                .output()
                .expect("opensc is installed")
        };
        let (token, _) = opened(fixture, 1);
        let listed = tool(&["--list-objects"]);
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("Private Key Object; EC"), "{listed}");
        drop(token);

        let crash = Rules::none().every(Function::Login, Injection::Crash);
        control.set(&crash).unwrap();
        let crashed = tool(&["--list-objects"]);
        const SIGSEGV: i32 = 11;
        assert_eq!(crashed.status.signal(), Some(SIGSEGV), "{crashed:?}");
    });
}
