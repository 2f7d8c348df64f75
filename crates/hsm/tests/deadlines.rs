//! A module that hangs: SoftHSM behind a p11-kit server that is stopped, killed or empty.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use custodyd_hsm::{Class, Curve, Hsm as _, HsmError, Token};
use fixture::{Fixture, LABEL, LONG, key, pin, with_token};

fn remote(fixture: &Fixture, queue: usize) -> custodyd_hsm::Profile {
    let text = |text: String| {
        text.replace("queue = 1024", &format!("queue = {queue}"))
            .replace("open_ms = 30000", "open_ms = 4000")
    };
    fixture.profile_with(text).with_module(&fixture.client())
}

#[test]
fn a_call_that_hangs_is_answered_at_its_deadline_and_the_token_recovers() {
    with_token(
        "a_call_that_hangs_is_answered_at_its_deadline_and_the_token_recovers",
        |fixture| {
            let server = fixture.serve(LABEL);
            let token = Token::open(&remote(fixture, 64), pin(), 2).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            token
                .sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
                .unwrap();

            server.signal("-STOP");
            let limit = Duration::from_millis(300);
            let start = Instant::now();
            let error = token
                .sign(&key(1), Curve::Secp256k1, [2; 32], limit)
                .unwrap_err();
            assert_eq!(
                error,
                HsmError::Deadline {
                    operation: "signing".into(),
                    limit
                }
            );
            assert_eq!(error.class(), Class::Retryable);
            assert!(
                start.elapsed() >= limit && start.elapsed() < Duration::from_secs(3),
                "{:?}",
                start.elapsed()
            );
            let counters = token.counters();
            assert_eq!(
                (
                    counters.stuck_calls,
                    counters.stuck_workers,
                    counters.signatures
                ),
                (1, 1, 1)
            );

            server.signal("-CONT");
            token
                .sign(&key(1), Curve::Secp256k1, [3; 32], LONG)
                .unwrap();
            let start = Instant::now();
            while token.counters().stuck_workers > 0 {
                assert!(start.elapsed() < LONG, "the worker did not come back");
                std::thread::sleep(Duration::from_millis(10));
            }
        },
    );
}

#[test]
fn a_full_queue_refuses_at_once_and_forgets_nobody() {
    with_token(
        "a_full_queue_refuses_at_once_and_forgets_nobody",
        |fixture| {
            let server = fixture.serve(LABEL);
            let token = Token::open(&remote(fixture, 2), pin(), 1).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();

            server.signal("-STOP");
            let (sender, receiver) = mpsc::channel();
            let submit = |number: u8| {
                let sender = sender.clone();
                let reply = Box::new(move |result: Result<[u8; 64], HsmError>| {
                    drop(sender.send((number, result)))
                });
                token.submit_sign(key(1).into(), Curve::Secp256k1, [number; 32], LONG, reply)
            };
            submit(0).unwrap();
            // Until the worker has taken it.
            while token.counters().queued > 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            submit(1).unwrap();
            submit(2).unwrap();
            assert_eq!(submit(3), Err(HsmError::QueueFull { capacity: 2 }));
            assert_eq!(token.counters().queued, 2);

            server.signal("-CONT");
            for expected in 0..3 {
                let (number, result) = receiver.recv_timeout(LONG).unwrap();
                assert_eq!(number, expected);
                result.unwrap();
            }
        },
    );
}

#[test]
fn a_call_waiting_behind_one_that_hangs_has_its_own_deadline() {
    with_token(
        "a_call_waiting_behind_one_that_hangs_has_its_own_deadline",
        |fixture| {
            let server = fixture.serve(LABEL);
            let token = Token::open(&remote(fixture, 8), pin(), 1).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            server.signal("-STOP");
            let slow = token.clone();
            let first =
                std::thread::spawn(move || slow.sign(&key(1), Curve::Secp256k1, [1; 32], LONG));
            let start = Instant::now();
            let limit = Duration::from_millis(200);
            let second = token.sign(&key(1), Curve::Secp256k1, [2; 32], limit);
            assert_eq!(
                second,
                Err(HsmError::Deadline {
                    operation: "signing".into(),
                    limit
                })
            );
            assert!(start.elapsed() < Duration::from_secs(3));
            server.signal("-CONT");
            first.join().unwrap().unwrap();
        },
    );
}

#[test]
fn an_absent_token_behind_p11_kit_does_not_hang_the_opening() {
    with_token(
        "an_absent_token_behind_p11_kit_does_not_hang_the_opening",
        |fixture| {
            let _server = fixture.serve("elsewhere");
            let start = Instant::now();
            let error = Token::open(&remote(fixture, 8), pin(), 1).unwrap_err();
            assert!(
                start.elapsed() < Duration::from_secs(8),
                "{:?}",
                start.elapsed()
            );
            if matches!(error, HsmError::TokenMissing { .. }) {
                return; // This p11-kit tells the truth.
            }
            assert_eq!(
                error,
                HsmError::Deadline {
                    operation: "C_GetSlotList".into(),
                    limit: Duration::from_secs(2)
                }
            );
            // It still spins: the next opening must not set another thread spinning.
            let start = Instant::now();
            let error = Token::open(&remote(fixture, 8), pin(), 1).unwrap_err();
            assert!(
                matches!(
                    error,
                    HsmError::ModuleStuck { ref operation, .. } if operation == "C_GetSlotList"
                ),
                "{error}"
            );
            assert!(start.elapsed() < Duration::from_secs(1));
        },
    );
}

#[test]
fn a_killed_server_is_an_error_and_not_a_hang() {
    with_token("a_killed_server_is_an_error_and_not_a_hang", |fixture| {
        let server = fixture.serve(LABEL);
        let token = Token::open(&remote(fixture, 8), pin(), 1).unwrap();
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        drop(server);
        let error = token
            .sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
            .unwrap_err();
        assert_ne!(error.class(), Class::Fatal, "{error}");
    });
}
