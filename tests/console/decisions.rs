//! Decisions that count, and those that must not: by the wrong person, too late, under another policy, of something else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use custodyd_vault::Change;
use serde_json::json;

use crate::bed::{
    LONG, SOMEBODY, approvers, ask_ether, entry, ethereum_house, quick_policy, show, state,
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_asked_may_reject_or_take_back_and_whoever_is_not_asked_may_look_only() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice", "dave"]).await.unwrap();

    // Dave is of security, and treasury is asked.
    stage.enrolled("dave", &invited[1]);
    stage.wait("dave", "#queue .empty");
    stage.open_page("dave", "/console/queue?part=others");
    stage.wait("dave", &entry(&id));
    assert_eq!(stage.count("dave", ".approve"), 0);
    stage.open_page("dave", &format!("/console/withdrawals/{id}"));
    assert_eq!(stage.count("dave", ".approve"), 0);
    // With a form that he makes himself, from one of the page's own, his passkey signs and the engine refuses.
    stage.tell(
        "dave",
        "forge",
        json!({ "target": format!("/v1/withdrawals/{id}/approvals"), "at": "article[data-withdrawal]" }),
    );
    stage.press("dave", "#forged button");
    stage.wait("dave", ".answer.failed");
    assert!(approvers(&house, &id).await.is_empty());

    stage.enrolled("alice", &invited[0]);
    stage.open_page("alice", &format!("/console/withdrawals/{id}"));
    stage.press("alice", ".reject");
    stage.wait("alice", "#state .state.ill, #state .state.over");
    let document = show(&house, &id).await;
    assert_eq!(document["state"], "rejected", "{document}");
    stage.wait("alice", "#signed-card td:has-text(\"reject\")");
    stage.look("alice", "withdrawal-rejected");

    // What is before the passkey while it waits for a touch is what is decided.
    let other = ask_ether(&house, "k2", "1.5").await;
    stage.open_page("alice", "/console/queue");
    let code = stage.text("alice", &format!("{} [data-code]", entry(&other)));
    stage.tell("alice", "touches", json!({ "touches": false }));
    stage.press("alice", &format!("{} .approve", entry(&other)));
    let asked = "#answer.waits:has-text(\"Your passkey is asked\")";
    stage.wait("alice", asked);
    let told = stage.text("alice", asked);
    for named in ["approve 1.5 ETH", SOMEBODY, &code] {
        assert!(told.contains(named), "{named}: {told}");
    }
    stage.tell("alice", "touches", json!({ "touches": true }));

    stage.open_page("alice", &format!("/console/withdrawals/{other}"));
    stage.press("alice", "#decision-card summary");
    // It is confirmed: without a tick nothing is asked.
    stage.press("alice", "#decision-card details .reject");
    stage.settle("alice");
    assert_eq!(state(&house, &other).await, "awaiting_approval");
    stage.press("alice", "#decision-card details input[type=checkbox]");
    stage.press("alice", "#decision-card details .reject");
    stage.wait("alice", "#signed-card td:has-text(\"cancel\")");
    assert_eq!(state(&house, &other).await, "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_expires_before_it_arrives_is_void() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    // The statement is good for two seconds, and stays in the browser for three.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let until = u64::try_from((now + Duration::from_secs(2)).as_millis()).unwrap();
    stage.tell(
        "alice",
        "restate",
        json!({ "at": "approval.expires_at", "value": until, "challenge": true }),
    );
    stage.tell("alice", "hold", json!({}));
    stage.press("alice", &format!("{} .approve", entry(&id)));
    stage.tell("alice", "held", json!({}));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.tell("alice", "letGo", json!({}));
    stage.wait("alice", "#answer.failed");
    let told = stage.text("alice", "#answer");
    assert!(told.contains("took too long"), "{told}");
    assert!(approvers(&house, &id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_signed_under_another_policy_does_not_count() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    stage.tell("alice", "hold", json!({}));
    stage.press("alice", &format!("{} .approve", entry(&id)));
    stage.tell("alice", "held", json!({}));
    let source = quick_policy().replace("max_amount = \"20 ETH\"", "max_amount = \"19 ETH\"");
    house
        .enact(vec![Change::SetPolicy { source }])
        .await
        .unwrap();
    stage.tell("alice", "letGo", json!({}));
    stage.wait("alice", "#answer.failed");
    assert!(approvers(&house, &id).await.is_empty());
    assert_eq!(state(&house, &id).await, "awaiting_approval");

    // Looked at anew, it can be approved.
    stage.tell("alice", "release", json!({}));
    stage.open_page("alice", "/console/queue");
    stage.press("alice", &format!("{} .approve", entry(&id)));
    stage.wait("alice", "#answer.done");
    assert_eq!(approvers(&house, &id).await, ["alice"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_states_something_else_than_it_shows_gets_no_signature() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    let lies = [
        ("approval.effects.amount", "3 ETH"),
        (
            "approval.effects.destination",
            "eip155:31337:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        ),
        ("approval.effects.wallet", "cold-eth"),
        ("approval.decision", "reject"),
        ("approval.withdrawal", "wd_00000000000000000000000000000000"),
        (
            "approval.policy",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ];
    for (at, value) in lies {
        let lie = json!({ "at": at, "value": value, "challenge": true });
        stage.tell("alice", "restate", lie);
        stage.open_page("alice", "/console/queue");
        stage.press("alice", &format!("{} .approve", entry(&id)));
        stage.wait("alice", "#answer.failed");
        let told = stage.text("alice", "#answer");
        assert!(told.contains("Nothing was signed"), "{at}: {told}");
    }
    // Even one whose challenge is another's.
    let lie = json!({ "at": "approval.nonce", "value": "00", "challenge": false });
    stage.tell("alice", "restate", lie);
    stage.open_page("alice", "/console/queue");
    stage.press("alice", &format!("{} .approve", entry(&id)));
    stage.wait("alice", "#answer.failed");
    let told = stage.text("alice", "#answer");
    assert!(told.contains("challenge"), "{told}");
    house
        .until("still wait", LONG, async || {
            approvers(&house, &id).await.is_empty()
        })
        .await
        .unwrap();
}
