//! Two SoftHSM tokens with the same keys: one in this process, its copy behind a p11-kit server that is stopped and killed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use custodyd_hsm::{
    Class, Curve, Fleet, FleetSettings, Health, Hsm, HsmError, Isolated, KeyId, Launch,
    MemberStatus, Opening, Selector, Token,
};
use fixture::{Fixture, LABEL, LONG, Server, key, pin, with_token};

const CURVE: Curve = Curve::Secp256k1;

/// The near token makes these keys, and the far one becomes its copy.
fn with_keys(fixture: &Fixture, keys: &[KeyId]) -> (Token, PathBuf) {
    let near = fixture.open(2).named("near");
    for id in keys {
        near.generate(id, "hot", CURVE).unwrap();
    }
    let far = fixture.folder.join("far");
    fs::create_dir(&far).unwrap();
    copy(fixture, &far);
    let text = format!("directories.tokendir = {}\n", far.join("tokens").display());
    fs::write(far.join("softhsm2.conf"), text).unwrap();
    (near, far.join("softhsm2.conf"))
}

fn copy(fixture: &Fixture, far: &Path) {
    let copied = Command::new("cp")
        .arg("-r")
        .arg(fixture.folder.join("tokens"))
        .arg(far)
        .status()
        .unwrap();
    assert!(copied.success());
}

fn far(fixture: &Fixture) -> Result<Token, HsmError> {
    let profile = fixture.profile_with(|text| text.replace("open_ms = 30000", "open_ms = 4000"));
    let profile = profile.with_module(&fixture.client());
    Token::open(&profile, pin(), 2).map(|token| token.named("far"))
}

fn fleet(near: Token, far: impl Hsm + 'static, settings: FleetSettings) -> Fleet {
    Fleet::new(vec![Arc::new(near), Arc::new(far)], settings).unwrap()
}

/// Two tokens that hold key 1, as a fleet.
fn two(fixture: &Fixture, settings: FleetSettings) -> (Fleet, Server) {
    let (near, configuration) = with_keys(fixture, &[key(1)]);
    let server = fixture.serve_from(LABEL, &configuration);
    (fleet(near, far(fixture).unwrap(), settings), server)
}

fn member(hsm: &dyn Hsm, name: &str) -> MemberStatus {
    let members = hsm.members();
    members.into_iter().find(|m| m.name == name).unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn sign(fleet: &Fleet, number: u8) -> [u8; 64] {
    fleet.sign(&key(1), CURVE, [number; 32], LONG).unwrap()
}

/// Signs on four threads while `blow` falls, and gives the longest that a caller waited for a signature.
fn sign_through(fleet: &Fleet, blow: impl FnOnce()) -> Duration {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|number| {
                let over = &over;
                scope.spawn(move || {
                    let mut longest = Duration::ZERO;
                    while !over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        sign(fleet, number);
                        longest = longest.max(start.elapsed());
                    }
                    longest
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        blow();
        until("the token is out", || {
            matches!(member(fleet, "far").health, Health::Out { .. })
        });
        thread::sleep(Duration::from_millis(200));
        over.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .max()
            .unwrap()
    })
}

#[test]
fn work_is_spread_over_the_tokens() {
    with_token("work_is_spread_over_the_tokens", |fixture| {
        let (fleet, _server) = two(fixture, FleetSettings::default());
        for number in 0..40 {
            sign(&fleet, number);
        }
        for name in ["near", "far"] {
            let signatures = member(&fleet, name).counters.signatures;
            assert!(signatures >= 15, "{name}: {signatures}");
        }
    });
}

#[test]
fn signatures_go_on_when_a_token_is_killed() {
    with_token("signatures_go_on_when_a_token_is_killed", |fixture| {
        let (fleet, server) = two(fixture, FleetSettings::default());
        let longest = sign_through(&fleet, || server.signal("-KILL"));
        println!("killed: the longest wait for a signature was {longest:?}");
        assert!(longest < Duration::from_secs(5));
        let Health::Out { reason } = member(&fleet, "far").health else {
            panic!("the killed token is up");
        };
        assert!(!reason.is_empty() && !reason.contains(fixture::PIN));
    });
}

#[test]
fn signatures_go_on_when_a_token_hangs_and_it_works_again_when_it_answers() {
    with_token(
        "signatures_go_on_when_a_token_hangs_and_it_works_again_when_it_answers",
        |fixture| {
            let (fleet, server) = two(fixture, FleetSettings::default());
            let longest = sign_through(&fleet, || server.signal("-STOP"));
            println!("stopped: the longest wait for a signature was {longest:?}");
            assert!(longest < Duration::from_secs(5));

            let before = member(&fleet, "far").counters.signatures;
            server.signal("-CONT");
            until("the token is up again", || {
                sign(&fleet, 9);
                member(&fleet, "far").health == Health::Up
            });
            until("it signs again", || {
                sign(&fleet, 9);
                member(&fleet, "far").counters.signatures > before
            });
        },
    );
}

/// Only a fresh process reaches a p11-kit server that was started again.
fn isolated(fixture: &Fixture) -> Isolated {
    let socket = format!("unix:path={}", fixture.folder.join("socket").display());
    Isolated::start(Launch {
        program: env!("CARGO_BIN_EXE_hsm-worker").into(),
        arguments: vec!["--for=tests".to_owned()],
        profile: fixture
            .profile()
            .with_module(&fixture.client())
            .with_environment("P11_KIT_SERVER_ADDRESS", &socket),
        pin: pin(),
        workers: 2,
        name: "far".to_owned(),
    })
    .unwrap()
}

#[test]
fn a_token_that_was_killed_gets_work_again_when_its_server_is_back() {
    with_token(
        "a_token_that_was_killed_gets_work_again_when_its_server_is_back",
        |fixture| {
            let (near, configuration) = with_keys(fixture, &[key(1)]);
            let server = fixture.serve_from(LABEL, &configuration);
            let fleet = fleet(near, isolated(fixture), FleetSettings::default());
            let longest = sign_through(&fleet, || drop(server));
            println!("killed behind its process: the longest wait for a signature was {longest:?}");
            assert!(longest < Duration::from_secs(5));

            let _server = fixture.serve_from(LABEL, &configuration);
            let before = member(&fleet, "far").counters.signatures;
            until("it is up and signs", || {
                sign(&fleet, 9);
                let far = member(&fleet, "far");
                far.health == Health::Up && far.counters.signatures > before
            });
        },
    );
}

#[test]
fn a_worker_process_that_is_killed_costs_no_signature() {
    with_token(
        "a_worker_process_that_is_killed_costs_no_signature",
        |fixture| {
            let (near, configuration) = with_keys(fixture, &[key(1)]);
            let _server = fixture.serve_from(LABEL, &configuration);
            let far = isolated(fixture);
            let pid = far.pid().unwrap().to_string();
            let fleet = fleet(near, far, FleetSettings::default());
            for number in 0..20 {
                sign(&fleet, number);
            }
            let killed = Command::new("kill").args(["-KILL", &pid]).status();
            assert!(killed.unwrap().success());
            for number in 0..20 {
                sign(&fleet, number);
            }
            until("it was started again and signs", || {
                sign(&fleet, 9);
                let far = member(&fleet, "far");
                far.restarts > 0 && far.health == Health::Up
            });
        },
    );
}

#[test]
fn an_idle_token_that_dies_is_noticed_without_a_request() {
    with_token(
        "an_idle_token_that_dies_is_noticed_without_a_request",
        |fixture| {
            let (fleet, server) = two(fixture, FleetSettings::default());
            server.signal("-KILL");
            until("the token is out", || {
                matches!(member(&fleet, "far").health, Health::Out { .. })
            });
            assert_eq!(member(&fleet, "near").health, Health::Up);
        },
    );
}

#[test]
fn a_token_that_is_not_there_at_start_joins_when_it_comes() {
    with_token(
        "a_token_that_is_not_there_at_start_joins_when_it_comes",
        |fixture| {
            let (near, configuration) = with_keys(fixture, &[key(1)]);
            // A module that was initialised without its server stays blind in this process, so here it waits for the socket; in a
            // worker process each attempt is a fresh one.
            let (profile, socket) = (
                fixture.profile().with_module(&fixture.client()),
                fixture.folder.join("socket"),
            );
            let fault = HsmError::TokenMissing {
                selector: LABEL.into(),
                present: Vec::new(),
            };
            let away = fault.clone();
            let open = move || {
                if !socket.exists() {
                    return Err(away.clone());
                }
                let token = Token::open(&profile, pin(), 1)?.named("far");
                Ok(Arc::new(token) as Arc<dyn Hsm>)
            };
            let opening = Opening::start("far", fault, LONG, open).unwrap();
            let fleet = fleet(near, opening, FleetSettings::default());
            assert!(matches!(member(&fleet, "far").health, Health::Out { .. }));
            sign(&fleet, 1);
            let _server = fixture.serve_from(LABEL, &configuration);
            until("it signs", || {
                sign(&fleet, 2);
                member(&fleet, "far").counters.signatures > 0
            });
        },
    );
}

#[test]
fn a_token_whose_server_is_down_may_come_and_one_with_a_wrong_pin_may_not() {
    with_token(
        "a_token_whose_server_is_down_may_come_and_one_with_a_wrong_pin_may_not",
        |fixture| {
            let down = far(fixture).unwrap_err();
            assert!(Opening::may_pass(&down), "{down}");
            let wrong = Token::open(&fixture.profile(), "no-such-pin".into(), 1).unwrap_err();
            assert!(!Opening::may_pass(&wrong), "{wrong}");
            let label = Selector::Label("no-such-label".into());
            let elsewhere = fixture.profile().with_selector(label);
            let elsewhere = Token::open(&elsewhere, pin(), 1).unwrap_err();
            assert!(!Opening::may_pass(&elsewhere), "{elsewhere}");
        },
    );
}

#[test]
fn a_key_that_one_token_lacks_is_signed_with_on_the_other() {
    with_token(
        "a_key_that_one_token_lacks_is_signed_with_on_the_other",
        |fixture| {
            let (near, configuration) = with_keys(fixture, &[]);
            near.generate(&key(1), "late", CURVE).unwrap();
            let _server = fixture.serve_from(LABEL, &configuration);
            let fleet = fleet(near, far(fixture).unwrap(), FleetSettings::default());
            for number in 0..20 {
                sign(&fleet, number);
            }
            assert_eq!(fleet.find(&key(1)).unwrap().unwrap().id, key(1));
            let status = member(&fleet, "far");
            assert_eq!((status.missing_keys, status.health), (1, Health::Up));
            // Missing on all is missing.
            let error = fleet.sign(&key(2), CURVE, [1; 32], LONG).unwrap_err();
            assert!(matches!(error, HsmError::KeyMissing { .. }), "{error}");
            assert_eq!(fleet.find(&key(2)), Ok(None));
        },
    );
}

#[test]
fn a_token_with_another_key_under_the_same_id_never_signs_with_it() {
    with_token(
        "a_token_with_another_key_under_the_same_id_never_signs_with_it",
        |fixture| {
            let (near, configuration) = with_keys(fixture, &[]);
            let _server = fixture.serve_from(LABEL, &configuration);
            let far = far(fixture).unwrap();
            near.generate(&key(1), "hot", CURVE).unwrap();
            far.generate(&key(1), "hot", CURVE).unwrap();
            let fleet = fleet(near, far, FleetSettings::default());
            // The daemon compares with its journal at start; the token asked first stands for it here.
            let first = fleet.find(&key(1)).unwrap().unwrap();
            for number in 0..20 {
                sign(&fleet, number);
            }
            let shown: Vec<_> = ["near", "far"]
                .map(|name| (name, member(&fleet, name)))
                .into_iter()
                .filter(|(_, status)| status.counters.signatures > 0)
                .collect();
            assert_eq!(shown.len(), 1, "{shown:?}");
            let wrong = if shown[0].0 == "near" { "far" } else { "near" };
            let Health::Out { reason } = member(&fleet, wrong).health else {
                panic!("{wrong} is up");
            };
            assert!(
                reason.contains("near") && reason.contains("far"),
                "{reason}"
            );
            assert!(reason.contains(&first.public.to_string()), "{reason}");
            // Probes go on, and don't bring it back.
            thread::sleep(Duration::from_millis(700));
            assert!(matches!(member(&fleet, wrong).health, Health::Out { .. }));
        },
    );
}

#[test]
fn a_new_key_counts_once_every_token_shows_it() {
    with_token("a_new_key_counts_once_every_token_shows_it", |fixture| {
        let settings = FleetSettings {
            replica_wait: Duration::from_millis(300),
            ..FleetSettings::default()
        };
        let (fleet, _server) = two(fixture, settings);
        let error = fleet.generate(&key(2), "new", CURVE).unwrap_err();
        let tokens = vec!["far".to_owned()];
        assert_eq!(
            (error.class(), error),
            (
                Class::Retryable,
                HsmError::KeyNotReplicated {
                    key: key(2),
                    tokens
                }
            )
        );
        let made = fleet.each()[0].find(&key(2)).unwrap().unwrap().public;
        // What a cluster does by itself.
        copy(fixture, &fixture.folder.join("far"));
        until("it counts", || {
            fleet.generate(&key(2), "new", CURVE) == Ok(made)
        });
        assert_eq!(fleet.each()[1].find(&key(2)).unwrap().unwrap().public, made);
    });
}

#[test]
fn no_key_is_made_while_a_token_is_out_that_might_hold_it() {
    with_token(
        "no_key_is_made_while_a_token_is_out_that_might_hold_it",
        |fixture| {
            let settings = FleetSettings {
                replicas: Some(1),
                ..FleetSettings::default()
            };
            let (fleet, server) = two(fixture, settings);
            let made = fleet.generate(&key(2), "new", CURVE).unwrap();
            server.signal("-KILL");
            until("the token is out", || {
                matches!(member(&fleet, "far").health, Health::Out { .. })
            });
            let error = fleet.generate(&key(3), "new", CURVE).unwrap_err();
            assert_eq!(error.class(), Class::Retryable);
            assert!(
                matches!(&error, HsmError::TokensAway { tokens, .. } if tokens == &["far"]),
                "{error}"
            );
            assert_eq!(fleet.find(&key(1)).unwrap().unwrap().id, key(1));
            assert_eq!(fleet.generate(&key(2), "new", CURVE), Ok(made));
        },
    );
}

#[test]
fn a_listing_is_what_all_tokens_hold() {
    with_token("a_listing_is_what_all_tokens_hold", |fixture| {
        let (near, configuration) = with_keys(fixture, &[key(1)]);
        near.generate(&key(2), "near alone", CURVE).unwrap();
        let _server = fixture.serve_from(LABEL, &configuration);
        let far = far(fixture).unwrap();
        far.generate(&key(3), "far alone", CURVE).unwrap();
        let fleet = fleet(near, far, FleetSettings::default());
        let ids: Vec<KeyId> = fleet.list().unwrap().iter().map(|key| key.id).collect();
        assert_eq!(ids, [key(1), key(2), key(3)]);
    });
}
