//! Several people, and several browsers of one.

use serde_json::json;

use crate::bed::{approvers, ask_ether, entry, ethereum_house, show, until_final};

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_that_approve_at_once_are_two_people_or_one() {
    let (house, mut stage) = ethereum_house().await;
    let first = ask_ether(&house, "k1", "2").await;
    let second = ask_ether(&house, "k2", "3").await;
    let invited = house.invite(&["alice", "bob", "alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.enrolled("bob", &invited[1]);
    // Alice's other device, with a passkey of its own.
    stage.enrolled("alice at home", &invited[2]);

    // Signed and held back in each browser, then let go together.
    let at_once = |stage: &mut crate::stage::Stage, people: [&str; 2], id: &str| {
        for who in people {
            stage.open_page(who, &format!("/console/withdrawals/{id}"));
            stage.tell(who, "hold", json!({}));
            stage.press(who, ".approve");
            stage.tell(who, "held", json!({}));
        }
        let begun = people.map(|who| stage.begin(who, "letGo", json!({})));
        for number in begun {
            stage.end(number);
        }
        for who in people {
            stage.wait(who, ".answer.done, .answer.failed");
            stage.tell(who, "release", json!({}));
        }
    };

    at_once(&mut stage, ["alice", "alice at home"], &first);
    assert_eq!(approvers(&house, &first).await, ["alice"]);
    let document = show(&house, &first).await;
    assert_eq!(document["state"], "awaiting_approval", "{document}");

    at_once(&mut stage, ["alice", "bob"], &second);
    let mut both = approvers(&house, &second).await;
    both.sort();
    assert_eq!(both, ["alice", "bob"]);
    until_final(&house, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_one_operator_signs_nothing_with_the_session_of_another() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice", "bob"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.wait("alice", &entry(&id));
    stage.beside("bob", "alice");
    stage.enrol("bob", &invited[1]);
    // Bob's session takes the place of Alice's while her page is cut off from what happens.
    stage.tell("alice", "hold", json!({ "path": "**/console/queue" }));
    stage.open_page("bob", "/console/login");
    stage.press("bob", "form.out button");
    stage.sign_in("bob");

    stage.press("alice", &format!("{} .approve", entry(&id)));
    stage.wait(
        "alice",
        "#answer.failed:has-text(\"bob is signed in here now\")",
    );
    assert!(approvers(&house, &id).await.is_empty());
    // What is fetched for the page is Bob's, and is not put into Alice's.
    stage.tell("alice", "letGo", json!({}));
    stage.wait("alice", "#offline:has-text(\"bob is signed in here now\")");
    assert_eq!(stage.text("alice", ".who strong"), "alice");
    stage.tell("alice", "release", json!({}));
    stage.open_page("alice", "/console/queue");
    assert_eq!(stage.text("alice", ".who strong"), "bob");
}
