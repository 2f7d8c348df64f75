//! A trusted proxy that says nothing readable of whom it asks for: refused like everything else is.

use crate::{
    edge::{Asked, Edge, SHOP},
    wire::{Answer, exchange_from},
};

const HOME: [u8; 4] = [127, 0, 0, 1];
const PROXY: [u8; 4] = [127, 9, 9, 9];

async fn ask(edge: &Edge, source: [u8; 4], target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = edge.signed(SHOP, &Asked::get(target));
    for (name, value) in headers {
        request.header(name, value);
    }
    exchange_from(source, edge.address, &request.bytes()).await
}

#[tokio::test]
async fn a_header_of_a_proxy_that_cannot_be_read_is_refused_with_all_that_every_answer_has() {
    let edge =
        Edge::configured("[http]\ntrusted_proxies = [\"127.9.9.9\"]\nforwarded = \"forwarded\"\n")
            .await;
    for value in [
        "for=10.1.2.3;x=\", for=192.0.2.1",
        "for=unknown",
        "nonsense",
    ] {
        for target in ["/v1/wallets", "/healthz", "/nowhere"] {
            let answer = ask(&edge, PROXY, target, &[("forwarded", value)]).await;
            answer.is_problem(400, "malformed");
            for (name, expected) in [
                ("x-content-type-options", "nosniff"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(answer.header(name), Some(expected), "{answer:?}");
            }
            let id = answer.header("x-request-id").unwrap();
            assert!(!id.is_empty());
        }
        // Whoever is no proxy may write what they like.
        let answer = ask(&edge, HOME, "/v1/wallets", &[("forwarded", value)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn such_requests_have_a_rate_that_is_not_taken_from_what_the_proxy_asks_for_itself() {
    let limits = "[http.limits]\nper_second = 1\nburst = 5\n";
    let edge = Edge::configured(&format!(
        "[http]\ntrusted_proxies = [\"127.9.9.9\"]\n{limits}"
    ))
    .await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = ask(&edge, PROXY, "/v1/wallets", &[("x-forwarded-for", "x")]).await;
        match answer.status {
            400 => {}
            _ => {
                answer.is_problem(429, "too-many-requests");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
    assert_eq!(ask(&edge, PROXY, "/healthz", &[]).await.status, 200);
}
