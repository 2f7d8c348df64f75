//! The whole way through the gap with a real SoftHSM token: a key is made, a bundle is shown, signed, refused where it
//! must be, and what comes back assembles to transactions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod machine;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use custodyd_airgap::{ReturnBundle, export_bundle, import};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;

use machine::*;

#[test]
fn a_bundle_is_shown_signed_and_comes_back_as_transactions() {
    let machine = Machine::new();
    let (first, second) = (machine.keygen("cold-ltc"), machine.keygen("cold-eth"));
    assert_ne!(first, second);
    let items = [
        litecoin(first, "2.5 LTC", "0.0001 LTC"),
        ethereum(second, "1.5"),
    ];
    let bundle = export(1, &items);
    machine.put("out", &bundle);
    fs::write(machine.path("out.tar"), bundle.to_tar()).unwrap();

    let shown = machine.done(&["inspect", "out", "--config", "coldsign.toml"]);
    let digest = bundle.manifest().sha256().to_string();
    let code = format!(
        "{} {} {} {}",
        &digest[..4],
        &digest[4..8],
        &digest[8..12],
        &digest[12..16]
    );
    for expected in [
        "main",
        "ex_00000000000000000000000000000001",
        "2026-09-21 14:13 UTC",
        "yes, by the pinned journal key",
        "wallet cold-ltc on litecoin-regtest",
        "2.5 LTC",
        "3.4999 LTC",
        "0.0001 LTC",
        "wallet cold-eth on eip155:31337",
        "1.5 ETH",
        "at most 0.00063 ETH",
        "nonce 7",
        &code,
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(
        machine
            .done(&["inspect", "out.tar"])
            .contains("not checked")
    );

    // From the folder, and once more from the tar: the very same may be signed again.
    machine.signed("out", "back");
    let arguments = [
        "sign",
        "out.tar",
        "--config",
        "coldsign.toml",
        "--out",
        "again",
        "--tar",
        "--yes",
    ];
    machine.done(&arguments);
    assert!(machine.refused(1, &arguments).contains("not empty"));

    let folder = fs::read_dir(machine.path("back")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    });
    let answers = [
        ReturnBundle::from_files(folder).unwrap(),
        ReturnBundle::from_tar(&fs::read(machine.path("again.tar")).unwrap()).unwrap(),
    ];
    for answer in answers {
        for ((id, signatures), item) in import(&bundle, &answer).unwrap().iter().zip(&items) {
            assert_eq!(*id, item.transaction);
            item.plan.assemble(signatures).unwrap();
        }
    }
    let log = fs::read_to_string(machine.path("signed.log")).unwrap();
    assert_eq!(
        log.lines().count(),
        3,
        "two outpoints and a nonce, once each:\n{log}"
    );
}

#[test]
fn a_second_bundle_that_spends_the_same_is_refused() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    machine.put(
        "one",
        &export(
            1,
            &[litecoin(key, "2.5 LTC", "0.0001 LTC"), ethereum(key, "1.5")],
        ),
    );
    machine.put("coins", &export(2, &[litecoin(key, "2 LTC", "0.0001 LTC")]));
    machine.put("nonce", &export(3, &[ethereum(key, "1.4")]));
    machine.signed("one", "back");
    for again in ["coins", "nonce"] {
        let line = machine.not_signed(again);
        assert!(
            line.contains("signed away already")
                && line.contains("ex_00000000000000000000000000000001"),
            "{line}"
        );
    }
}

#[test]
fn this_machine_s_own_limits_are_kept() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    for (name, items, expected) in [
        (
            "much",
            vec![litecoin(key, "3.1 LTC", "0.0001 LTC")],
            "above the cap of 3 LTC for a transaction",
        ),
        (
            "fee",
            vec![litecoin(key, "2 LTC", "0.0011 LTC")],
            "above the cap of 0.001 LTC",
        ),
        (
            "tip",
            vec![litecoin(key, "0.0004 LTC", "0.0005 LTC")],
            "more than the 0.0004 LTC that it pays",
        ),
        (
            "foreign",
            vec![ethereum(STRANGER.parse().unwrap(), "1")],
            "is not on this token",
        ),
    ] {
        machine.put(name, &export(1, &items));
        let line = machine.not_signed(name);
        assert!(line.contains(expected), "{line}");
    }
    machine.put("fine", &export(1, &[ethereum(key, "1")]));
    machine.configure("allow = [\"eip155:31337:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf\"]");
    assert!(machine.not_signed("fine").contains("not on the allow-list"));
}

#[test]
fn a_bundle_by_another_key_of_another_vault_or_damaged_is_refused() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    let bundle = export(1, &[ethereum(key, "1")]);
    let files = |edit: fn(&str, Vec<u8>) -> Vec<u8>| {
        bundle
            .files()
            .into_iter()
            .map(move |(name, bytes)| (name.to_string(), edit(name.as_str(), bytes)))
    };
    write_folder(
        &machine.path("unsigned"),
        files(|name, bytes| match name {
            "manifest.sig" => format!("{}\n", "11".repeat(64)).into_bytes(),
            _ => bytes,
        }),
    );
    write_folder(
        &machine.path("damaged"),
        files(|name, mut bytes| {
            if name.ends_with(".unsigned") {
                bytes[20] ^= 1;
            }
            bytes
        }),
    );
    assert!(
        machine
            .not_signed("unsigned")
            .contains("signature of the manifest")
    );
    let shown = machine.coldsign(&["inspect", "unsigned", "--config", "coldsign.toml"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("NOT by the pinned journal key")
    );
    assert!(machine.not_signed("damaged").contains("checksum"));
    assert!(machine.not_signed("nowhere").contains("nowhere"));
    std::os::unix::fs::symlink("/etc/passwd", machine.path("damaged/extra")).unwrap();
    assert!(machine.not_signed("damaged").contains("not a plain file"));

    let id = "ex_00000000000000000000000000000009".parse().unwrap();
    let other = export_bundle(
        "other".parse().unwrap(),
        id,
        0,
        journal_key(),
        &[ethereum(key, "1")],
    )
    .unwrap();
    let signature: p256::ecdsa::Signature = journal().sign_prehash(&other.digest()).unwrap();
    machine.put("other", &other.signed(signature.to_bytes().into()).unwrap());
    assert!(
        machine
            .not_signed("other")
            .contains("no journal key is pinned for vault other")
    );
}

#[test]
fn without_a_person_or_with_a_readable_pin_nothing_is_signed() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    machine.put("out", &export(1, &[ethereum(key, "1")]));
    let line = machine.refused(
        1,
        &["sign", "out", "--config", "coldsign.toml", "--out", "back"],
    );
    assert!(line.contains("nobody can be asked"), "{line}");
    assert!(!machine.path("back").exists());

    fs::set_permissions(machine.path("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    let line = machine.refused(
        2,
        &[
            "sign",
            "out",
            "--config",
            "coldsign.toml",
            "--out",
            "back",
            "--yes",
        ],
    );
    assert!(line.contains("chmod 600"), "{line}");
    fs::set_permissions(machine.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(machine.path("pin"), "wrong").unwrap();
    let line = machine.refused(
        1,
        &[
            "sign",
            "out",
            "--config",
            "coldsign.toml",
            "--out",
            "back",
            "--yes",
        ],
    );
    assert!(line.contains("refused the PIN"), "{line}");
    machine.refused(2, &["sign", "out", "--out", "back"]);
    machine.refused(
        2,
        &["keygen", "--config", "coldsign.toml", "--label", "../x"],
    );
}
