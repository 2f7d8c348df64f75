//! An operator whose key stays on a PKCS#11 card: enrolled by invitation, approving, and refused with another's name, PIN or card.

use std::{fs, process::Command};

use custodyd_testbed::{House, SoftToken};
use custodyd_vault::Decision;

use crate::{
    governance::{governed_house, governed_policy, until_proposal},
    house::{SOMEBODY, ask, decide, id_of, withdraw},
    typed::{Ran, ctl, ctl_with},
};

/// A card with a P-256 key, as `pkcs15-init` or `yubico-piv-tool` would leave it.
fn card() -> SoftToken {
    let card = SoftToken::init("card of bob").unwrap();
    card.pkcs11_tool(&[
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--id",
        "01",
        "--label",
        "PIV AUTH key",
        "--usage-sign",
    ])
    .unwrap();
    card
}

/// `custodyctl` as somebody with this card.
fn with_card(house: &House, card: &SoftToken, who: &str, arguments: &[&str]) -> Ran {
    let module = card.module().unwrap();
    let environment = [
        ("SOFTHSM2_CONF", card.conf_path()),
        ("CUSTODYD_PKCS11_MODULE", module),
        ("CUSTODYD_CARD", "card of bob".into()),
        ("CUSTODYD_KEY_LABEL", "PIV AUTH key".into()),
        ("CUSTODYD_PIN_FILE", card.pin_file().to_owned()),
    ];
    ctl_with(house, who, arguments, &environment)
}

#[tokio::test]
async fn an_operator_is_invited_enrols_a_card_and_approves_with_it() {
    let house = governed_house(governed_policy()).await;
    let card = card();
    let invited = ctl(
        &house,
        "operator/dave",
        &[
            "propose",
            "invite",
            "bob",
            "--until",
            "3d",
            "--reason",
            "a card",
            "--console",
            "https://custody.example",
        ],
    )
    .done();
    let link = invited.err.lines().last().unwrap().to_owned();
    assert!(
        link.starts_with("https://custody.example/console/enrol#"),
        "{invited:?}"
    );
    let secret = link.split_once('#').unwrap().1;
    assert!(!invited.out.contains(secret));
    let proposal = invited.id();
    for who in ["operator/alice", "operator/bob"] {
        ctl(&house, who, &["approve", &proposal, "--yes"]).done();
    }
    until_proposal(&house, &proposal, "enacted").await;
    let invitation = house.folder().join("invitation");
    fs::write(&invitation, &link).unwrap();
    let enrol = ["enrol", "--invitation", invitation.to_str().unwrap()];
    let enrolled = with_card(&house, &card, "operator/bob", &enrol).done();
    assert!(enrolled.out.contains("p256:"), "{enrolled:?}");
    let again = with_card(&house, &card, "operator/bob", &enrol).refused();
    assert!(!again.contains(secret), "{again}");

    let exchange = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&exchange, "k1", &ask("ETH", "3", SOMEBODY)).await;
    let id = id_of(&asked);
    let shown = with_card(&house, &card, "operator/bob", &["show", id]).done();
    assert!(shown.out.contains(id));
    with_card(&house, &card, "operator/bob", &["approve", id, "--yes"]).done();
    decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap();
    let after = ctl(&house, "operator/alice", &["--json", "show", id]).done();
    let after: serde_json::Value = serde_json::from_str(&after.out).unwrap();
    assert_ne!(after["state"], "awaiting_approval", "{after}");

    // Somebody else's name, another PIN, and no card.
    let mallory = with_card(&house, &card, "operator/carol", &["show", id]).refused();
    assert!(
        mallory.contains("not signed by anyone known here"),
        "{mallory}"
    );
    let wrong = house.folder().join("wrong.pin");
    fs::write(&wrong, "87654321").unwrap();
    let chmod = Command::new("chmod")
        .arg("600")
        .arg(&wrong)
        .status()
        .unwrap();
    assert!(chmod.success());
    let pin = ["--pin-file", wrong.to_str().unwrap(), "show", id];
    let refused = with_card(&house, &card, "operator/bob", &pin);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("PinIncorrect"), "{refused:?}");
    assert!(!refused.err.contains("87654321"));
    let other = ["--card", "card of erin", "show", id];
    let gone = with_card(&house, &card, "operator/bob", &other);
    assert_eq!(gone.code, Some(2), "{gone:?}");
    assert!(gone.err.contains("no card with the label"), "{gone:?}");
    assert!(gone.err.contains("card of bob"), "{gone:?}");

    // The journal's evidence verifies without any card.
    let (verified, said) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(verified, "{said}");
}
