//! Who signed, what, and when.

use crate::{
    edge::{ALICE, Asked, DESK, Edge, MAX_SKEW_S, SHOP, WITHDRAWAL, now_s},
    wire::Request,
};

const TAKE: Asked<'_> = Asked {
    method: "POST",
    target: "/v1/withdrawals",
    idempotency_key: Some("order-1"),
    body: WITHDRAWAL,
};

#[tokio::test]
async fn a_signed_request_is_stored_as_it_was_sent() {
    let edge = Edge::start().await;
    let request = edge.signed(SHOP, &TAKE);
    let answer = edge.send(&request).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let inbox = edge.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(
        (inbox[0].principal.as_str(), inbox[0].kind.as_str()),
        (SHOP, "withdraw")
    );
    let stored: custodyd_httpsig::SignedRequest = serde_json::from_str(&inbox[0].request).unwrap();
    assert_eq!(stored.body, WITHDRAWAL);
    assert_eq!(stored.signature, request.value("signature"));
    assert_eq!(stored.authority, edge.authority());
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let edge = Edge::start().await;
    for missing in ["signature", "signature-input"] {
        let mut request = edge.signed(SHOP, &TAKE);
        request.without(missing);
        edge.send(&request).await.is_problem(401, "unauthenticated");
    }
    let mut request = edge.signed(SHOP, &TAKE);
    request.replace("signature-input", "sig1=();keyid=");
    edge.send(&request).await.is_problem(401, "unauthenticated");
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_signature_get_the_same_answer() {
    let edge = Edge::start().await;
    let unknown = edge.signed("client/nobody", &TAKE);
    let mut wrong = edge.signed(SHOP, &TAKE);
    wrong.replace("signature", &edge.signed(DESK, &TAKE).value("signature"));
    let (unknown, wrong) = (edge.send(&unknown).await, edge.send(&wrong).await);
    unknown.is_problem(401, "unauthenticated");
    assert_eq!((unknown.status, &unknown.body), (wrong.status, &wrong.body));

    let long_ago = now_s() - 10_000;
    let unknown = edge.signed_at("operator/nobody", long_ago, &TAKE);
    let known = edge.signed_at(ALICE, long_ago, &TAKE);
    let strip = |body: String| body.replace(|c: char| c.is_ascii_digit(), "");
    let (unknown, known) = (edge.send(&unknown).await, edge.send(&known).await);
    unknown.is_problem(401, "unauthenticated");
    assert_eq!(strip(unknown.body), strip(known.body));
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_signature_holds_for_nothing_else_than_was_signed() {
    type Spoil = fn(&mut Request);
    let edge = Edge::start().await;
    let id = "wd_00000000000000000000000000000000";
    let spoilt: [(&str, Spoil); 8] = [
        ("another path", |r| {
            r.target = "/v1/withdrawals/simulate".into()
        }),
        ("a query added", |r| r.target.push_str("?wallet=cold")),
        ("another host", |r| r.replace("host", "elsewhere.example")),
        ("another body", |r| r.body = WITHDRAWAL.to_ascii_uppercase()),
        ("another body and digest", |r| {
            r.body = b"{}".into();
            r.replace(
                "content-digest",
                "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
            );
        }),
        ("another key", |r| r.replace("idempotency-key", "order-2")),
        ("no key", |r| r.without("idempotency-key")),
        ("another type", |r| {
            r.replace("content-type", "application/JSON")
        }),
    ];
    for (what, spoil) in spoilt {
        let mut request = edge.signed(SHOP, &TAKE);
        spoil(&mut request);
        let answer = edge.send(&request).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
    }
    let approvals = format!("/v1/withdrawals/{id}/approvals");
    let mut request = edge.signed(ALICE, &Asked::post(&approvals, b"{}"));
    request.target = format!("/v1/withdrawals/{id}/rejections");
    edge.send(&request).await.is_problem(401, "unauthenticated");
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_clock_off_by_more_than_the_window_is_refused_and_told_so() {
    let edge = Edge::start().await;
    let slack = 30;
    for created in [
        now_s() - MAX_SKEW_S - slack,
        now_s() + MAX_SKEW_S + slack,
        0,
    ] {
        let request = edge.signed_at(SHOP, created, &TAKE);
        let detail = edge.send(&request).await.is_problem(401, "unauthenticated");
        assert!(detail.contains("away from the clock"), "{detail}");
    }
    assert!(edge.inbox().await.is_empty());
    for created in [now_s() - MAX_SKEW_S + slack, now_s() + MAX_SKEW_S - slack] {
        let request = edge.signed_at(SHOP, created, &TAKE);
        assert_eq!(edge.send(&request).await.status, 202);
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_refused() {
    let edge = Edge::start().await;
    let write = edge.signed(SHOP, &TAKE);
    assert_eq!(edge.send(&write).await.status, 202);
    edge.send(&write).await.is_problem(409, "replayed");
    assert_eq!(edge.inbox().await.len(), 1);

    let read = edge.signed(SHOP, &Asked::get("/v1/wallets"));
    assert_eq!(edge.send(&read).await.status, 200);
    edge.send(&read).await.is_problem(409, "replayed");
    // The same asked anew is another request.
    assert_eq!(edge.get(SHOP, "/v1/wallets").await.status, 200);
}

#[tokio::test]
async fn of_a_hundred_copies_sent_at_once_one_is_stored() {
    let edge = Edge::start().await;
    let write = edge.signed(SHOP, &TAKE);
    let copies = (0..100).map(|_| edge.send(&write));
    let answers = futures_util::future::join_all(copies).await;
    assert_eq!(answers.iter().filter(|a| a.status == 202).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 99);
    assert_eq!(edge.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_header_that_comes_twice_is_refused_even_if_both_say_the_same() {
    let edge = Edge::start().await;
    for name in [
        "host",
        "signature",
        "signature-input",
        "content-type",
        "content-digest",
        "idempotency-key",
    ] {
        let mut request = edge.signed(SHOP, &TAKE);
        request.header(name, &request.value(name));
        let detail = edge.send(&request).await.is_problem(400, "malformed");
        assert!(detail.contains(name), "{detail}");
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_target_with_a_host_of_its_own_is_refused() {
    let edge = Edge::start().await;
    let mut request = edge.signed(SHOP, &TAKE);
    request.target = format!("http://elsewhere.example{}", TAKE.target);
    edge.send(&request).await.is_problem(400, "malformed");
    let mut request = edge.signed(SHOP, &TAKE);
    request.without("host");
    edge.send(&request).await.is_problem(400, "malformed");
    assert!(edge.inbox().await.is_empty());
}
