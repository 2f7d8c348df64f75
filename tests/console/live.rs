//! Pages follow the vault by themselves, and are right after a connection was lost.

use serde_json::json;

use crate::bed::{LONG, approve, ask_ether, entry, ethereum_house};

const EVENTS: &str = "**/console/events";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_happens_while_it_is_open_and_what_happened_while_it_was_cut_off() {
    let (mut house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.wait("alice", "#queue .empty");

    let first = ask_ether(&house, "k1", "2").await;
    stage.wait("alice", &entry(&first));
    approve(&house, "operator/bob", &first).await;
    stage.wait(
        "alice",
        &format!("{} .seats .given:has-text(\"bob\")", entry(&first)),
    );

    // Cut off with a session that lives, the page says so; what was asked meanwhile is there once it is back, by no event.
    stage.tell("alice", "cut", json!({ "cut": true }));
    stage.wait("alice", "#offline:has-text(\"Connection lost\")");
    let second = ask_ether(&house, "k2", "3").await;
    assert_eq!(stage.count("alice", &entry(&second)), 0);
    stage.tell("alice", "cut", json!({ "cut": false }));
    stage.wait("alice", &entry(&second));
    stage.wait_gone("alice", "#offline");

    // One that is killed ends the session, which the page says, beside since when it is as it is.
    house.daemon.kill9().unwrap();
    stage.wait("alice", "#offline");
    let told = stage.text("alice", "#offline");
    assert!(
        told.contains("Connection lost") && told.contains("as of"),
        "{told}"
    );
    stage.look("alice", "connection-lost");
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let third = ask_ether(&house, "k3", "4").await;
    stage.wait("alice", "#offline:has-text(\"signed out\")");
    stage.sign_in("alice");
    stage.wait("alice", &entry(&third));
    stage.wait_gone("alice", "#offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_between_a_page_and_its_stream_is_shown_without_another_event() {
    let (house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    stage.tell("alice", "hold", json!({ "path": EVENTS }));
    stage.open_page("alice", "/console/queue");
    stage.tell("alice", "held", json!({}));
    let first = ask_ether(&house, "k1", "2").await;
    assert_eq!(stage.count("alice", &entry(&first)), 0);
    stage.tell("alice", "letGo", json!({}));
    stage.wait("alice", &entry(&first));
    stage.tell("alice", "release", json!({}));

    // A stream that was refused is asked for again after the page was fetched: what happens then is shown as well.
    stage.tell("alice", "hold", json!({ "path": EVENTS }));
    let refused = json!({ "path": EVENTS, "status": 503, "body": {}, "times": 1 });
    stage.tell("alice", "answer", refused);
    stage.open_page("alice", "/console/queue");
    stage.tell("alice", "held", json!({}));
    let second = ask_ether(&house, "k2", "3").await;
    assert_eq!(stage.count("alice", &entry(&second)), 0);
    stage.tell("alice", "letGo", json!({}));
    stage.wait("alice", &entry(&second));
}
