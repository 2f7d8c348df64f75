//! The border between a worker process and its host: what may cross it, what is told over it, and that neither outlives
//! the other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;
mod isolated;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use custodyd_hsm::{Class, Curve, Health, Hsm as _, HsmError, Isolated, Launch, Selector};
use fixture::{LONG, PIN, key, with_token};
use isolated::{children, launch, open, profile, runs, sign, signal, surrounded, until};

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
fn a_worker_takes_over_the_variables_that_its_profile_names_and_no_others() {
    with_token(
        "a_worker_takes_over_the_variables_that_its_profile_names_and_no_others",
        |fixture| {
            // SOFTHSM2_CONF stands in this process's environment, and in none of the profile's own.
            let mut profile = fixture.profile();
            assert_eq!(profile.inherit, ["SOFTHSM2_CONF"]);
            drop(Isolated::start(launch(profile.clone())).unwrap());
            profile.inherit.clear();
            let error = Isolated::start(launch(profile)).unwrap_err();
            assert!(matches!(error, HsmError::TokenMissing { .. }), "{error}");
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
