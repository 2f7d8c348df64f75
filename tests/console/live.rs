//! Pages follow the vault by themselves, and are right after a connection was lost.

use custodyd_testbed::Signal;

use crate::bed::{LONG, approve, ask_ether, ethereum_house};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_happens_while_it_is_open_and_what_happened_while_it_was_cut_off() {
    let (mut house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.wait("alice", "#queue .empty");

    let first = ask_ether(&house, "k1", "2").await;
    let entry = |id: &str| format!("article[id=\"{id}\"]");
    stage.wait("alice", &entry(&first));
    approve(&house, "operator/bob", &first).await;
    stage.wait(
        "alice",
        &format!("{} .seats .given:has-text(\"bob\")", entry(&first)),
    );

    // A daemon that stands still answers nobody; what was asked meanwhile is there once it goes on.
    house.daemon.process().signal(Signal::STOP).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    house.daemon.process().signal(Signal::CONT).unwrap();
    let second = ask_ether(&house, "k2", "3").await;
    stage.wait("alice", &entry(&second));

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
