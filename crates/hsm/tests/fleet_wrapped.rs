//! Wrapped keys on several tokens: whoever holds the wrapping key serves them, and what is wrong with a wrapped key is not
//! held against a token.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use custodyd_hsm::{
    Curve, Fleet, FleetSettings, Health, Hsm as _, HsmError, Isolated, KeyRef, Launch,
    MemberStatus, Request, Response, WrappedKey, make_wrapping_key,
};
use fixture::{Fixture, LONG, key, pin, with_token};

const WRAPPING: u8 = 200;

fn ceremony(fixture: &Fixture) {
    let so_pin = "so-pin-1".into();
    make_wrapping_key(&fixture.profile(), pin(), so_pin, &key(WRAPPING), "w").unwrap();
}

/// The configuration of a copy of the token as it is now.
fn copied(fixture: &Fixture) -> PathBuf {
    let far = fixture.folder.join("far");
    fs::create_dir(&far).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(fixture.folder.join("tokens"))
        .arg(&far)
        .status()
        .unwrap();
    assert!(copied.success());
    let configuration = far.join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\n", far.join("tokens").display());
    fs::write(&configuration, text).unwrap();
    configuration
}

/// The token in this process, and its copy in a worker process: p11-kit's protocol has no CKM_AES_KEY_WRAP_PAD.
fn two(fixture: &Fixture, copy: &Path) -> Fleet {
    let near = fixture.open(2).named("near");
    let profile = fixture.profile();
    let far = Isolated::start(Launch {
        program: env!("CARGO_BIN_EXE_hsm-worker").into(),
        arguments: vec!["--for=tests".to_owned()],
        profile: profile.with_environment("SOFTHSM2_CONF", copy.to_str().unwrap()),
        pin: pin(),
        workers: 2,
        name: "far".to_owned(),
    })
    .unwrap();
    // Slow machines must not look like silent tokens.
    let settings = FleetSettings {
        hedge: Duration::from_secs(5),
        ..FleetSettings::default()
    };
    Fleet::new(vec![Arc::new(near), Arc::new(far)], settings).unwrap()
}

fn sign(fleet: &Fleet, key: &WrappedKey) -> Result<Response, HsmError> {
    let request = Request::Sign {
        key: KeyRef::Wrapped(Box::new(key.clone())),
        curve: key.curve,
        digest: [7; 32],
    };
    fleet.ask(request, LONG)
}

fn members(fleet: &Fleet) -> [MemberStatus; 2] {
    fleet.members().try_into().unwrap()
}

#[test]
fn a_wrapped_key_signs_on_every_token_with_the_wrapping_key_and_a_spoilt_one_harms_none() {
    const NAME: &str =
        "a_wrapped_key_signs_on_every_token_with_the_wrapping_key_and_a_spoilt_one_harms_none";
    with_token(NAME, |fixture| {
        ceremony(fixture);
        let copy = copied(fixture);
        let fleet = two(fixture, &copy);
        let made: Vec<WrappedKey> = (1..=4)
            .map(|number| fleet.generate_wrapped(&key(number), &key(WRAPPING), Curve::Secp256k1))
            .collect::<Result<_, _>>()
            .unwrap();
        for key in made.iter().cycle().take(40) {
            assert!(matches!(sign(&fleet, key), Ok(Response::Signature(_))));
        }
        // A worker process tells what it counted now and then.
        let start = Instant::now();
        while members(&fleet).iter().any(|m| m.counters.signatures < 10) {
            assert!(start.elapsed() < LONG, "{:?}", members(&fleet));
            thread::sleep(Duration::from_millis(10));
        }
        let mut spoilt = made[0].clone();
        spoilt.blob[20] ^= 1;
        for _ in 0..12 {
            let refused = sign(&fleet, &spoilt).unwrap_err();
            assert!(
                matches!(refused, HsmError::WrappedKeyRefused { .. }),
                "{refused}"
            );
        }
        let [near, far] = members(&fleet);
        assert_eq!((near.health, far.health), (Health::Up, Health::Up));
        assert_eq!(far.restarts, 0);
        // Each was refused once, by whom it was asked of.
        let refusals = near.counters.failures_fatal;
        assert!((1..12).contains(&refusals), "{refusals}");
    });
}

#[test]
fn a_token_without_the_wrapping_key_is_passed_over_and_stays_up() {
    const NAME: &str = "a_token_without_the_wrapping_key_is_passed_over_and_stays_up";
    with_token(NAME, |fixture| {
        let copy = copied(fixture);
        ceremony(fixture);
        let fleet = two(fixture, &copy);
        for number in 1..=6 {
            let made = fleet
                .generate_wrapped(&key(number), &key(WRAPPING), Curve::Secp256k1)
                .unwrap();
            assert!(matches!(sign(&fleet, &made), Ok(Response::Signature(_))));
        }
        let [near, far] = members(&fleet);
        assert_eq!((near.health, far.health), (Health::Up, Health::Up));
        assert_eq!((near.missing_keys, far.missing_keys), (0, 1));
        assert!(matches!(
            fleet.generate_wrapped(&key(9), &key(99), Curve::Secp256k1),
            Err(HsmError::KeyMissing { .. })
        ));
    });
}
