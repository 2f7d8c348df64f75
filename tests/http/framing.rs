//! Where a request ends: lengths, encodings, sizes of everything.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    edge::{ALICE, Asked, Edge, SHOP, WITHDRAWAL},
    wire::{Answer, exchange, raw_exchange, read_to_end},
};

const GIGABYTE: u64 = 1 << 30;
const TAKE: Asked<'_> = Asked {
    method: "POST",
    target: "/v1/withdrawals",
    idempotency_key: Some("order-1"),
    body: WITHDRAWAL,
};

/// Sends a head and then up to a gigabyte; gives the answer and how much the server took.
async fn pour(edge: &Edge, head: String, chunked: bool) -> (Answer, u64) {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let pouring = tokio::spawn(async move {
        let mut part = vec![b' '; 1 << 20];
        if chunked {
            part.splice(..0, b"100000\r\n".iter().copied());
            part.extend_from_slice(b"\r\n");
        }
        while counter.load(Ordering::Relaxed) < GIGABYTE && writer.write_all(&part).await.is_ok() {
            counter.fetch_add(1 << 20, Ordering::Relaxed);
        }
    });
    let mut answer = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await;
    pouring.abort();
    (Answer::read(&answer), taken.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_gigabyte_is_refused_before_it_is_read() {
    let edge = Edge::start().await;
    for target in ["/v1/withdrawals", "/v1/cold/imports"] {
        let request = edge.signed(SHOP, &Asked { target, ..TAKE });
        let head = format!("{}content-length: {GIGABYTE}\r\n\r\n", request.head());
        let (answer, taken) = pour(&edge, head, false).await;
        answer.is_problem(413, "too-large");
        assert!(taken < 64 << 20, "{taken} bytes were taken");
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_before_it_is_read() {
    let edge = Edge::start().await;
    let request = edge.signed(SHOP, &TAKE);
    let head = format!("{}transfer-encoding: chunked\r\n\r\n", request.head());
    let (answer, taken) = pour(&edge, head, true).await;
    answer.is_problem(411, "length");
    assert!(taken < 64 << 20, "{taken} bytes were taken");
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_body_just_over_the_limit_is_refused_and_one_just_below_is_read() {
    let edge = Edge::start().await;
    let fits = [WITHDRAWAL, &vec![b' '; 64 * 1024 - WITHDRAWAL.len()]].concat();
    assert_eq!(edge.post(SHOP, TAKE.target, &fits).await.status, 202);
    let over = [&fits[..], b" "].concat();
    edge.post(SHOP, TAKE.target, &over)
        .await
        .is_problem(413, "too-large");
    let deep = "[".repeat(100_000);
    let answer = edge.post(SHOP, TAKE.target, deep.as_bytes()).await;
    answer.is_problem(413, "too-large");
    assert_eq!(edge.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_body_framed_in_two_ways_is_refused_and_nothing_behind_it_is_a_request() {
    let edge = Edge::start().await;
    let request = edge.signed(SHOP, &TAKE);
    let smuggled =
        String::from_utf8(edge.signed(ALICE, &Asked::get("/v1/wallets")).bytes()).unwrap();
    for framing in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        let bytes = format!("{}{framing}\r\n0\r\n\r\n{smuggled}", request.head());
        let answer = raw_exchange(edge.address, bytes.as_bytes()).await;
        assert_eq!(
            String::from_utf8_lossy(&answer)
                .matches("HTTP/1.1 ")
                .count(),
            1
        );
        Answer::read(&answer).is_problem(411, "length");
    }
    for framing in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -1\r\n",
        "content-length: 0x10\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, gzip\r\n",
    ] {
        let bytes = format!("{}{framing}\r\n{smuggled}", request.head());
        let answer = raw_exchange(edge.address, bytes.as_bytes()).await;
        assert_eq!(
            String::from_utf8_lossy(&answer)
                .matches("HTTP/1.1 ")
                .count(),
            1
        );
        assert_eq!(Answer::read(&answer).status, 400, "{framing}");
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_head_too_large_or_with_too_many_fields_is_refused() {
    let edge = Edge::start().await;
    let mut long = edge.signed(SHOP, &TAKE);
    long.header("x-long", &"x".repeat(64 * 1024));
    assert_eq!(edge.send(&long).await.status, 431);
    let mut many = edge.signed(SHOP, &TAKE);
    (0..100).for_each(|n| many.header(&format!("x-{n}"), "x"));
    assert_eq!(edge.send(&many).await.status, 431);
    let mut far = edge.signed(ALICE, &Asked::get("/v1/withdrawals"));
    far.target = format!("/v1/withdrawals?cursor={}", "x".repeat(4_096));
    edge.send(&far).await.is_problem(414, "target");
    let noise = raw_exchange(edge.address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await;
    assert_eq!(Answer::read(&noise).status, 400);
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_effect() {
    let edge = Edge::start().await;
    let bytes = edge.signed(SHOP, &TAKE).bytes();
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(&bytes[..bytes.len() - 10]).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    if !answer.is_empty() {
        assert_eq!(Answer::read(&answer).status, 400);
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn another_path_or_method_is_a_problem_too() {
    let edge = Edge::start().await;
    let host = format!("host: {}\r\nconnection: close\r\n\r\n", edge.authority());
    let ask = async |line: &str| {
        let bytes = format!("{line} HTTP/1.1\r\n{host}");
        exchange(edge.address, bytes.as_bytes()).await
    };
    for line in ["GET /v2/withdrawals", "GET /", "MADEUP /nowhere"] {
        let answer = ask(line).await;
        answer.is_problem(404, "not-found");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    }
    for line in [
        "DELETE /v1/withdrawals",
        "MADEUP /v1/policy",
        "PUT /healthz",
    ] {
        let answer = ask(line).await;
        answer.is_problem(405, "method");
        assert!(
            answer.header("allow").unwrap().contains("GET"),
            "{answer:?}"
        );
    }
    assert_eq!(ask("GET /healthz").await.json()["status"], "ok");
    assert_eq!(ask("GET /readyz").await.status, 200);
}
