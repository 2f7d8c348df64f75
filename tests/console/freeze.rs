//! One large, confirmed action that stops everything, and what it takes to go on.

use std::time::Duration;

use serde_json::Value;

use crate::bed::{
    House, LONG, approve, approvers, ask_ether, ethereum_house, show, state, until_final,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_person_freezes_the_vault_everybody_sees_it_and_a_quorum_goes_on() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let names = ["alice", "bob", "carol", "dave"];
    let invited = house.invite(&names).await.unwrap();
    for (who, invitation) in names.iter().zip(&invited) {
        stage.enrolled(who, invitation);
    }

    // It is confirmed: without a reason and a tick nothing is asked.
    stage.press("dave", "a.stop");
    stage.wait("dave", ".halt button");
    stage.look("dave", "freeze");
    stage.press("dave", ".halt button");
    until_frozen(&house, 0).await;
    stage.fill("dave", ".halt input[name=reason]", "odd payouts since ten");
    stage.press("dave", ".halt input[type=checkbox]");
    stage.press("dave", ".halt button");
    stage.wait("dave", "#freezes .stopped-now");
    until_frozen(&house, 1).await;
    stage.look("dave", "freeze-in-force");

    // Whoever looks at the queue sees it without a reload, and what is approved goes nowhere.
    stage.wait(
        "alice",
        ".banner.frozen:has-text(\"odd payouts since ten\")",
    );
    stage.look("alice", "queue-frozen");
    stage.press("alice", &format!("article[id=\"{id}\"] .approve"));
    stage.wait("alice", "#answer.done");
    approve(&house, "operator/bob", &id).await;
    assert_eq!(approvers(&house, &id).await, ["alice", "bob"]);
    assert_eq!(state(&house, &id).await, "approved");
    // Longer than it takes from the last approval to the plan.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let document = show(&house, &id).await;
    assert_eq!(document["transaction"], Value::Null, "{document}");

    for (who, left) in [("alice", 1), ("bob", 1), ("carol", 0)] {
        stage.open_page(who, "/console/freeze");
        stage.press(who, ".stopped-now input[type=checkbox]");
        stage.press(who, ".stopped-now .go-on");
        stage.wait(who, ".answer.done");
        until_frozen(&house, left).await;
    }
    stage.wait_gone("dave", ".banner.frozen");
    // What was agreed to meanwhile goes on as well.
    until_final(&house, &id).await;
}

/// Waits until so many freezes are in force, as the metrics count them.
async fn until_frozen(house: &House, wanted: u64) {
    let counted = async || {
        let text = house.daemon.get("/metrics").unwrap().body;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("custodyd_freezes"));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum::<u64>() == wanted
    };
    house.until("be frozen", LONG, counted).await.unwrap();
}
