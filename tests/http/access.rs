//! Reads of what is confidential are written down, without what was read.

use custodyd_testbed::Deed;

use crate::{
    console::{alice, signed_in},
    edge::{ALICE, Asked, Edge, SHOP},
    page::Page,
};

const WITHDRAWAL_OF_NOBODY: &str = "/v1/withdrawals/wd_00000000000000000000000000000009";
const REQUEST_OF_NOBODY: &str = "/v1/requests/00000000000000000000000000000009";

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
        (ALICE, WITHDRAWAL_OF_NOBODY.to_owned(), 404),
        (ALICE, REQUEST_OF_NOBODY.to_owned(), 404),
        // Stored and not answered yet: there is no engine here.
        (ALICE, "/v1/limits".to_owned(), 202),
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
    // What is a client's own, and what whoever is not known asks for, are no reads.
    for (target, status) in [
        ("/v1/withdrawals", 200),
        (WITHDRAWAL_OF_NOBODY, 404),
        (REQUEST_OF_NOBODY, 404),
        ("/v1/limits", 202),
    ] {
        assert_eq!(edge.get(SHOP, target).await.status, status, "{target}");
    }
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

#[tokio::test]
async fn the_pages_that_an_operator_opens_in_the_console_are_written_down_by_name() {
    let page = Page::filtered("info");
    let edge = Edge::start().await;
    edge.commit(vec![], vec![]).await;
    // Nobody is let in yet: there is nobody to name, and nothing was read.
    assert_eq!(
        alice(&edge).get("/console/queue").await.unwrap().status,
        303
    );
    assert!(!page.text().contains(": read "), "{}", page.text());
    let mut user = signed_in(&edge).await;
    let opened = [
        "/console/queue?page=2",
        "/console/journal",
        "/console/withdrawals?state=final",
    ];
    for target in opened {
        let before = page.text().len();
        let answer = user.get(target).await.unwrap();
        let log = page.text().split_off(before);
        let lines: Vec<&str> = log.lines().filter(|l| l.contains(": read ")).collect();
        assert_eq!(lines.len(), 1, "{target}: {log}");
        for part in [
            "custodyd::access".to_owned(),
            "speaker=operator/alice".to_owned(),
            format!("subject=\"{target}\""),
            format!("status={}", answer.status),
            format!("request=\"{}\"", answer.header("x-request-id").unwrap()),
            "address=127.0.0.1".to_owned(),
        ] {
            assert!(lines[0].contains(&part), "{part} in {}", lines[0]);
        }
    }
    assert!(!page.text().contains(user.cookie.as_ref().unwrap()));
}

#[tokio::test]
async fn what_an_operator_takes_out_of_the_house_through_the_console_is_written_down() {
    let page = Page::filtered("info");
    let edge = Edge::start().await;
    edge.commit(vec![], vec![]).await;
    let mut user = signed_in(&edge).await;
    let missing = format!("/v1/cold/exports/ex_{}/bundle", "0".repeat(32));
    let refused = user.act(&Deed::download(&missing)).await.unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    let exported = |log: &str| log.matches("exported from the console").count();
    assert_eq!(exported(&page.text()), 0, "nothing left");
    let rows = Deed::download("/console/journal/export?after=0&until=9");
    let answer = user.act(&rows).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.starts_with(b"{\"seq\":1,"), "{answer:?}");
    let log = page.text();
    assert_eq!(exported(&log), 1, "{log}");
    let mut lines = log.lines();
    let line = lines.find(|l| l.contains("exported from the console"));
    for part in [
        "custodyd::access",
        "operator=alice",
        "subject=\"main-journal-0-9.jsonl\"",
        // By the request's own id.
        answer.header("x-request-id").unwrap(),
    ] {
        assert!(line.unwrap().contains(part), "{part} in {line:?}");
    }
}
