//! The way to an approval without a pointer: every stop on it can be seen, and none is in the way.

use serde_json::{Value, json};

use crate::{
    bed::{approvers, ask_ether, ethereum_house},
    stage::Stage,
};

/// More stops than any page has.
const MOST_STOPS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_finds_a_payout_and_approves_it_by_keyboard_alone() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.person("alice");
    stage.enrol("alice", &invited[0]);

    stage.open_page("alice", "/console/login");
    go_to(&mut stage, "#login button");
    key(&mut stage, "Enter");
    stage.tell("alice", "waitPath", json!({ "path": "/console/queue" }));
    stage.wait("alice", &format!("article[id=\"{id}\"]"));

    // The first stop leads past everything that is on every page.
    key(&mut stage, "Tab");
    let first = focused(&mut stage, ".skip");
    assert!(first["is"] == true && first["seen"] == true, "{first}");
    stage.look("alice", "skip-link");
    key(&mut stage, "Enter");
    assert_eq!(focused(&mut stage, "main")["id"], "main");
    let stops = go_to(&mut stage, &format!("article[id=\"{id}\"] .code a"));
    assert!(
        stops.iter().all(|stop| !stop.contains("Governance")),
        "{stops:?}"
    );
    key(&mut stage, "Enter");
    let page = format!("/console/withdrawals/{id}");
    stage.tell("alice", "waitPath", json!({ "path": page }));

    key(&mut stage, "Tab");
    key(&mut stage, "Enter");
    go_to(&mut stage, ".approve");
    key(&mut stage, "Enter");
    stage.wait("alice", "#answer.done");
    assert_eq!(approvers(&house, &id).await, ["alice"]);
    // What was pressed is gone from the page; the keyboard isn't lost with it.
    stage.tell("alice", "waitNone", json!({ "at": ".approve" }));
    let after = focused(&mut stage, "main, main *");
    assert_eq!(after["is"], true, "{after}");
}

fn key(stage: &mut Stage, name: &str) {
    stage.tell("alice", "key", json!({ "name": name }));
}

fn focused(stage: &mut Stage, at: &str) -> Value {
    stage.tell("alice", "focused", json!({ "at": at }))
}

/// Presses Tab until the keyboard is on one of `at`. Each stop on the way is marked, and in the window; gives what they are called.
fn go_to(stage: &mut Stage, at: &str) -> Vec<String> {
    let mut stops = Vec::new();
    while stops.len() < MOST_STOPS {
        key(stage, "Tab");
        let stop = focused(stage, at);
        assert!(stop["marked"] == true && stop["seen"] == true, "{stop}");
        stops.push(stop["called"].as_str().unwrap().to_owned());
        if stop["is"] == true {
            return stops;
        }
    }
    panic!("{at} can't be reached: {stops:?}");
}
