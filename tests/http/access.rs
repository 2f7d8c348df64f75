//! Reads of what is confidential are written down, without what was read.

use crate::{
    edge::{ALICE, Asked, Edge, SHOP},
    page::Page,
};

#[tokio::test]
async fn who_read_what_is_written_down_before_the_answer_and_strangers_read_nothing() {
    // As it is configured unless stated otherwise.
    let page = Page::filtered("info");
    let edge = Edge::start().await;
    edge.commit(vec![], vec![]).await;
    let export = format!("ex_{}", "0".repeat(32));
    let confidential = [
        (ALICE, "/v1/journal?after=0&limit=10".to_owned(), 200),
        (ALICE, "/v1/withdrawals?state=final".to_owned(), 200),
        (ALICE, format!("/v1/cold/exports/{export}/bundle"), 404),
        (SHOP, "/v1/wallets/hot/addresses".to_owned(), 200),
        (SHOP, "/v1/policy".to_owned(), 200),
        // Not let in, and still worth a line: somebody who may speak tried.
        (SHOP, "/v1/journal".to_owned(), 403),
    ];
    for (number, (who, target, status)) in confidential.iter().enumerate() {
        let answer = edge.get(who, target).await;
        assert_eq!(answer.status, *status, "{target}: {answer:?}");
        let log = page.text();
        let lines: Vec<&str> = log
            .lines()
            .filter(|l| l.contains("custodyd::access"))
            .collect();
        assert_eq!(lines.len(), number + 1, "{log}");
        let line = lines.last().unwrap();
        for part in [
            format!("speaker={who}"),
            format!("subject={target:?}"),
            format!("status={status}"),
            format!("request={:?}", answer.header("x-request-id").unwrap()),
            "address=127.0.0.1".to_owned(),
        ] {
            let bare = part.replace('"', "");
            assert!(line.replace('"', "").contains(&bare), "{part} in {line}");
        }
    }
    // A client's own list, and what whoever is not known asks for, are no reads.
    assert_eq!(edge.get(SHOP, "/v1/withdrawals").await.status, 200);
    let mut stranger = edge.signed("client/nobody", &Asked::get("/v1/journal"));
    assert_eq!(edge.send(&stranger).await.status, 401);
    stranger.without("signature");
    assert_eq!(edge.send(&stranger).await.status, 401);
    let log = page.text();
    assert_eq!(log.matches(": read ").count(), confidential.len(), "{log}");
    assert!(!log.contains("version = 1"), "the policy's text");
}

#[tokio::test]
async fn who_is_refused_is_written_down() {
    let page = Page::filtered("info");
    let edge = Edge::start().await;
    edge.post(SHOP, "/v1/cold/exports", b"{}").await;
    let log = page.text();
    let line = log
        .lines()
        .find(|line| line.contains(": refused "))
        .unwrap();
    for part in [
        "status=403",
        "client/shop",
        "route=\"/v1/cold/exports\"",
        "address=127.0.0.1",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
