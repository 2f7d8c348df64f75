//! Several people, and several browsers of one.

use serde_json::json;

use crate::bed::{approvers, ask_ether, ethereum_house, show, until_final};

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
