//! Whoever writes to the database while somebody looks at a payout gains nothing by it, and is told of.

use crate::bed::{LONG, SOMEBODY, approvers, ask_ether, ethereum_house, sql, state};

/// Where a thief would like it to go.
const ELSEWHERE: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_is_altered_in_the_database_between_display_and_approval_is_refused_and_an_alert_says_so()
 {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.wait("alice", &format!("article[id=\"{id}\"]"));

    let altered = format!(
        "UPDATE withdrawals SET document = replace(document, '{SOMEBODY}', '{ELSEWHERE}') WHERE id = '{id}'; \
         SELECT count(*) FROM withdrawals WHERE document LIKE '%{ELSEWHERE}%';"
    );
    assert_eq!(sql(&house, &altered), "1");

    stage.press("alice", &format!("article[id=\"{id}\"] .approve"));
    stage.wait("alice", "#answer.failed");
    let told = stage.text("alice", "#answer");
    assert!(told.contains("database"), "{told}");
    assert!(approvers(&house, &id).await.is_empty());
    assert_eq!(state(&house, &id).await, "awaiting_approval");

    stage.open_page("alice", &format!("/console/withdrawals/{id}"));
    stage.wait("alice", ".altered");
    assert!(
        stage
            .text("alice", ".address")
            .replace(char::is_whitespace, "")
            .contains(SOMEBODY)
    );
    stage.look("alice", "withdrawal-altered");

    house
        .until("raise the alert", LONG, async || {
            let log = house.daemon.log().unwrap();
            let mut lines = log.lines();
            lines.any(|line| line.contains("statement_mismatch") && line.contains(&id))
        })
        .await
        .unwrap();
}
