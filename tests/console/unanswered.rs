//! What was handed in and has no answer yet: nothing says that it is done, and nothing that it is not.

use serde_json::json;

use crate::bed::ethereum_house;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_in_and_has_no_answer_is_told_neither_as_done_nor_as_refused() {
    let (house, mut stage) = ethereum_house().await;
    let invitation = house.invite(&["alice"]).await.unwrap().remove(0);

    // The passkey is taken, and only the answer to that is lost: that the invitation is spent then is no news.
    stage.person("alice");
    let detail =
        "the passkey was handed in and not answered yet; try to sign in with it in a moment";
    let lost = json!({
        "path": "**/console/enrol", "method": "POST", "through": true, "status": 503,
        "body": { "type": "urn:custodyd:problem:unavailable", "title": "Not available", "detail": detail },
    });
    stage.tell("alice", "answer", lost);
    stage.open_page("alice", &format!("/console/enrol#{}", invitation.secret()));
    stage.press("alice", "#enrol button");
    stage.wait_gone("alice", "#enrol");
    let told = stage.text("alice", "#answer.failed");
    assert!(told.contains(detail), "{told}");
    stage.sign_in("alice");

    // The vault takes longer than a page waits.
    let pending = json!({
        "path": "**/console/acts", "method": "POST", "status": 202,
        "headers": { "location": "/console/acts/00000000000000000000000000000001" },
        "body": { "request": "00000000000000000000000000000001", "status": "pending" },
    });
    let mut later = pending.clone();
    later["path"] = json!("**/console/acts/0*");
    later["method"] = json!("GET");
    stage.tell("alice", "answer", pending);
    stage.tell("alice", "answer", later);
    stage.tell("alice", "clock", json!({}));
    stage.open_page("alice", "/console/freeze");
    let why = ".halt input[name=reason]";
    stage.fill("alice", why, "odd payouts since ten");
    stage.press("alice", ".halt input[type=checkbox]");
    stage.press("alice", ".halt button");
    let told = ".answer.waits:has-text(\"NOT in effect yet\")";
    stage.tell("alice", "hurry", json!({ "at": told }));
    let at = format!("{told} a");
    let link = stage.tell("alice", "attribute", json!({ "at": at, "name": "href" }));
    assert_eq!(link, "/console/freeze");
    // Nothing looks as if it had been done.
    let kept = stage.tell("alice", "value", json!({ "at": why }));
    assert_eq!(kept, "odd payouts since ten");
    assert_eq!(stage.count("alice", ".answer.done"), 0);
    stage.look("alice", "freeze-unanswered");
}
