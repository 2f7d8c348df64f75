//! Whoever writes to the database while somebody looks at a payout gains nothing by it, and is told of.

use serde_json::json;

use crate::{
    bed::{House, LONG, SOMEBODY, approvers, ask_ether, ethereum_house, sql, state},
    stage::Stage,
};

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

    // The page finds out by itself, and offers nothing more.
    let row = format!("article[id=\"{id}\"]");
    stage.wait("alice", &format!("{row} .banner.altered"));
    assert_eq!(stage.count("alice", &format!("{row} form")), 0);
    stage.look("alice", "queue-altered");

    let page = format!("/console/withdrawals/{id}");
    stage.open_page("alice", &page);
    stage.wait("alice", "#altered section");
    let told = stage.text("alice", "#altered");
    for shown in [
        "destination",
        SOMEBODY,
        ELSEWHERE,
        "custodyd journal verify",
    ] {
        assert!(told.contains(shown), "{shown} is not in {told}");
    }
    // What would be paid is told from memory.
    let paid = stage.text("alice", "[data-shown=destination]");
    assert_eq!(paid.replace(char::is_whitespace, ""), SOMEBODY);
    assert_eq!(stage.count("alice", "article form"), 0);
    stage.look("alice", "withdrawal-altered");
    // Whoever makes the button themselves is refused as before.
    let target = format!("/v1/withdrawals/{id}/approvals");
    stage.tell(
        "alice",
        "forge",
        json!({ "at": "#decision-card", "target": target }),
    );
    stage.press("alice", "#forged button");
    stage.wait("alice", "#answer.failed");
    assert!(approvers(&house, &id).await.is_empty());

    hidden_no_other_way(&house, &mut stage, &id);

    stage.open_page("alice", &page);
    stage.press("alice", ".approve");
    stage.wait("alice", "#answer.done");
    assert_eq!(approvers(&house, &id).await, ["alice"]);

    alerted(&house, "statement_mismatch", &id).await;

    // Looking is enough to find out, and to be told of by an alert.
    let id = ask_ether(&house, "k2", "2").await;
    let edit = format!("UPDATE withdrawals SET state = 'final' WHERE id = '{id}';");
    sql(&house, &edit);
    stage.open_page("alice", &format!("/console/withdrawals/{id}"));
    alerted(&house, "journal_fault", &id).await;
}

async fn alerted(house: &House, kind: &str, id: &str) {
    let told = async || {
        let log = house.daemon.log().unwrap();
        let mut lines = log.lines();
        lines.any(|line| line.contains(kind) && line.contains(id))
    };
    house.until("raise the alert", LONG, told).await.unwrap();
}

/// Other ways to keep the page from telling of it, each undone at the end.
fn hidden_no_other_way(house: &House, stage: &mut Stage, id: &str) {
    let page = format!("/console/withdrawals/{id}");
    sql(
        house,
        &format!(
            "CREATE TABLE kept AS SELECT * FROM withdrawals; \
             UPDATE kept SET document = replace(document, '{ELSEWHERE}', '{SOMEBODY}');"
        ),
    );
    for (edit, told) in [
        ("UPDATE withdrawals SET document = 'x'", "no JSON: x"),
        ("UPDATE withdrawals SET queue_rank = -1", "queue_rank"),
        ("UPDATE withdrawals SET asked = NULL", "in the queue of"),
        ("DELETE FROM withdrawals", "its row is gone"),
    ] {
        sql(house, &format!("{edit} WHERE id = '{id}';"));
        let (status, _) = stage.open_page("alice", &page);
        assert_eq!(status, 200, "{edit}");
        let shown = stage.text("alice", "#altered");
        assert!(shown.contains(told), "{edit}: {shown}");
        assert_eq!(stage.count("alice", "article form"), 0, "{edit}");
        // Taken out of the queue it is told above it.
        if edit.ends_with("asked = NULL") || edit.starts_with("DELETE") {
            stage.open_page("alice", "/console/queue");
            let told = stage.text("alice", "#queue .altered");
            assert!(
                told.contains("1 payout waits") && told.contains(id),
                "{told}"
            );
            stage.look("alice", "queue-kept-out");
        }
        sql(
            house,
            "DELETE FROM withdrawals; INSERT INTO withdrawals SELECT * FROM kept;",
        );
    }
    sql(house, "DROP TABLE kept;");
}
