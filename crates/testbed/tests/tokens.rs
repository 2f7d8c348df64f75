//! SoftHSM tokens are real: they make keys, can be locked, taken out, spied on, and cut off behind a socket.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use custodyd_testbed::{
    RemoteToken, SoftToken, p11_kit_client_module, pkcs11_spy_module, write_file,
};

const NEW_KEY: [&str; 7] = [
    "--keypairgen",
    "--key-type",
    "EC:secp256k1",
    "--usage-sign",
    "--sensitive",
    "--id",
    "0102",
];

#[test]
fn a_token_makes_a_secp256k1_key_and_signs_with_it() {
    let token = SoftToken::init("hot").unwrap();
    token.pkcs11_tool(&NEW_KEY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let digest = write_file(folder.path(), "digest", &"d".repeat(32)).unwrap();
    let signature = folder.path().join("signature");
    token
        .pkcs11_tool(&[
            "--sign",
            "--mechanism",
            "ECDSA",
            "--id",
            "0102",
            "--input-file",
            digest.to_str().unwrap(),
            "--output-file",
            signature.to_str().unwrap(),
        ])
        .unwrap();
    assert_eq!(std::fs::read(signature).unwrap().len(), 64);
}

#[test]
fn a_token_keeps_its_pins_to_its_owner() {
    let token = SoftToken::init("hot").unwrap();
    let mode = std::fs::metadata(token.pin_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_ne!(
        token.pin().unwrap(),
        SoftToken::init("hot").unwrap().pin().unwrap()
    );
}

#[test]
fn a_locked_token_refuses_its_pin_until_it_is_unlocked() {
    let token = SoftToken::init("hot").unwrap();
    token.pkcs11_tool(&NEW_KEY).unwrap();
    token.lock().unwrap();
    let refusal = token.pkcs11_tool(&["--list-objects"]).unwrap_err();
    assert!(
        refusal.to_string().contains("CKR_PIN_INCORRECT"),
        "{refusal}"
    );
    token.unlock().unwrap();
    let objects = token.pkcs11_tool(&["--list-objects"]).unwrap();
    assert!(objects.contains("Private Key Object; EC"), "{objects}");
}

#[test]
fn a_token_can_be_taken_out_and_put_back_and_destroyed() {
    let token = SoftToken::init("hot").unwrap();
    token.pkcs11_tool(&NEW_KEY).unwrap();
    token.remove().unwrap();
    token.pkcs11_tool(&["--list-objects"]).unwrap_err();
    token.insert().unwrap();
    let objects = token.pkcs11_tool(&["--list-objects"]).unwrap();
    assert!(objects.contains("Private Key Object; EC"), "{objects}");
    token.destroy().unwrap();
    token.pkcs11_tool(&["--list-objects"]).unwrap_err();
}

/// pkcs11-tool through a module other than SoftHSM's own.
fn through(
    module: &std::path::Path,
    environment: std::collections::BTreeMap<String, String>,
    token: &SoftToken,
) -> Output {
    Command::new("timeout")
        .args(["5", "pkcs11-tool", "--module"])
        .arg(module)
        .args([
            "--token-label",
            token.label(),
            "--login",
            "--pin",
            "env:PIN",
        ])
        .arg("--list-objects")
        .env("PIN", token.pin().unwrap())
        .envs(environment)
        .output()
        .unwrap()
}

#[test]
fn a_spied_token_writes_down_every_call() {
    let token = SoftToken::init("hot").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let environment = token.spied_environment(&calls).unwrap();
    let output = through(&pkcs11_spy_module().unwrap(), environment, &token);
    assert!(output.status.success(), "{output:?}");
    let calls = std::fs::read_to_string(calls).unwrap();
    assert_eq!(calls.matches("C_Login").count(), 1, "{calls}");
}

#[test]
fn a_remote_token_answers_hangs_while_paused_and_fails_when_killed() {
    let token = SoftToken::init("hot").unwrap();
    token.pkcs11_tool(&NEW_KEY).unwrap();
    let mut remote = RemoteToken::serve(token).unwrap();
    let module = p11_kit_client_module().unwrap();
    let list = |remote: &RemoteToken| through(&module, remote.environment(), remote.token());

    let output = list(&remote);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("Private Key Object; EC"),
        "{output:?}"
    );
    remote.pause().unwrap();
    assert_eq!(list(&remote).status.code(), Some(124), "it times out");
    remote.resume().unwrap();
    assert!(list(&remote).status.success());
    remote.kill().unwrap();
    assert!(!list(&remote).status.success());
    remote.restart().unwrap();
    assert!(list(&remote).status.success());
}
