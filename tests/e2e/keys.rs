//! `custodyd keys` on a real SoftHSM: keys made, attested, backed up, and looked for on a clone and on an empty token.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use custodyd_testbed::SoftToken;
use serde_json::Value;

use crate::house::{House, LONG, Plan, copy_of_token, house};

const CHALLENGE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A vault with one Ethereum wallet, whose daemon has stopped.
async fn quiet_house() -> House {
    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    house.daemon.terminate(LONG).unwrap();
    house
}

pub(crate) fn keys(house: &House, arguments: &[&str]) -> (bool, String) {
    house.custodyd(&[&["keys"], arguments].concat()).unwrap()
}

/// With a configuration of its own, or with none that could be read.
pub(crate) fn keys_with(config: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_custodyd"))
        .arg("keys")
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

/// The word after a label at the start of a line.
pub(crate) fn word_after(printed: &str, label: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(label));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("no {label:?} in {printed}"))
        .to_owned()
}

pub(crate) fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_ahead_is_an_orphan_that_the_list_the_log_and_the_metrics_show() {
    let mut house = quiet_house().await;
    let made = ["generate", "signing", "--label", "for later"];
    let (ok, printed) = keys(&house, &made);
    assert!(ok, "{printed}");
    let (id, public) = (
        word_after(&printed, "id"),
        word_after(&printed, "public key"),
    );
    // Begun again with the id it printed, it finds what it made.
    let (ok, again) = keys(&house, &[made.as_slice(), &["--id", &id]].concat());
    assert!(ok, "{again}");
    assert_eq!(word_after(&again, "public key"), public);
    let (ok, printed) = keys(
        &house,
        &["generate", "signing", "--label", "p", "--curve", "p256"],
    );
    assert!(ok, "{printed}");
    let p256 = word_after(&printed, "id");

    let (ok, list) = keys(&house, &["list"]);
    assert!(ok, "{list}");
    for id in [&id, &p256] {
        let line = list
            .lines()
            .find(|line| line.contains(id.as_str()))
            .unwrap();
        assert!(line.contains("nobody (orphan)"), "{line}");
    }
    assert!(
        list.contains("hot-eth") && list.contains("journal"),
        "{list}"
    );

    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let log = house.daemon.log().unwrap();
    let named = log.lines().any(|line| {
        line.contains("WARN")
            && line.contains("orphan")
            && line.contains(&id)
            && line.contains("for later")
    });
    assert!(named, "{log}");
    let metrics = house.daemon.get("/metrics").unwrap().body;
    assert!(metrics.contains("custodyd_hsm_orphan_keys 2"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_verified_without_hsm_or_configuration_and_every_change_to_it_is_noticed() {
    let house = quiet_house().await;
    // A key that signs messages proves itself too, over the same words.
    let made = ["generate", "signing", "--label", "later"];
    let (ok, printed) = keys(&house, &[made.as_slice(), &["--curve", "ed25519"]].concat());
    assert!(ok, "{printed}");
    let ed25519 = word_after(&printed, "public key");
    assert_eq!(ed25519.len(), 64);
    let report = house.folder().join("report.json");
    let (ok, printed) = keys(
        &house,
        &["attest", "--challenge", CHALLENGE, "--out", path(&report)],
    );
    assert!(ok, "{printed}");
    let journal_key = word_after(&printed, "journal key");
    let nowhere = house.folder().join("nowhere/custodyd.toml");
    let verify = |file: &Path, more: &[&str]| {
        let asked = [
            "attest",
            "--verify",
            path(file),
            "--journal-key",
            &journal_key,
        ];
        keys_with(&nowhere, &[asked.as_slice(), more].concat())
    };
    let (ok, printed) = verify(&report, &["--challenge", CHALLENGE]);
    assert!(ok, "{printed}");
    for expected in [
        "hot-eth",
        "journal",
        "serial",
        "firmware",
        "none that could leave",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let (ok, printed) = verify(&report, &["--challenge", &"ab".repeat(32)]);
    assert!(
        !ok && printed.contains("answers the challenge"),
        "{printed}"
    );

    let genuine: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let proofs = genuine["document"]["keys"].as_array().unwrap();
    let of_ed25519 = |proof: &&Value| proof["key"]["public_key"] == ed25519.as_str();
    let proof = proofs.iter().find(of_ed25519).unwrap();
    assert_eq!(proof["key"]["curve"], "ed25519");
    assert_eq!(proof["signature"].as_str().unwrap().len(), 128);
    let places = [
        "/document/vault",
        "/document/challenge",
        "/document/made_at",
        "/document/policy",
        "/document/tokens/0/serial",
        "/document/keys/0/key/owner",
        "/document/keys/0/key/label",
        "/document/keys/0/key/attributes/CKA_EXTRACTABLE",
        "/document/keys/0/signature",
        "/document/keys/1/signature",
        "/signature",
    ];
    for place in places {
        let mut forged = genuine.clone();
        let leaf = forged.pointer_mut(place).unwrap();
        *leaf = match &*leaf {
            Value::Bool(truth) => Value::Bool(!*truth),
            Value::Number(_) => Value::from(1),
            Value::String(text) if text.starts_with('0') => Value::from(text.replacen('0', "1", 1)),
            Value::String(text) => Value::from(format!("0{}", &text[1..])),
            other => panic!("{place}: {other}"),
        };
        let file = house.folder().join("forged.json");
        std::fs::write(&file, forged.to_string()).unwrap();
        let (ok, printed) = verify(&file, &[]);
        assert!(
            !ok && printed.contains("did not sign"),
            "{place}: {printed}"
        );
    }
    // Another vault's journal key, which signed nothing here.
    let listed = genuine["document"]["keys"].as_array().unwrap();
    let mut listed = listed
        .iter()
        .map(|proof| proof["key"]["public_key"].as_str().unwrap());
    let other = listed.find(|key| **key != journal_key).unwrap();
    let asked = ["attest", "--verify", path(&report), "--journal-key", other];
    let (ok, printed) = keys_with(&nowhere, &asked);
    assert!(
        !ok && printed.contains("signed with journal key"),
        "{printed}"
    );
    // What was written is not written over.
    let (ok, printed) = keys(&house, &["attest", "--out", path(&report)]);
    assert!(!ok && printed.contains("report.json"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extractable_key_of_a_wallet_fails_the_report_and_keeps_the_daemon_from_starting() {
    let house = quiet_house().await;
    let (_, list) = keys(&house, &["list"]);
    let line = list.lines().find(|line| line.contains("hot-eth")).unwrap();
    let id = line
        .split_whitespace()
        .next()
        .unwrap()
        .strip_prefix("key_")
        .unwrap()
        .to_owned();
    let token = house.hsm.token().unwrap();
    for kind in ["privkey", "pubkey"] {
        token
            .pkcs11_tool(&["--delete-object", "--type", kind, "--id", &id])
            .unwrap();
    }
    let careless = [
        "--keypairgen",
        "--key-type",
        "EC:secp256k1",
        "--id",
        &id,
        "--label",
        "hot-eth",
        "--extractable",
    ];
    token.pkcs11_tool(&careless).unwrap();

    let (ok, printed) = house.custodyd(&["serve"]).unwrap();
    let line = printed.lines().next_back().unwrap();
    assert!(!ok, "{printed}");
    for expected in ["wallet hot-eth", id.as_str(), "CKA_EXTRACTABLE"] {
        assert!(line.contains(expected), "{expected}: {line}");
    }
    let report = house.folder().join("report.json");
    let (ok, printed) = keys(&house, &["attest", "--out", path(&report)]);
    assert!(ok, "a report says how it is: {printed}");
    let journal_key = word_after(&printed, "journal key");
    let (ok, printed) = keys_with(
        Path::new("none.toml"),
        &[
            "attest",
            "--verify",
            path(&report),
            "--journal-key",
            &journal_key,
        ],
    );
    assert!(
        !ok && printed.contains("CKA_EXTRACTABLE is true"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_found_whole_on_a_clone_and_every_key_is_missed_on_an_empty_token() {
    let house = quiet_house().await;
    let backup = house.folder().join("backup.json");
    let (ok, printed) = keys(&house, &["backup", "--out", path(&backup)]);
    assert!(ok, "{printed}");
    assert!(printed.contains("vendor's"), "{printed}");
    let journal_key = word_after(&printed, "journal key");
    let restore = |config: &Path, file: &Path, more: &[&str]| {
        let asked = ["restore", "--in", path(file), "--token", "elsewhere"];
        keys_with(config, &[asked.as_slice(), more].concat())
    };

    let clone = clone_of(&house);
    let (ok, printed) = restore(&clone, &backup, &[]);
    assert!(ok && printed.contains("serves all 2 keys"), "{printed}");
    let table: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("ok "))
        .collect();
    assert_eq!(table.len(), 2, "{printed}");
    // On a machine without the state folder, with the journal key from paper.
    let (ok, printed) = restore(&clone, &backup, &["--journal-key", &journal_key]);
    assert!(ok, "{printed}");

    let empty = SoftToken::init("custodyd").unwrap();
    let config = elsewhere(&house, "empty", &empty.conf_path(), empty.pin_file());
    let (ok, printed) = restore(&config, &backup, &[]);
    let last = printed.lines().next_back().unwrap();
    assert!(!ok && last.contains("lacks 2 of 2 keys"), "{printed}");
    assert!(
        last.contains("journal") && last.contains("hot-eth"),
        "{last}"
    );

    let text = std::fs::read_to_string(&backup).unwrap();
    let forged = house.folder().join("forged.json");
    std::fs::write(&forged, text.replace("hot-eth", "cold-eth")).unwrap();
    let (ok, printed) = restore(&clone, &forged, &[]);
    assert!(!ok && printed.contains("did not sign"), "{printed}");
}

/// The house's configuration with one other token, `elsewhere`, as on the machine of the other site.
pub(crate) fn elsewhere(house: &House, name: &str, conf: &Path, pin: &Path) -> PathBuf {
    let text = std::fs::read_to_string(house.daemon.config()).unwrap();
    let token = house.hsm.token().unwrap();
    let text = text
        .replace("name = \"soft\"", "name = \"elsewhere\"")
        .replace(path(&token.conf_path()), path(conf))
        .replace(path(token.pin_file()), path(pin));
    assert!(text.contains(path(conf)) && text.contains(path(pin)));
    // Beside the other configuration, whose paths are relative.
    let config = house.folder().join(format!("{name}.toml"));
    std::fs::write(&config, text).unwrap();
    config
}

/// The same for a copy of the house's token.
pub(crate) fn clone_of(house: &House) -> PathBuf {
    let conf = copy_of_token(house, "clone");
    elsewhere(house, "clone", &conf, house.hsm.token().unwrap().pin_file())
}
