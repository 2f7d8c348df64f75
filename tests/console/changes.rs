//! Changes of the vault that are proposed by a form, agreed to, and take effect.

use custodyd_client::{Proposal, sign_governance};
use custodyd_testbed::House;
use custodyd_vault::{Change, GovernanceDecision};
use serde_json::{Value, json};

use crate::{
    bed::{LONG, SOMEBODY, ethereum_house, sql},
    stage::Stage,
};

/// Ed25519 public keys of RFC 8032 §7.1, tests 1 and 2.
const KEYS: [&str; 2] = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
];

#[tokio::test(flavor = "multi_thread")]
async fn clients_wallets_and_the_block_list_change_by_forms_that_others_agree_to() {
    let (house, mut stage) = ethereum_house().await;
    let blocked = format!("eip155:31337:{SOMEBODY}");
    house
        .enact(vec![Change::Block {
            addresses: [blocked.parse().unwrap()].into(),
        }])
        .await
        .unwrap();
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    let people = "/console/governance/people";
    open_form(&mut stage, people, "add_client-");
    stage.fill("alice", "#add_client--id", "ledger");
    stage.fill("alice", "#add_client--key", "not a key");
    refused(&house, &mut stage, "add_client-", "64");
    stage.fill("alice", "#add_client--key", KEYS[0]);
    stage.press("alice", "#add_client- input[value=withdraw]");
    stage.press("alice", "#add_client- input[value=addresses]");
    proposed(&house, &mut stage, "add_client-").await;
    assert_eq!(
        card(&mut stage, people, "ledger"),
        format!("read\n{}", KEYS[0])
    );

    // The same words as the API has for it, and nothing is asked of a passkey.
    open_form(&mut stage, people, "add_client-");
    stage.fill("alice", "#add_client--id", "ledger");
    stage.fill("alice", "#add_client--key", KEYS[1]);
    refused(
        &house,
        &mut stage,
        "add_client-",
        "client ledger exists already",
    );

    open_form(&mut stage, people, "rotate_client_key-ledger");
    stage.fill("alice", "#rotate_client_key-ledger-key", KEYS[1]);
    proposed(&house, &mut stage, "rotate_client_key-ledger").await;
    assert_eq!(
        card(&mut stage, people, "ledger"),
        format!("read\n{}", KEYS[1])
    );
    open_form(&mut stage, people, "remove_client-ledger");
    proposed(&house, &mut stage, "remove_client-ledger").await;
    stage.open_page("alice", people);
    assert!(!stage.text("alice", "main").contains("ledger"));

    let unblock = format!("unblock-{}", blocked.replace(':', "-"));
    open_form(&mut stage, "/console/governance/places", &unblock);
    proposed(&house, &mut stage, &unblock).await;
    stage.open_page("alice", "/console/governance/places");
    assert!(stage.text("alice", "#blocked").ends_with('0'));

    let wallets = "/console/governance/wallets";
    open_form(&mut stage, wallets, "set_wallet-hot-eth");
    refused(
        &house,
        &mut stage,
        "set_wallet-hot-eth",
        "nothing of wallet hot-eth would change",
    );
    stage.fill("alice", "#set_wallet-hot-eth-confirmations", "7");
    proposed(&house, &mut stage, "set_wallet-hot-eth").await;
    let told = card(&mut stage, wallets, "hot-eth");
    assert!(told.contains("7 confirmations"), "{told}");
    open_form(&mut stage, wallets, "add_wallet-");
    for (field, text) in [
        ("id", "hot-eth-2"),
        ("network", "eip155:31337"),
        ("fee_caps-absolute", "0.05 ETH"),
        ("fee_caps-relative_bp", "500"),
        ("confirmations", "3"),
    ] {
        stage.fill("alice", &format!("#add_wallet--{field}"), text);
    }
    for (field, option) in [("tier", "hot"), ("addresses", "token")] {
        let at = format!("#add_wallet- select[name=\"changes.0.{field}\"]");
        stage.tell("alice", "choose", json!({ "at": at, "option": option }));
    }
    stage.look("alice", "wallets-adding");
    proposed(&house, &mut stage, "add_wallet-").await;
    let told = card(&mut stage, wallets, "hot-eth-2");
    assert!(told.contains("0.05 ETH, and 5.00 %"), "{told}");
    open_form(&mut stage, wallets, "retire_wallet-hot-eth-2");
    proposed(&house, &mut stage, "retire_wallet-hot-eth-2").await;
    let told = card(&mut stage, wallets, "hot-eth-2");
    assert!(told.contains("retired"), "{told}");
    stage.look("alice", "wallets");
}

/// Opens a page, and on it the form of this key.
fn open_form(stage: &mut Stage, page: &str, key: &str) {
    stage.open_page("alice", page);
    stage.press("alice", &format!("details:has(> form#{key}) > summary"));
    stage.fill(
        "alice",
        &format!("#{key} input[name=reason]"),
        "as agreed on Monday",
    );
}

/// Sends a form that is refused in these words, beside its button, with nothing handed in.
fn refused(house: &House, stage: &mut Stage, key: &str, words: &str) {
    let handed_in = || sql(house, "SELECT count(*) FROM inbox;");
    let before = handed_in();
    stage.press("alice", &format!("#{key} button"));
    let told = format!("#{key} [data-answer].failed");
    stage.wait("alice", &told);
    let told = stage.text("alice", &told);
    assert!(told.contains(words), "{told}");
    assert_eq!(handed_in(), before);
}

/// Sends a form, and has others agree until what it proposes took effect.
async fn proposed(house: &House, stage: &mut Stage, key: &str) {
    stage.press("alice", &format!("#{key} button"));
    stage.tell(
        "alice",
        "waitPath",
        json!({ "begins": "/console/governance/pr_" }),
    );
    let at = stage.tell("alice", "where", json!({}));
    let id = at.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for who in ["operator/bob", "operator/carol"] {
        let client = house.client_as(who).unwrap();
        let path = format!("/v1/proposals/{id}");
        let proposal: Proposal = client.get(&path).await.unwrap();
        let signer = client.identity().unwrap();
        let signed =
            sign_governance(&proposal, GovernanceDecision::Approve, 600_000, signer).unwrap();
        let _: Value = client
            .post(&format!("{path}/approvals"), &signed)
            .await
            .unwrap();
    }
    let dave = house.client_as("operator/dave").unwrap();
    house
        .until("enact the proposal", LONG, async || {
            let now: Value = dave.get(&format!("/v1/proposals/{id}")).await.unwrap();
            now["state"] == "enacted"
        })
        .await
        .unwrap();
}

/// What the card of this title says before its forms.
fn card(stage: &mut Stage, page: &str, title: &str) -> String {
    stage.open_page("alice", page);
    let at = format!("article.card:has(> :is(h2, h3):text-is(\"{title}\"))");
    let told = stage.text("alice", &at);
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let before = lines
        .skip(1)
        .take_while(|line| !line.starts_with("Change "));
    before.collect::<Vec<_>>().join("\n")
}
