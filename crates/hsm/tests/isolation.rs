//! A token in a worker process: it signs as one in this process does, and whatever happens to the worker, this process
//! goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use custodyd_faultshim::{Control, Function, Injection, Rules};
use custodyd_hsm::{Class, Curve, Health, Hsm as _, HsmError, Isolated, Launch, Profile, Selector};
use fixture::{Fixture, LONG, PIN, SOFTHSM, key, pin, with_shim, with_token};

fn worker() -> PathBuf {
    env!("CARGO_BIN_EXE_hsm-worker").into()
}

fn launch(profile: Profile) -> Launch {
    Launch {
        program: worker(),
        arguments: vec!["--for=tests".to_owned()],
        profile,
        pin: pin(),
        workers: 2,
        name: "first".to_owned(),
    }
}

/// The shipped profile with what a worker process doesn't inherit.
fn profile(fixture: &Fixture) -> Profile {
    surrounded(fixture, fixture.profile())
}

fn surrounded(fixture: &Fixture, profile: Profile) -> Profile {
    let configuration = fixture.folder.join("softhsm2.conf");
    profile.with_environment("SOFTHSM2_CONF", configuration.to_str().unwrap())
}

fn open(fixture: &Fixture) -> Isolated {
    let token = Isolated::start(launch(profile(fixture))).unwrap();
    token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
    token
}

fn sign(token: &Isolated, number: u8) -> Result<[u8; 64], HsmError> {
    token.sign(&key(1), Curve::Secp256k1, [number; 32], LONG)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Whether a process handles a signal itself; none when it is gone.
fn caught(pid: u32, signal: u32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    Some(mask & 1 << (signal - 1) != 0)
}

/// Whether a process with this number runs; one that waits to be collected doesn't.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

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

#[test]
fn a_wrong_pin_is_one_clear_error_and_one_attempt() {
    with_token(
        "a_wrong_pin_is_one_clear_error_and_one_attempt",
        |fixture| {
            let profile = surrounded(fixture, fixture.spied())
                .with_environment("PKCS11SPY", fixture::SOFTHSM)
                .with_environment(
                    "PKCS11SPY_OUTPUT",
                    fixture.folder.join("spy.log").to_str().unwrap(),
                );
            let token = Isolated::begin(Launch {
                pin: "8-wrong-8".into(),
                ..launch(profile)
            })
            .unwrap();
            let error = token.opened().unwrap_err();
            assert!(matches!(error, HsmError::PinRefused { .. }), "{error}");
            assert_eq!(error.class(), Class::Misconfigured);
            assert!(!error.to_string().contains("8-wrong-8"));
            // Longer than the pauses before the first restarts of another failure.
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(sign(&token, 1), Err(error));
            assert!(matches!(token.members()[0].health, Health::Out { .. }));
            drop(token);
            assert_eq!(fixture.spy_log().matches("C_Login\n").count(), 1);
        },
    );
}

#[test]
fn what_keeps_a_token_from_opening_is_told_as_it_is_and_leaves_no_process_behind() {
    with_token(
        "what_keeps_a_token_from_opening_is_told_as_it_is_and_leaves_no_process_behind",
        |fixture| {
            let absent = Path::new("/nowhere/module.so");
            let error = Isolated::start(launch(fixture.profile().with_module(absent))).unwrap_err();
            assert!(matches!(error, HsmError::ModuleMissing { .. }), "{error}");
            let error = Isolated::start(launch(surrounded(
                fixture,
                fixture
                    .profile()
                    .with_selector(Selector::Label("another".to_owned())),
            )))
            .unwrap_err();
            assert!(matches!(error, HsmError::TokenMissing { .. }), "{error}");
            for (program, said) in [("/nowhere/worker", "No such file"), ("/bin/true", "")] {
                let error = Isolated::start(Launch {
                    program: program.into(),
                    ..launch(profile(fixture))
                })
                .unwrap_err();
                assert!(matches!(error, HsmError::NoWorker { .. }), "{error}");
                assert!(error.to_string().contains(said), "{error}");
            }
            assert_eq!(children(std::process::id()), Vec::<u32>::new());
        },
    );
}

fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let listed = std::fs::read_to_string(task.unwrap().path().join("children"));
        let listed = listed.unwrap_or_default();
        found.extend(
            listed
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    found
}

#[test]
fn the_pin_stands_neither_among_the_arguments_nor_in_the_environment_of_the_worker() {
    with_token(
        "the_pin_stands_neither_among_the_arguments_nor_in_the_environment_of_the_worker",
        |fixture| {
            let token = open(fixture);
            let pid = token.pid().unwrap();
            let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            let cmdline = String::from_utf8(cmdline).unwrap();
            assert!(cmdline.contains("--for=tests"), "{cmdline}");
            assert!(!cmdline.contains(PIN), "{cmdline}");
            // The process is not dumpable: its owner may not read this, only root may.
            if let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) {
                let environ = String::from_utf8(environ).unwrap();
                assert!(environ.contains("SOFTHSM2_CONF="), "{environ}");
                assert!(!environ.contains(PIN));
                assert!(!environ.contains("CUSTODYD_HSM_TEST_FOLDER"), "{environ}");
            }
            let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let core = limits
                .lines()
                .find(|line| line.starts_with("Max core file size"))
                .unwrap();
            assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        },
    );
}

#[test]
fn a_worker_ends_with_its_host_however_that_ends_and_not_by_the_hosts_signals() {
    with_token(
        "a_worker_ends_with_its_host_however_that_ends_and_not_by_the_hosts_signals",
        |fixture| {
            let token = open(fixture);
            let pid = token.pid().unwrap();
            for meant_for_the_host in ["-TERM", "-INT", "-HUP"] {
                signal(pid, meant_for_the_host);
            }
            sign(&token, 1).unwrap();
            drop(token);
            assert!(!runs(pid));

            // A host that is killed: this very test again, which waits for its end while a worker serves it.
            let mut host = Command::new(std::env::current_exe().unwrap())
                .args(["a_host_that_waits_to_be_killed", "--exact", "--ignored"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut workers = Vec::new();
            until("the host has a worker that serves", || {
                workers = children(host.id());
                fixture.folder.join("serves").exists()
            });
            assert_eq!(workers.len(), 1);
            host.kill().unwrap();
            host.wait().unwrap();
            until("the worker ends", || !runs(workers[0]));
        },
    );
}

#[test]
#[ignore = "the other half of the test before, in a process of its own"]
fn a_host_that_waits_to_be_killed() {
    with_token("a_host_that_waits_to_be_killed", |fixture| {
        let _token = open(fixture);
        std::fs::write(fixture.folder.join("serves"), "").unwrap();
        std::thread::sleep(LONG);
        panic!("nobody killed it");
    });
}

#[test]
fn as_many_calls_as_the_queue_takes_wait_and_the_next_is_refused_at_once() {
    with_token(
        "as_many_calls_as_the_queue_takes_wait_and_the_next_is_refused_at_once",
        |fixture| {
            let few = fixture.profile_with(|text| text.replace("queue = 1024", "queue = 3"));
            let token = Isolated::start(launch(surrounded(fixture, few))).unwrap();
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            signal(token.pid().unwrap(), "-STOP");
            let (sender, receiver) = mpsc::channel();
            let submit = || {
                let sender = sender.clone();
                let reply = Box::new(move |result| drop(sender.send(result)));
                token.submit_sign(key(1).into(), Curve::Secp256k1, [1; 32], LONG, reply)
            };
            let mut taken = 0;
            let refused = loop {
                match submit() {
                    Ok(()) => taken += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(refused, HsmError::QueueFull { capacity: 3 });
            // Two run and three wait; a probe may hold one of these places.
            assert!((4..=5).contains(&taken), "{taken}");
            signal(token.pid().unwrap(), "-CONT");
            for _ in 0..taken {
                let result: Result<[u8; 64], HsmError> = receiver.recv_timeout(LONG).unwrap();
                result.unwrap();
            }
        },
    );
}

#[test]
fn a_request_that_fits_no_frame_is_refused_and_the_next_is_served() {
    with_token(
        "a_request_that_fits_no_frame_is_refused_and_the_next_is_served",
        |fixture| {
            let token = open(fixture);
            let label = "l".repeat(300_000);
            let error = token
                .generate(&key(2), &label, Curve::Secp256k1)
                .unwrap_err();
            assert!(matches!(error, HsmError::TooLong { .. }), "{error}");
            sign(&token, 1).unwrap();
            assert_eq!(token.members()[0].restarts, 0);
        },
    );
}
