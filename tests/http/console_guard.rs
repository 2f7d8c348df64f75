//! What keeps other sites, other names and oversized bodies away from the console.

use crate::{
    console::{HOST, ORIGIN, signed_in, stranger},
    edge::Edge,
    wire::Request,
};

fn post(target: &str, body: &[u8]) -> Request {
    let mut request = Request::new("POST", target, body);
    request.header("host", HOST);
    request.header("content-type", "application/json");
    request.header("origin", ORIGIN);
    request
}

#[tokio::test]
async fn every_answer_keeps_a_browser_from_mixing_the_console_with_anything_else() {
    let edge = Edge::start().await;
    for target in [
        "/console/login",
        "/console/enrol",
        "/console/queue",
        "/console/session",
    ] {
        let mut request = Request::new("GET", target, b"");
        request.header("host", HOST);
        let answer = edge.send(&request).await;
        assert_eq!(
            answer.header("content-security-policy").unwrap(),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{target}"
        );
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target}: {name}");
        }
        let permissions = answer.header("permissions-policy").unwrap();
        assert!(permissions.starts_with(
            "publickey-credentials-get=(self), publickey-credentials-create=(self), "
        ));
        assert!(!answer.body.contains("<style") && !answer.body.contains("onclick"));
    }
}

#[tokio::test]
async fn a_page_under_another_name_is_refused() {
    let edge = Edge::start().await;
    for host in [
        "evil.example",
        "localhost:8081",
        "localhost",
        "127.0.0.1:8080",
        "localhost:8080.evil.example",
    ] {
        for method in ["GET", "POST"] {
            let mut request = Request::new(method, "/console/login", b"");
            request.header("host", host);
            edge.send(&request).await.is_problem(421, "host");
        }
    }
    let mut request = Request::new("GET", "/console/login", b"");
    request.header("host", "LOCALHOST:8080");
    assert_eq!(edge.send(&request).await.status, 200);
}

#[tokio::test]
async fn what_another_sites_page_asks_for_is_refused_with_a_cookie_and_without() {
    let edge = Edge::start().await;
    let cookie = signed_in(&edge).await.cookie.unwrap();
    let from: [&[(&str, &str)]; 7] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
        &[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ],
        &[("sec-fetch-site", "none")],
    ];
    for target in [
        "/console/login",
        "/console/login/options",
        "/console/logout",
        "/console/acts",
        "/console/acts/prepare",
        "/console/enrol",
        "/console/enrol/start",
    ] {
        for headers in from {
            let mut request = Request::new("POST", target, b"{}");
            request.header("host", HOST);
            request.header("content-type", "application/json");
            request.header("cookie", &cookie);
            for (name, value) in headers {
                request.header(name, value);
            }
            edge.send(&request).await.is_problem(403, "cross-site");
        }
    }
    let mut user = stranger(&edge);
    user.cookie = Some(cookie);
    assert_eq!(
        user.get("/console/session").await.unwrap().status,
        200,
        "still signed in"
    );
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_form_can_not_be_sent_where_json_is_wanted() {
    let edge = Edge::start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let mut request = post("/console/login/options", b"{}");
        request.replace("content-type", kind);
        edge.send(&request).await.is_problem(415, "media-type");
    }
    let mut request = post("/console/login/options", b"{}");
    request.without("content-type");
    edge.send(&request).await.is_problem(415, "media-type");
    // Signing out is a form's.
    let mut request = post("/console/logout", b"");
    request.without("content-type");
    assert_eq!(edge.send(&request).await.status, 303);
}

#[tokio::test]
async fn bodies_that_are_too_large_too_deep_or_not_as_expected_are_refused() {
    let edge = Edge::start().await;
    let large = vec![b' '; 40 * 1024];
    edge.send(&post("/console/login/options", &large))
        .await
        .is_problem(413, "too-large");
    let deep = "[".repeat(20_000);
    for body in [
        "",
        "null",
        "{",
        "{\"operator\":1}",
        "{\"operator\":\"a\",\"operator\":\"b\"}",
        "{\"else\":1}",
        "{\"operator\":\"\\ud800\"}",
        &deep,
    ] {
        let answer = edge
            .send(&post("/console/login/options", body.as_bytes()))
            .await;
        let detail = answer.is_problem(400, "malformed");
        assert!(detail.len() < 100, "{detail}");
    }
    // A secret that stands in a wrong place is not shown again.
    let secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";
    let body = format!("{{\"secret\":\"{secret}\",\"more\":\"{secret}\"}}");
    let answer = edge
        .send(&post("/console/enrol/start", body.as_bytes()))
        .await;
    answer.is_problem(400, "malformed");
    assert!(!answer.body.contains(secret));
}

#[tokio::test]
async fn a_large_act_is_read_for_nobody_who_is_not_signed_in() {
    let edge = Edge::start().await;
    let mut request = post("/console/acts", b"");
    request.header("content-length", "20000000");
    request.header("connection", "close");
    let head = format!("{}\r\n", request.head());
    let answer = crate::wire::exchange(edge.address, head.as_bytes()).await;
    answer.is_problem(401, "unauthenticated");
}
