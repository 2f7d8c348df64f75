//! The journal's page: the audit behind its button, and the anchor that the journal is held against.

use custodyd_testbed::House;
use serde_json::{Value, json};

use crate::{
    bed::{LONG, ask_ether, ethereum_house},
    stage::Stage,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_exported_by_an_act_and_held_against_the_anchor_beside_the_database() {
    let (house, mut stage) = ethereum_house().await;
    ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    stage.open_page("alice", "/console/journal");
    let entries = "form[data-target^='/console/journal/export'] button";
    let file = house.folder().join("journal.jsonl");
    let name = stage.tell("alice", "download", json!({ "at": entries, "file": file }));
    let exported = std::fs::read_to_string(&file).unwrap();
    let rows: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = rows.last().unwrap();
    assert_eq!(rows.len() as u64, last["seq"].as_u64().unwrap());
    assert_eq!(name, format!("main-journal-0-{}.jsonl", last["seq"]));
    assert!(
        rows.windows(2)
            .all(|two| two[1]["prev_hash"] == two[0]["hash"])
    );

    let told = verified(&house, &mut stage, |told| told.contains("it holds")).await;
    assert!(told.contains("as far as the anchor"), "{told}");
    stage.look("alice", "journal-verified");

    // A running daemon puts its own anchor back with its next commit, so the audit is asked for until it saw the other one.
    let anchor = house.folder().join("state/main.head.json");
    let other = |anchor_text: &str| {
        let mut head: serde_json::Value = serde_json::from_str(anchor_text).unwrap();
        head["seq"] = json!(head["seq"].as_u64().unwrap() + 1_000);
        head.to_string()
    };
    let told = {
        let own = std::fs::read_to_string(&anchor).unwrap();
        let forged = other(&own);
        let told = verified(&house, &mut stage, |told| {
            std::fs::write(&anchor, &forged).unwrap();
            told.contains("It does not hold")
        });
        told.await
    };
    assert!(told.contains("anchor"), "{told}");
    stage.look("alice", "journal-does-not-hold");

    verified(&house, &mut stage, |told| {
        let _ = std::fs::remove_file(&anchor);
        told.contains("No anchor")
    })
    .await;
}

/// Presses the button until the page says what is waited for; gives what it says then.
async fn verified(house: &House, stage: &mut Stage, mut is_it: impl FnMut(&str) -> bool) -> String {
    let mut told = String::new();
    let card = "#verification-card";
    house
        .until("verify the journal", LONG, async || {
            stage.open_page("alice", "/console/journal");
            told = stage.text("alice", card);
            if is_it(&told) {
                return true;
            }
            if !told.contains("under way") {
                stage.press("alice", &format!("{card} button"));
                stage.settle("alice");
            }
            false
        })
        .await
        .unwrap();
    told
}
