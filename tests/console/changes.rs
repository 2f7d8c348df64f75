//! Changes of the vault that are proposed by a form, agreed to, and take effect.

use custodyd_testbed::House;
use custodyd_vault::Change;
use serde_json::json;

use crate::{
    bed::{
        SOMEBODY, agree, ethereum_house, handed_in, led_to_proposal, quick_policy, until_proposal,
    },
    stage::Stage,
};

/// Ed25519 public keys of RFC 8032 §7.1, tests 1 and 2.
const KEYS: [&str; 2] = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
];

/// An address that is nobody's here either.
const ELSEWHERE: &str = "eip155:31337:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

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

#[tokio::test(flavor = "multi_thread")]
async fn the_address_book_a_credential_and_the_policy_change_by_forms_that_others_agree_to() {
    let (house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    let reason = |key: &str| format!("#{key} input[name=reason]");

    // The form for another destination stands open.
    let places = "/console/governance/places";
    let address = format!("eip155:31337:{SOMEBODY}");
    stage.open_page("alice", places);
    stage.fill("alice", "#add_destination--address", &address);
    stage.fill("alice", "#add_destination--name", "Contoso treasury");
    stage.fill("alice", "#add_destination--tags", "supplier\nlarge");
    stage.fill("alice", &reason("add_destination-"), "as agreed on Monday");
    proposed(&house, &mut stage, "add_destination-").await;
    stage.open_page("alice", places);
    let told = stage.text("alice", "#address-book tr:has-text(\"Contoso treasury\")");
    assert!(
        told.contains("supplier") && told.contains("large"),
        "{told}"
    );

    open_form(&mut stage, places, "block-");
    stage.fill("alice", "#block--addresses", ELSEWHERE);
    proposed(&house, &mut stage, "block-").await;
    stage.open_page("alice", places);
    assert!(stage.text("alice", "#blocked").ends_with('1'));

    // A key that was lost; her passkey is left.
    let people = "/console/governance/people";
    let hers = "article.person:has(> h3:text-is(\"alice\")) .credentials li";
    stage.open_page("alice", people);
    assert_eq!(stage.count("alice", hers), 2);
    let form = json!({ "at": format!("{hers}:has(.tag:text-is(\"key\")) form"), "name": "id" });
    let key = stage.tell("alice", "attribute", form);
    let key = key.as_str().unwrap();
    assert!(key.starts_with("revoke_credential-"), "{key}");
    open_form(&mut stage, people, key);
    proposed(&house, &mut stage, key).await;
    stage.open_page("alice", people);
    assert_eq!(stage.count("alice", hers), 1);
    assert!(stage.text("alice", hers).starts_with("passkey"));

    // Another policy, from a file.
    let policy = "/console/governance/policy";
    let file = house.folder().join("proposed.toml");
    let text = quick_policy().replace("max_amount = \"20 ETH\"", "max_amount = \"19 ETH\"");
    std::fs::write(&file, &text).unwrap();
    stage.open_page("alice", policy);
    assert!(!stage.text("alice", ".source").contains("19 ETH"));
    let form = "details:has(> form textarea)";
    stage.press("alice", &format!("{form} > summary"));
    let input = format!("{form} input[type=file]");
    stage.tell("alice", "upload", json!({ "at": input, "file": file }));
    stage.fill(
        "alice",
        &format!("{form} input[name=reason]"),
        "smaller for a month",
    );
    stage.press("alice", &format!("{form} button"));
    agreed(&house, &mut stage, &["operator/bob", "operator/carol"]).await;
    stage.wait("alice", "#state:has-text(\"enacted\")");
    stage.look("alice", "proposal-enacted");
    stage.open_page("alice", policy);
    assert!(stage.text("alice", ".source").contains("19 ETH"));
}

/// Opens a page, and on it the form of this key.
pub(crate) fn open_form(stage: &mut Stage, page: &str, key: &str) {
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
    let before = handed_in(house);
    stage.press("alice", &format!("#{key} button"));
    let told = format!("#{key} [data-answer].failed");
    stage.wait("alice", &told);
    let told = stage.text("alice", &told);
    assert!(told.contains(words), "{told}");
    assert_eq!(handed_in(house), before);
}

/// Sends a form, and has others agree until what it proposes took effect.
async fn proposed(house: &House, stage: &mut Stage, key: &str) {
    stage.press("alice", &format!("#{key} button"));
    agreed(house, stage, &["operator/bob", "operator/carol"]).await;
}

/// Has others agree to what Alice just proposed, until it took effect.
async fn agreed(house: &House, stage: &mut Stage, others: &[&str]) {
    let id = led_to_proposal(stage, "alice");
    for who in others {
        agree(house, who, &id).await;
    }
    until_proposal(house, &id, "enacted").await;
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
