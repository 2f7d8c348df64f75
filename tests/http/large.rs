//! Bodies that may be large: who holds the few places for them.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    edge::{ALICE, Asked, Edge, SHOP},
    wire::{Answer, Request, read_to_end},
};

const PROPOSALS: &str = "/v1/proposals";
const IMPORTS: &str = "/v1/cold/imports";
/// More than there are places of either.
const MANY: usize = 12;
const BODY: &[u8] = br#"{"vault":"main","changes":[],"reason":"none"}"#;

/// Sends all of a request but its last byte.
async fn stalled(edge: &Edge, request: &Request) -> TcpStream {
    let bytes = request.bytes();
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
    stream
}

/// The answer to a body that stays out.
async fn answer_to_stalled(edge: &Edge, request: &Request) -> (Answer, TcpStream) {
    let mut stream = stalled(edge, request).await;
    let answer = Answer::read(&read_to_end(&mut stream).await);
    (answer, stream)
}

#[tokio::test]
async fn strangers_whose_bodies_stall_take_no_place_from_an_operator() {
    let edge = Edge::start().await;
    for target in [PROPOSALS, IMPORTS] {
        let asked = Asked::post(target, BODY);
        let mut held = Vec::new();
        for number in 0..MANY {
            // Nobody's name, an operator's under another key's signature, one who was never asked, and text that is no signature.
            let mut request = edge.signed(ALICE, &asked);
            match number % 4 {
                0 => request = edge.signed("operator/nobody", &asked),
                1 => {
                    let other = edge.signed(SHOP, &asked);
                    request.replace("signature", &other.value("signature"));
                }
                2 => request.replace("signature", "a"),
                _ => request.replace("signature-input", "b"),
            }
            let (answer, stream) = answer_to_stalled(&edge, &request).await;
            answer.is_problem(401, "unauthenticated");
            held.push(stream);
            // Nor does one who is known, to whom this is closed.
            let (answer, stream) = answer_to_stalled(&edge, &edge.signed(SHOP, &asked)).await;
            let detail = answer.is_problem(403, "forbidden");
            assert!(detail.ends_with("is for operators"), "{detail}");
            held.push(stream);
        }
        assert_eq!(edge.post(ALICE, target, BODY).await.status, 202, "{target}");
    }
    assert_eq!(edge.inbox().await.len(), 2);
}

#[tokio::test]
async fn a_large_body_that_is_not_the_signed_one_is_refused_and_not_stored() {
    let edge = Edge::start().await;
    for target in [PROPOSALS, IMPORTS] {
        let mut other = edge.signed(ALICE, &Asked::post(target, BODY));
        let last = other.body.last_mut().unwrap();
        *last ^= 1;
        let detail = edge.send(&other).await.is_problem(401, "unauthenticated");
        assert!(detail.contains("content-digest"), "{detail}");
        let mut without = edge.signed(ALICE, &Asked::post(target, b""));
        without.body = BODY.into();
        let detail = edge.send(&without).await.is_problem(401, "unauthenticated");
        assert!(detail.contains("content-digest"), "{detail}");
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn who_finds_no_place_is_told_what_takes_them() {
    let edge = Edge::start().await;
    for (target, places, words) in [(PROPOSALS, 8, "proposals"), (IMPORTS, 4, "bundles")] {
        let asked = Asked::post(target, BODY);
        let mut held = Vec::new();
        for _ in 0..places {
            held.push(stalled(&edge, &edge.signed(ALICE, &asked)).await);
        }
        let turned_away = async {
            loop {
                let answer = edge.send(&edge.signed(ALICE, &asked)).await;
                if answer.status == 503 {
                    return answer;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let answer = timeout(Duration::from_secs(20), turned_away).await.unwrap();
        let detail = answer.is_problem(503, "unavailable");
        assert!(detail.contains(words), "{detail}");
    }
}
