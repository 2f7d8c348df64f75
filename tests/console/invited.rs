//! From an invitation that is proposed in a browser to whoever enrols by the link that it showed there.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    bed::{agree, ethereum_house, led_to_proposal, until_proposal},
    changes::open_form,
    stage::Stage,
};

const PEOPLE: &str = "/console/governance/people";
const FORM: &str = "form[data-invite]";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_invited_by_a_form_agreed_to_by_others_and_enrols_by_the_link_that_it_showed() {
    let (house, mut stage) = ethereum_house().await;
    let invited = house.invite(&["alice", "bob"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.enrolled("bob", &invited[1]);

    let link = link_to(&mut stage, "erin");
    let (origin, secret) = link.split_once("/console/enrol#").unwrap();
    assert_eq!((origin, secret.len()), (house.console().as_str(), 43));
    // What the console was sent doesn't hold it, and the page shows it once.
    let said = stage.tell("alice", "overheard", json!({}));
    let [sent] = said.as_array().unwrap().as_slice() else {
        panic!("{said}");
    };
    let body = STANDARD.decode(sent["body"].as_str().unwrap()).unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("\"invite\"") && !body.contains(secret),
        "{body}"
    );
    stage.open_page("alice", PEOPLE);
    assert!(!stage.text("alice", "main").contains(secret));
    // Before others agreed it is good for nothing.
    stage.person("erin");
    stage.open_page("erin", &link);
    stage.wait("erin", "#answer.failed");

    // To something else that Alice proposes Bob says no.
    open_form(&mut stage, PEOPLE, "remove_operator-dave");
    stage.press("alice", "#remove_operator-dave button");
    let other = led_to_proposal(&mut stage, "alice");
    stage.open_page("bob", &format!("/console/governance/{other}"));
    stage.press("bob", "#decision-card .reject");
    stage.wait("bob", "#answer.done");
    until_proposal(&house, &other, "vetoed").await;
    stage.wait("alice", "#state:has-text(\"vetoed\")");

    stage.open_page("bob", "/console/governance");
    stage.press("bob", "#open article.proposal a:has-text(\"erin\")");
    stage.wait("bob", "#decision-card .approve");
    stage.look("bob", "proposal-invitation");
    stage.press("bob", "#decision-card .approve");
    stage.wait("bob", "#answer.done");
    let id = led_to_proposal(&mut stage, "bob");
    agree(&house, "operator/carol", &id).await;
    until_proposal(&house, &id, "enacted").await;

    stage.open_page("erin", "about:blank");
    stage.open_page("erin", &link);
    stage.press("erin", "#enrol button");
    stage.wait("erin", "#enrolled");
    stage.sign_in("erin");
    assert_eq!(stage.text("erin", ".who strong"), "erin");
}

/// Alice proposes to invite somebody. Nothing that she doesn't sign shows a link, then or by what she signs later.
fn link_to(stage: &mut Stage, whom: &str) -> String {
    stage.open_page("alice", PEOPLE);
    stage.tell("alice", "overhear", json!({ "path": "/console/acts" }));
    stage.press("alice", &format!("details:has(> {FORM}) > summary"));
    let name = format!("{FORM} input[name=\"changes.0.operator\"]");
    stage.fill("alice", &name, whom);
    stage.fill(
        "alice",
        &format!("{FORM} input[name=reason]"),
        "joins treasury",
    );
    let button = format!("{FORM} button");
    stage.tell("alice", "verify", json!({ "verifies": false }));
    stage.press("alice", &button);
    stage.wait("alice", ".answer.failed");
    assert_eq!(stage.count("alice", ".invitation:visible"), 0);
    stage.tell("alice", "verify", json!({ "verifies": true }));
    stage.press("alice", &button);
    stage.wait("alice", ".invitation");
    stage.look("alice", "people-invited");
    stage.text("alice", ".invitation output")
}
