//! No part outlives its owner, and a daemon is watched from start to end.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use custodyd_testbed::{Anvil, Daemon, Postgres, free_port, write_file};

fn is_running(pid: u32) -> bool {
    // A zombie still has a folder in /proc: its command line is empty.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_part_ends_when_it_is_dropped() {
    let mut anvil = Anvil::start().unwrap();
    let pid = anvil.process().pid();
    assert!(is_running(pid));
    drop(anvil);
    assert!(!is_running(pid));
}

#[test]
fn a_part_lives_on_when_the_thread_that_asked_for_it_ends() {
    let mut anvil = thread::spawn(|| Anvil::start().unwrap()).join().unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(is_running(anvil.process().pid()));
    assert_eq!(anvil.height().unwrap(), 0);
}

/// The test runs itself as the owner: that one starts two parts, says their pids, and waits to be killed.
#[test]
fn a_part_ends_when_its_owner_is_killed() {
    const PID_FILE: &str = "CUSTODYD_TESTBED_PID_FILE";
    if let Some(file) = std::env::var_os(PID_FILE) {
        let mut anvil = Anvil::start().unwrap();
        // It runs as another user when this is root, which must not shield it from the signal.
        let mut postgres = Postgres::start().unwrap();
        let pids = format!("{} {}", anvil.process().pid(), postgres.process().pid());
        let file = PathBuf::from(file);
        write_file(file.parent().unwrap(), "pids.new", &pids).unwrap();
        std::fs::rename(file.with_file_name("pids.new"), &file).unwrap();
        thread::sleep(Duration::from_secs(60));
        panic!("nobody killed it");
    }
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pids");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_part_ends_when_its_owner_is_killed"])
        .env(PID_FILE, &pid_file)
        .env("TMPDIR", temporary_folder_for_all(folder.path()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("starting the parts", || pid_file.exists());
    let pids = std::fs::read_to_string(&pid_file).unwrap();
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| is_running(*pid)));
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_for("the end of the parts", || {
        !pids.iter().any(|pid| is_running(*pid))
    });
}

/// A killed owner removes no folders: it's given one to put them in, which every user may pass through.
fn temporary_folder_for_all(folder: &Path) -> &Path {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A stand-in for the daemon's manners, not for the daemon: it listens where it's told, or ends at once.
fn script(folder: &Path, body: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = write_file(folder, "daemon", &format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()))
}

#[test]
fn a_daemon_that_ends_before_it_is_ready_is_an_error_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let binary = script(
        folder.path(),
        "echo \"arguments: $*\"; echo no PIN >&2; exit 3",
    );
    let config = write_file(folder.path(), "custodyd.toml", "").unwrap();
    let error = Daemon::start(
        &binary,
        &config,
        listen(),
        BTreeMap::new(),
        Duration::from_secs(10),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(error.contains("no PIN"), "{error}");
    assert!(error.contains("arguments: serve --config"), "{error}");
}

#[test]
fn a_daemon_is_killed_restarted_with_another_environment_and_ended_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let binary = script(
        folder.path(),
        "echo \"failpoints=$FAILPOINTS\"; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done",
    );
    let config = write_file(folder.path(), "custodyd.toml", "").unwrap();
    let mut daemon = Daemon::spawn(&binary, &config, listen(), BTreeMap::new()).unwrap();
    wait_for("starting", || daemon.log().unwrap().contains("failpoints="));
    assert_eq!(daemon.kill9().unwrap().code(), None, "it died by a signal");
    daemon.set_environment("FAILPOINTS", Some("signed=return"));
    daemon.restart().unwrap();
    wait_for("restarting", || {
        daemon.log().unwrap().contains("failpoints=signed=return")
    });
    let status = daemon.terminate(Duration::from_secs(5)).unwrap();
    assert!(status.success(), "{status}");
    assert!(daemon.log().unwrap().ends_with("bye\n"));
}
