//! A token in a worker process: it signs as one in this process does, and whatever happens to the worker, this process
//! goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;
mod isolated;

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use custodyd_faultshim::{Control, Function, Injection, Rules};
use custodyd_hsm::{Class, Curve, Health, Hsm as _, HsmError, Isolated};
use fixture::{LONG, SOFTHSM, key, with_shim, with_token};
use isolated::{caught, launch, open, profile, runs, sign, signal, until};

#[test]
fn a_worker_process_signs_finds_and_lists_as_a_token_in_this_process_does() {
    with_token(
        "a_worker_process_signs_finds_and_lists_as_a_token_in_this_process_does",
        |fixture| {
            let inside = fixture.open(1);
            let public = inside.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            let token = Isolated::start(launch(profile(fixture))).unwrap();
            assert_eq!(
                token.generate(&key(1), "hot", Curve::Secp256k1).unwrap(),
                public
            );
            assert_eq!(token.find(&key(1)), inside.find(&key(1)));
            assert_eq!(token.find(&key(2)).unwrap(), None);
            assert_eq!(token.list(), inside.list());
            assert_eq!(token.probe(LONG).unwrap(), *inside.info());
            token.check_attributes(&key(1)).unwrap();
            let other = token.sign(&key(1), Curve::P256, [1; 32], LONG);
            assert!(matches!(other, Err(HsmError::CurveMismatch { .. })));

            let verifier = k256::ecdsa::VerifyingKey::from_sec1_bytes(public.as_bytes()).unwrap();
            let (sender, receiver) = mpsc::channel();
            for number in 0..200_u8 {
                let sender = sender.clone();
                let reply = Box::new(move |result| drop(sender.send((number, result))));
                token
                    .submit_sign(key(1).into(), Curve::Secp256k1, [number; 32], LONG, reply)
                    .unwrap();
            }
            for _ in 0..200 {
                use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
                let (number, result) = receiver.recv_timeout(LONG).unwrap();
                let signature = k256::ecdsa::Signature::from_slice(&result.unwrap()).unwrap();
                assert!(signature.normalize_s().is_none());
                verifier.verify_prehash(&[number; 32], &signature).unwrap();
            }
            until("the counters come with a sign of life", || {
                token.members()[0].counters.signatures == 200
            });
            let [status] = token.members().try_into().unwrap();
            assert_eq!((status.name.as_str(), status.health), ("first", Health::Up));
            assert_eq!(status.info.unwrap(), *inside.info());
            assert_eq!(status.restarts, 0);
        },
    );
}

#[test]
fn a_worker_that_crashes_while_it_signs_fails_its_calls_to_be_tried_again_and_is_replaced() {
    with_token(
        "a_worker_that_crashes_while_it_signs_fails_its_calls_to_be_tried_again_and_is_replaced",
        |fixture| {
            let token = open(fixture);
            for (round, with) in [(1, "-KILL"), (2, "-SEGV"), (3, "-ABRT")] {
                let (sender, receiver) = mpsc::channel();
                for number in 0..900_u16 {
                    let sender = sender.clone();
                    let reply = Box::new(move |result| drop(sender.send(result)));
                    let digest = [number.to_be_bytes(); 16].concat().try_into().unwrap();
                    token
                        .submit_sign(key(1).into(), Curve::Secp256k1, digest, LONG, reply)
                        .unwrap();
                }
                let pid = token.pid().unwrap();
                signal(pid, with);
                if with == "-SEGV" {
                    // Rust's own handler looks for a stack overflow and lets a fault that is none happen again.
                    until("it looked", || caught(pid, 11).is_none_or(|caught| !caught));
                    let _ = Command::new("kill").args([with, &pid.to_string()]).status();
                }
                let results: Vec<Result<[u8; 64], HsmError>> = (0..900)
                    .map(|_| receiver.recv_timeout(LONG).unwrap())
                    .collect();
                let lost: Vec<&HsmError> =
                    results.iter().filter_map(|r| r.as_ref().err()).collect();
                assert!(!lost.is_empty(), "{with} came too late");
                for error in lost {
                    assert!(matches!(error, HsmError::WorkerLost { .. }), "{error}");
                    assert_eq!(error.class(), Class::Retryable);
                }
                until("signs again", || match sign(&token, 1) {
                    Ok(_) => true,
                    Err(error) => {
                        assert_eq!(error.class(), Class::Retryable, "{error}");
                        false
                    }
                });
                let [status] = token.members().try_into().unwrap();
                assert_eq!((status.restarts, status.health), (round, Health::Up));
                assert!(status.counters.failures_retryable > 0);
            }
        },
    );
}

#[test]
fn a_fault_inside_the_library_takes_its_own_process_along_and_nothing_else() {
    with_shim(
        "a_fault_inside_the_library_takes_its_own_process_along_and_nothing_else",
        |fixture| {
            let shim = Control::in_folder(&fixture.folder).environment(Path::new(SOFTHSM));
            let profile = shim
                .iter()
                .fold(profile(fixture), |profile, (name, value)| {
                    profile.with_environment(name, value.to_str().unwrap())
                });
            let token = Isolated::start(launch(profile)).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            for round in 1..=3 {
                fixture.set_rules(&Rules::none().nth(2, Function::Sign, Injection::Crash));
                sign(&token, 1).unwrap();
                let HsmError::WorkerLost { how, .. } = sign(&token, 2).unwrap_err() else {
                    panic!("it did not crash");
                };
                assert!(how.contains("SIGSEGV"), "{how}");
                fixture.set_rules(&Rules::none());
                until("signs again", || sign(&token, 3).is_ok());
                assert_eq!(token.members()[0].restarts, round);
            }
        },
    );
}

#[test]
fn a_worker_that_stands_still_is_answered_for_at_the_deadline_and_replaced() {
    with_token(
        "a_worker_that_stands_still_is_answered_for_at_the_deadline_and_replaced",
        |fixture| {
            let token = open(fixture);
            let stopped = token.pid().unwrap();
            signal(stopped, "-STOP");
            let limit = Duration::from_millis(200);
            let error = token
                .sign(&key(1), Curve::Secp256k1, [1; 32], limit)
                .unwrap_err();
            let operation = "signing".into();
            assert_eq!(error, HsmError::Deadline { operation, limit });
            let error = sign(&token, 2).unwrap_err();
            assert!(matches!(error, HsmError::WorkerLost { .. }), "{error}");
            until("signs again", || sign(&token, 3).is_ok());
            assert!(!runs(stopped));
        },
    );
}

#[test]
fn a_library_that_hangs_is_replaced_with_its_process() {
    with_token(
        "a_library_that_hangs_is_replaced_with_its_process",
        |fixture| {
            let server = fixture.serve(fixture::LABEL);
            let address = format!("unix:path={}", fixture.folder.join("socket").display());
            let profile = fixture
                .profile_with(|text| text.replace("call_ms = 10000", "call_ms = 1500"))
                .with_module(&fixture.client())
                .with_environment("P11_KIT_SERVER_ADDRESS", &address);
            let token = Isolated::start(launch(profile)).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            let first = token.pid().unwrap();
            server.signal("-STOP");
            until("its process is ended", || !runs(first));
            server.signal("-CONT");
            until("signs again", || sign(&token, 3).is_ok());
        },
    );
}

#[test]
fn a_server_that_was_restarted_is_reached_again_by_a_fresh_process() {
    with_token(
        "a_server_that_was_restarted_is_reached_again_by_a_fresh_process",
        |fixture| {
            let server = fixture.serve(fixture::LABEL);
            let address = format!("unix:path={}", fixture.folder.join("socket").display());
            let profile = fixture
                .profile()
                .with_module(&fixture.client())
                .with_environment("P11_KIT_SERVER_ADDRESS", &address);
            let token = Isolated::start(launch(profile)).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            drop(server);
            assert!(sign(&token, 1).is_err());
            let _server = fixture.serve(fixture::LABEL);
            until("signs again", || sign(&token, 2).is_ok());
        },
    );
}

#[test]
fn a_token_that_was_taken_out_and_put_back_is_found_again_by_a_fresh_process() {
    with_token(
        "a_token_that_was_taken_out_and_put_back_is_found_again_by_a_fresh_process",
        |fixture| {
            let token = open(fixture);
            let (place, aside) = (fixture.folder.join("tokens"), fixture.folder.join("aside"));
            std::fs::rename(&place, &aside).unwrap();
            until("it is seen to be out", || {
                let error = sign(&token, 1).unwrap_err();
                println!("{error}");
                matches!(token.members()[0].health, Health::Out { .. })
            });
            std::fs::rename(&aside, &place).unwrap();
            until("signs again", || sign(&token, 2).is_ok());
        },
    );
}
