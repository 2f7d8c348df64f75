//! A token in a worker process, for tests, and what is done to that process.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use custodyd_hsm::{Curve, Hsm as _, HsmError, Isolated, Launch, Profile};

use crate::fixture::{Fixture, LONG, key, pin};

pub(crate) fn worker() -> PathBuf {
    env!("CARGO_BIN_EXE_hsm-worker").into()
}

pub(crate) fn launch(profile: Profile) -> Launch {
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
pub(crate) fn profile(fixture: &Fixture) -> Profile {
    surrounded(fixture, fixture.profile())
}

pub(crate) fn surrounded(fixture: &Fixture, profile: Profile) -> Profile {
    let configuration = fixture.folder.join("softhsm2.conf");
    profile.with_environment("SOFTHSM2_CONF", configuration.to_str().unwrap())
}

pub(crate) fn open(fixture: &Fixture) -> Isolated {
    let token = Isolated::start(launch(profile(fixture))).unwrap();
    token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
    token
}

pub(crate) fn sign(token: &Isolated, number: u8) -> Result<[u8; 64], HsmError> {
    token.sign(&key(1), Curve::Secp256k1, [number; 32], LONG)
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Whether a process handles a signal itself; none when it is gone.
pub(crate) fn caught(pid: u32, signal: u32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    Some(mask & 1 << (signal - 1) != 0)
}

/// Whether a process with this number runs; one that waits to be collected doesn't.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

/// The processes that a process has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
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
