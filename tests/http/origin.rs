//! From where a speaker comes, and how fast. All of 127.0.0.0/8 is this machine, so one test has many addresses.

use crate::{
    console::{HOST, alice as alice_at, signed_in},
    edge::{ALICE, Asked, DESK, Edge, SHOP, WITHDRAWAL},
    wire::{Answer, exchange_from},
};

const HOME: [u8; 4] = [127, 0, 0, 1];
const OFFICE: [u8; 4] = [127, 1, 0, 9];
const PROXY: [u8; 4] = [127, 9, 9, 9];

/// A read of wallets, from an address, with these headers more.
async fn read(edge: &Edge, source: [u8; 4], keyid: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = edge.signed(keyid, &Asked::get("/v1/wallets"));
    for (name, value) in headers {
        request.header(name, value);
    }
    exchange_from(source, edge.address, &request.bytes()).await
}

#[tokio::test]
async fn a_speaker_comes_from_its_networks_and_from_nowhere_else() {
    let edge = Edge::configured(
        "[http]\n[clients.shop]\nfrom = [\"127.1.0.0/16\", \"2001:db8::/32\"]\n\
         [operators]\nfrom = [\"127.0.0.1\"]\n",
    )
    .await;
    assert_eq!(read(&edge, OFFICE, SHOP, &[]).await.status, 200);
    let detail = read(&edge, HOME, SHOP, &[]).await.is_problem(403, "origin");
    assert!(detail.contains("client/shop") && detail.contains("127.0.0.1"));
    assert_eq!(read(&edge, HOME, ALICE, &[]).await.status, 200);
    read(&edge, OFFICE, ALICE, &[])
        .await
        .is_problem(403, "origin");
    assert_eq!(read(&edge, OFFICE, DESK, &[]).await.status, 200);
    // Writes too, and nothing of them is stored.
    let write = edge.signed(SHOP, &Asked::post("/v1/withdrawals", WITHDRAWAL));
    let answer = exchange_from(HOME, edge.address, &write.bytes()).await;
    answer.is_problem(403, "origin");
    assert!(edge.inbox().await.is_empty());
    // What headers say of an origin is nobody's word.
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let value = "127.1.0.9";
        let answer = read(&edge, HOME, SHOP, &[(header, value)]).await;
        answer.is_problem(403, "origin");
    }
    // Who signed nothing that holds learns nothing of it.
    let mut forged = edge.signed(SHOP, &Asked::get("/v1/wallets"));
    forged.replace(
        "signature",
        &edge
            .signed(DESK, &Asked::get("/v1/wallets"))
            .value("signature"),
    );
    let answer = exchange_from(HOME, edge.address, &forged.bytes()).await;
    answer.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_trusted_proxy_says_for_whom_it_asks_and_nobody_else_does() {
    let edge = Edge::configured(
        "[http]\ntrusted_proxies = [\"127.9.9.9\"]\n[clients.shop]\nfrom = [\"10.0.0.0/8\"]\n",
    )
    .await;
    let xff = "x-forwarded-for";
    assert_eq!(
        read(&edge, PROXY, SHOP, &[(xff, "10.1.2.3")]).await.status,
        200
    );
    for (source, value) in [
        (PROXY, "192.0.2.1"),
        // Left of what the proxy wrote anybody may write.
        (PROXY, "10.1.2.3, 192.0.2.1"),
        (HOME, "10.1.2.3"),
    ] {
        let answer = read(&edge, source, SHOP, &[(xff, value)]).await;
        answer.is_problem(403, "origin");
    }
    read(&edge, PROXY, SHOP, &[])
        .await
        .is_problem(403, "origin");
    for value in ["unknown", "10.1.2.3.4", "a, "] {
        let answer = read(&edge, PROXY, SHOP, &[(xff, value)]).await;
        answer.is_problem(400, "malformed");
    }
    let secure = [(xff, "10.1.2.3"), ("x-forwarded-proto", "https")];
    let answer = read(&edge, PROXY, SHOP, &secure).await;
    assert!(answer.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn a_client_that_asks_too_fast_is_told_when_to_come_again_and_nobody_else_waits() {
    let edge = Edge::configured("[http]\n[clients.shop]\nper_minute = 2\nburst = 3\n").await;
    for _ in 0..3 {
        assert_eq!(read(&edge, HOME, SHOP, &[]).await.status, 200);
    }
    let refused = read(&edge, OFFICE, SHOP, &[]).await;
    refused.is_problem(429, "too-many-requests");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // One flows in each 30 s; some of the first 30 have passed.
    assert!((2..=30).contains(&seconds), "{seconds}");
    assert_eq!(refused.json()["retry_after"], seconds);
    // A write is held back too, before it is stored.
    let write = edge.post(SHOP, "/v1/withdrawals", WITHDRAWAL).await;
    write.is_problem(429, "too-many-requests");
    assert!(edge.inbox().await.is_empty());
    assert_eq!(read(&edge, HOME, DESK, &[]).await.status, 200);
    // Others can't use its rate up: they don't get as far.
    let mut forged = edge.signed("client/nobody", &Asked::get("/v1/wallets"));
    forged.replace("host", &edge.authority());
    let answer = edge.send(&forged).await;
    answer.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_address_that_asks_too_fast_is_held_back_whoever_signs_and_others_are_not() {
    let edge = Edge::configured("[http]\n[http.limits]\nper_second = 1\nburst = 5\n").await;
    let mut refused = 0;
    for _ in 0..30 {
        let mut unsigned = edge.signed(SHOP, &Asked::get("/v1/wallets"));
        unsigned.without("signature");
        let answer = exchange_from(OFFICE, edge.address, &unsigned.bytes()).await;
        match answer.status {
            401 => {}
            _ => {
                answer.is_problem(429, "too-many-requests");
                assert_eq!(answer.header("retry-after"), Some("1"));
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
    assert_eq!(read(&edge, HOME, SHOP, &[]).await.status, 200);
}

#[tokio::test]
async fn the_console_lets_operators_look_from_their_networks_only() {
    let home = Edge::configured("[http]\n[operators]\nfrom = [\"127.0.0.1\"]\n").await;
    let mut alice = signed_in(&home).await;
    let answer = alice.get("/console/session").await.unwrap();
    assert_eq!(answer.status, 200);
    // A session that was taken away to elsewhere shows nothing there.
    let cookie = alice.cookie.clone().unwrap();
    for page in ["/console/session", "/console/queue"] {
        let request = format!(
            "GET {page} HTTP/1.1\r\nhost: {HOST}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
        );
        let answer = exchange_from(OFFICE, home.address, request.as_bytes()).await;
        answer.is_problem(403, "origin");
    }
    // Nor is anybody let in who signs in from there.
    let office = Edge::configured("[http]\n[operators]\nfrom = [\"127.1.0.0/16\"]\n").await;
    let answer = alice_at(&office).sign_in().await.unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (403, "origin"));
}
