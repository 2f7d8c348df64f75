//! From an invitation to a payment on the chain, as a newcomer does it.

use serde_json::{Value, json};

use crate::bed::{approve, approvers, ask_ether, ethereum_house, show, state, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_enrols_signs_in_and_approves_what_waits_which_becomes_final_on_the_node() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    approve(&house, "operator/bob", &id).await;
    let invitation = house.invite(&["carol"]).await.unwrap().remove(0);

    stage.person("carol");
    stage.open_page("carol", "/console");
    assert_eq!(
        stage.open_page("carol", "/console/queue").1,
        "/console/login"
    );
    stage.look("carol", "sign-in");
    let link = format!("/console/enrol#{}", invitation.secret());
    stage.open_page("carol", &link);
    stage.wait("carol", "#enrol button");
    assert_eq!(stage.text("carol", "#operator"), "carol");
    let address = stage.tell("carol", "where", json!({}));
    let address = address.as_str().unwrap();
    assert!(
        !address.contains('#'),
        "the secret stays in view: {address}"
    );
    stage.look("carol", "enrol");
    stage.press("carol", "#enrol button");
    stage.wait("carol", "#enrolled");
    assert!(stage.text("carol", "#answer").contains("carol"));
    stage.look("carol", "enrolled");

    stage.press("carol", "#enrolled a");
    stage.press("carol", "#login button");
    stage.wait("carol", &format!("article[id=\"{id}\"]"));
    let entry = stage.text("carol", &format!("article[id=\"{id}\"]"));
    for shown in ["bob", "invoice k1", "hot-eth", "computed here"] {
        assert!(entry.contains(shown), "{shown}: {entry}");
    }
    stage.press("carol", &format!("article[id=\"{id}\"] .approve"));
    stage.wait("carol", "#answer.done");
    let paid = until_final(&house, &id).await;
    assert_eq!(approvers(&house, &id).await, ["bob", "carol"]);
    let transaction = paid["transaction"].as_str().unwrap();
    let alice = house.client_as("operator/alice").unwrap();
    let path = format!("/v1/transactions/{transaction}");
    let document: Value = alice.get(&path).await.unwrap();
    let node = house.anvil.as_ref().unwrap();
    let receipt = node
        .rpc("eth_getTransactionReceipt", &json!([document["txid"]]))
        .unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    stage.wait("carol", "#queue .empty");

    // The invitation was good once.
    stage.person("mallory");
    stage.open_page("mallory", &link);
    stage.wait("mallory", "#answer.failed");
    assert_eq!(stage.count("mallory", "#enrol:visible"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_does_not_verify_its_user_neither_enrols_nor_signs_in_nor_approves() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invitation = house.invite(&["alice"]).await.unwrap().remove(0);

    stage.person("alice");
    stage.tell("alice", "verify", json!({ "verifies": false }));
    stage.open_page("alice", &format!("/console/enrol#{}", invitation.secret()));
    stage.press("alice", "#enrol button");
    stage.wait("alice", "#answer.failed");

    stage.tell("alice", "verify", json!({ "verifies": true }));
    stage.enrol("alice", &invitation);
    stage.tell("alice", "verify", json!({ "verifies": false }));
    stage.open_page("alice", "/console/login");
    stage.press("alice", "#login button");
    stage.wait("alice", "#answer.failed");

    stage.tell("alice", "verify", json!({ "verifies": true }));
    stage.sign_in("alice");
    stage.tell("alice", "verify", json!({ "verifies": false }));
    stage.press("alice", &format!("article[id=\"{id}\"] .approve"));
    stage.wait("alice", "#answer.failed");
    let document = show(&house, &id).await;
    assert_eq!(document["approvals"], json!([]), "{document}");
    assert_eq!(state(&house, &id).await, "awaiting_approval");
}
