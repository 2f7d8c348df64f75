//! What somebody is about to press stays where it is, and what they read stays as it is.

use std::collections::BTreeSet;

use custodyd_vault::Change;
use serde_json::json;

use crate::{
    bed::{House, SOMEBODY, alike, approvers, ask, ask_ether, entry, ethereum_house, handed_in},
    stage::Stage,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_whose_button_is_aimed_at_stays_and_one_that_moved_takes_no_press() {
    let (house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    let known = Change::AddDestination {
        address: format!("eip155:31337:{SOMEBODY}").parse().unwrap(),
        name: "Contoso treasury".to_owned(),
        tags: BTreeSet::new(),
    };
    house.enact(vec![known]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    let first = ask_ether(&house, "k1", "2").await;
    stage.wait("alice", &entry(&first));

    // One that looks like the first and is another comes before it.
    let approve = format!("{} .approve", entry(&first));
    stage.tell("alice", "point", json!({ "at": approve }));
    let second = ask(&house, "k2", "ETH", "3", &alike(SOMEBODY), None).await;
    stage.wait("alice", "#news");
    assert_eq!(stage.count("alice", &entry(&second)), 0);

    // Whoever presses before they can have seen what stands there now presses nothing.
    let before = handed_in(&house);
    stage.tell("alice", "pressMoved", json!({ "at": approve }));
    assert_eq!(
        stage.count("alice", &format!("li:first-child > {}", entry(&second))),
        1
    );
    stage.wait("alice", "#answer.failed:has-text(\"press was not taken\")");
    stage.wait_gone("alice", "#news");
    assert_eq!(handed_in(&house), before);

    // The keyboard's stop holds as well, until it is left.
    stage.tell(
        "alice",
        "focus",
        json!({ "at": format!("{} .code a", entry(&first)) }),
    );
    stage.tell("alice", "key", json!({ "name": "Tab" }));
    let third = ask_ether(&house, "k3", "4").await;
    stage.wait("alice", "#news");
    assert_eq!(stage.count("alice", &entry(&third)), 0);
    stage.press("alice", "h1");
    stage.wait("alice", &entry(&third));

    stage.press("alice", &approve);
    stage.wait("alice", "#answer.done");
    assert_eq!(approvers(&house, &first).await, ["alice"]);
    assert!(approvers(&house, &second).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_did_not_change_is_neither_exchanged_nor_highlighted() {
    let (house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    let id = ask_ether(&house, "k1", "2").await;
    stage.open_page("alice", "/console/queue");
    let code = format!("{} .code", entry(&id));
    stage.wait("alice", &format!("{code}:has-text(\"computed here\")"));
    stage.tell("alice", "mark", json!({ "at": entry(&id) }));

    // A press that begins before a part below changed, and ends after it.
    stage.tell("alice", "point", json!({ "at": format!("{code} a") }));
    stage.tell("alice", "down", json!({}));
    propose(&house, &mut stage).await;
    assert_eq!(
        stage.count("alice", &format!("{}[data-marked]", entry(&id))),
        1
    );
    assert_eq!(stage.count("alice", ".changed"), 0);
    stage.tell("alice", "up", json!({}));
    let page = format!("/console/withdrawals/{id}");
    stage.tell("alice", "waitPath", json!({ "path": page }));
}

/// Bob proposes something, and the page shows that.
async fn propose(house: &House, stage: &mut Stage) {
    let body = json!({
        "vault": "main",
        "changes": [{ "change": "remove_operator", "id": "dave" }],
        "reason": "left in March",
    });
    let bob = house.client_as("operator/bob").unwrap();
    let _: serde_json::Value = bob.post("/v1/proposals", &body).await.unwrap();
    stage.wait("alice", "#proposals a");
}
