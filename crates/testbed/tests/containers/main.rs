//! Network HSMs in containers are real: they sign, can be killed, paused and cut off, come back with their keys, and two of
//! them hold the same. They need a container engine; `make test` starts one, or says loudly that these tests were left out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod signer;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use custodyd_testbed::{HsmContainer, Reach, write_file};
use signer::{LONG, Signer, is_signer};

/// Time for a signature that won't come.
const SHORT: Duration = Duration::from_millis(500);

fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn is_there(id: &str) -> bool {
    docker(&["inspect", "--format", "{{.Id}}", id]).is_some()
}

fn volume_of(id: &str) -> String {
    docker(&["inspect", "--format", "{{(index .Mounts 0).Name}}", id]).unwrap()
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_container_signs_over_its_network_and_over_a_mounted_socket() {
    const TEST: &str = "a_container_signs_over_its_network_and_over_a_mounted_socket";
    if is_signer() {
        return;
    }
    for reach in [Reach::Network, Reach::MountedSocket] {
        let hsm = HsmContainer::start("hot", reach).unwrap();
        let mut signer = Signer::open(TEST, &hsm);
        signer.generate(1);
        for _ in 0..20 {
            signer.sign(1, LONG).unwrap();
        }
        let refusal = signer.sign(2, LONG).unwrap_err();
        assert!(refusal.contains("is not on token"), "{refusal}");
    }
}

#[test]
fn a_killed_container_is_an_error_and_comes_back_with_its_keys() {
    const TEST: &str = "a_killed_container_is_an_error_and_comes_back_with_its_keys";
    if is_signer() {
        return;
    }
    for reach in [Reach::Network, Reach::MountedSocket] {
        let hsm = HsmContainer::start("hot", reach).unwrap();
        let mut signer = Signer::open(TEST, &hsm);
        signer.generate(1);
        hsm.kill().unwrap();
        let error = signer.sign(1, LONG).unwrap_err();
        assert!(
            !error.contains("did not finish within"),
            "it is told at once: {error}"
        );
        hsm.restart().unwrap();
        Signer::open(TEST, &hsm).sign(1, LONG).unwrap();
    }
}

#[test]
fn a_paused_container_hangs_until_the_deadline_and_signs_again_when_resumed() {
    const TEST: &str = "a_paused_container_hangs_until_the_deadline_and_signs_again_when_resumed";
    if is_signer() {
        return;
    }
    let hsm = HsmContainer::start("hot", Reach::Network).unwrap();
    let mut signer = Signer::open(TEST, &hsm);
    signer.generate(1);
    hsm.pause().unwrap();
    let error = signer.sign(1, SHORT).unwrap_err();
    assert!(error.contains("did not finish within"), "{error}");
    hsm.resume().unwrap();
    signer.sign(1, LONG).unwrap();
}

#[test]
fn a_container_cut_off_hangs_until_the_deadline_and_is_reached_again_when_mended() {
    const TEST: &str =
        "a_container_cut_off_hangs_until_the_deadline_and_is_reached_again_when_mended";
    if is_signer() {
        return;
    }
    let hsm = HsmContainer::start("hot", Reach::Network).unwrap();
    let mut signer = Signer::open(TEST, &hsm);
    signer.generate(1);
    hsm.cut().unwrap();
    let error = signer.sign(1, SHORT).unwrap_err();
    assert!(error.contains("did not finish within"), "{error}");
    hsm.mend().unwrap();
    Signer::open(TEST, &hsm).sign(1, LONG).unwrap();

    let mounted = HsmContainer::start("hot", Reach::MountedSocket).unwrap();
    mounted.cut().unwrap_err();
}

#[test]
fn two_containers_hold_the_same_keys_and_outlive_each_other() {
    const TEST: &str = "two_containers_hold_the_same_keys_and_outlive_each_other";
    if is_signer() {
        return;
    }
    for reach in [Reach::Network, Reach::MountedSocket] {
        let [first, second] = HsmContainer::pair("hot", reach).unwrap();
        let (mut one, mut two) = (Signer::open(TEST, &first), Signer::open(TEST, &second));
        one.generate(1);
        two.sign(1, LONG).unwrap();
        two.generate(2);
        one.sign(2, LONG).unwrap();
        first.kill().unwrap();
        one.sign(1, LONG).unwrap_err();
        two.generate(3);
        two.sign(3, LONG).unwrap();
        first.restart().unwrap();
        let mut one = Signer::open(TEST, &first);
        one.sign(3, LONG).unwrap();
        second.kill().unwrap();
        one.sign(1, LONG).unwrap();
        drop(second);
        one.generate(4);
        one.sign(4, LONG).unwrap();
    }
}

#[test]
fn a_container_shows_its_pin_to_nobody() {
    let hsm = HsmContainer::start("hot", Reach::Network).unwrap();
    let pin = std::fs::read_to_string(hsm.pin_file()).unwrap();
    assert_eq!(pin.len(), 16);
    for shown in [
        docker(&["inspect", hsm.id()]).unwrap(),
        docker(&["logs", hsm.id()]).unwrap(),
    ] {
        assert!(shown.len() > 100, "{shown}");
        assert!(!shown.contains(&pin), "{shown}");
    }
}

#[test]
fn a_container_in_any_state_is_gone_with_its_token_when_it_is_dropped_even_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let [first, second] = HsmContainer::pair("hot", Reach::Network).unwrap();
        let ids = [first.id().to_owned(), second.id().to_owned()];
        let volume = volume_of(first.id());
        assert_eq!(volume, volume_of(second.id()));
        first.pause().unwrap();
        second.kill().unwrap();
        drop((first, second));
        assert!(!ids.iter().any(|id| is_there(id)));
        assert_eq!(docker(&["volume", "inspect", &volume]), None);
    });
}

/// The test runs itself as the owner: that one starts a container, says its id, and waits to be killed.
#[test]
fn a_container_is_gone_when_its_owner_is_killed() {
    const ID_FILE: &str = "CUSTODYD_TESTBED_ID_FILE";
    if let Some(file) = std::env::var_os(ID_FILE) {
        let hsm = HsmContainer::start("hot", Reach::Network).unwrap();
        let file = PathBuf::from(file);
        write_file(file.parent().unwrap(), "id.new", hsm.id()).unwrap();
        std::fs::rename(file.with_file_name("id.new"), &file).unwrap();
        thread::sleep(LONG * 2);
        panic!("nobody killed it");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_container_is_gone_when_its_owner_is_killed"])
        .env(ID_FILE, &file)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("starting the container", || file.exists());
    let id = std::fs::read_to_string(&file).unwrap();
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}";
    let network = docker(&["inspect", "--format", networks, &id]).unwrap();
    assert!(network.starts_with("custodyd-"), "{network}");
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_for("the end of container and network", || {
        !is_there(&id) && docker(&["network", "inspect", &network]).is_none()
    });
}
