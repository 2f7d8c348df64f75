//! A daemon that is killed: what it raised and could not deliver is delivered by the next, once; what ended meanwhile is told
//! to be over.

use crate::house::{House, LONG, SOMEBODY, ask, readyz, withdraw};

use super::{pager::Pager, watched_house};

/// Asks for more than policy lets anybody have; twice is a burst here.
async fn deny(house: &House, key: &str) {
    let client = house.client_as("client/exchange").unwrap();
    let denied = withdraw(&client, key, &ask("ETH", "20", SOMEBODY)).await;
    assert_eq!(denied["state"], "denied", "{denied}");
}

async fn until_undelivered(house: &House) {
    house
        .until("fail to deliver", LONG, async || {
            readyz(house).1["degraded"] == serde_json::json!(["alerts"])
        })
        .await
        .unwrap();
}

/// Files of messages that wait.
fn kept(house: &House) -> usize {
    let state = house.folder().join("state/main.alerts");
    let names = std::fs::read_dir(&state).unwrap_or_else(|e| panic!("{}: {e}", state.display()));
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("alert_")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_was_not_delivered_before_a_kill_is_delivered_once_after_it() {
    let pager = Pager::start();
    let mut house = watched_house(&pager, "denials = 2\nwindow_s = 2").await;
    pager.sleeps(true);
    deny(&house, "k1").await;
    deny(&house, "k2").await;
    until_undelivered(&house).await;
    assert!(kept(&house) >= 1);
    house.daemon.kill9().unwrap();
    assert!(pager.told("alert.firing", "denial_burst").is_empty());

    pager.sleeps(false);
    house.daemon.restart().unwrap();
    pager.until(&house, "alert.firing", "denial_burst").await;
    pager.until(&house, "alert.resolved", "denial_burst").await;
    house
        .until("forget what arrived", LONG, async || kept(&house) == 0)
        .await
        .unwrap();

    // What arrived is not sent again, however often the daemon is killed.
    house.daemon.kill9().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let freezing = house.client_as("operator/alice").unwrap();
    let body = serde_json::json!({ "wallet": "hot-eth", "reason": "looking into it" });
    let frozen: Result<serde_json::Value, _> = freezing.post("/v1/freeze", &body).await;
    frozen.unwrap();
    pager.until(&house, "alert.firing", "frozen").await;
    for phase in ["alert.firing", "alert.resolved"] {
        assert_eq!(pager.told(phase, "denial_burst").len(), 1, "{phase}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_while_the_daemon_is_dead_is_told_to_be_back() {
    let pager = Pager::start();
    let mut house = watched_house(&pager, "").await;
    house.anvil.as_mut().unwrap().stop().unwrap();
    let alert = pager.until(&house, "alert.firing", "node_down").await;
    house.daemon.kill9().unwrap();
    house.anvil.as_mut().unwrap().restart().unwrap();
    house.daemon.restart().unwrap();
    let over = pager.until(&house, "alert.resolved", "node_down").await;
    assert_eq!(
        (&over["subject"], &over["since"]),
        (&alert["subject"], &alert["since"])
    );
    assert_eq!(pager.told("alert.firing", "node_down").len(), 1);
}
