//! Which token is out: for machines, for operators, and not for clients.

use std::time::Duration;

use custodyd_hsm::{Counters, Health, Hsm, HsmError, MemberStatus, Reply, Request, TokenInfo};
use serde_json::{Value, json};

use crate::{
    edge::{ALICE, Edge, SHOP},
    wire,
};

/// An HSM of tokens in a given state of health. What it signs is not asked for here.
#[derive(Debug)]
pub(crate) struct Tokens(pub(crate) Vec<Health>);

impl Hsm for Tokens {
    fn submit(&self, _: Request, _: Duration, _: Reply) -> Result<(), HsmError> {
        Err(HsmError::Closed)
    }

    fn members(&self) -> Vec<MemberStatus> {
        let member = |(number, health): (u8, &Health)| MemberStatus {
            name: format!("hsm-{}", char::from(b'a' + number)),
            info: (number == 0).then(|| TokenInfo {
                label: "custodyd".into(),
                serial: "0a1b".into(),
                model: String::new(),
                manufacturer: String::new(),
                firmware: "2.6".into(),
                slot: 0,
            }),
            health: health.clone(),
            counters: Counters {
                signatures: 7,
                failures_retryable: 2,
                failures_fatal: 1,
                ..Counters::default()
            },
            restarts: 0,
            missing_keys: 0,
        };
        (0..).zip(&self.0).map(member).collect()
    }

    fn call_limit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn out() -> Health {
    Health::Out {
        reason: "C_Sign failed with CKR_DEVICE_REMOVED".into(),
    }
}

async fn ready(edge: &Edge) -> (u16, Value) {
    let mut request = wire::Request::new("GET", "/readyz", b"");
    request.header("host", &edge.authority());
    let answer = edge.send(&request).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn one_token_out_is_named_and_no_reason_to_be_not_ready() {
    let edge = Edge::before(Tokens(vec![Health::Up, out()])).await;
    let (status, body) = ready(&edge).await;
    assert_eq!(status, 200);
    assert_eq!(body["degraded"], json!(["hsm:hsm-b"]));
    assert_eq!(body["trouble"], json!([]));

    let edge = Edge::before(Tokens(vec![Health::Recovering, out()])).await;
    assert_eq!(ready(&edge).await.0, 200, "one that recovers takes work");
}

#[tokio::test]
async fn all_tokens_out_is_not_ready() {
    let edge = Edge::before(Tokens(vec![out(), out()])).await;
    let (status, body) = ready(&edge).await;
    assert_eq!((status, &body["trouble"]), (503, &json!(["hsm"])));
    assert_eq!(body["degraded"], json!(["hsm:hsm-a", "hsm:hsm-b"]));
}

#[tokio::test]
async fn operators_see_each_token_and_clients_none() {
    let edge = Edge::before(Tokens(vec![Health::Up, out()])).await;
    edge.get(SHOP, "/v1/hsm").await.is_problem(403, "forbidden");
    let body = edge.get(ALICE, "/v1/hsm").await.json();
    let (up, gone) = (&body["tokens"][0], &body["tokens"][1]);
    assert_eq!(
        (&up["name"], &up["health"]),
        (&json!("hsm-a"), &json!("up"))
    );
    assert_eq!(up["device"]["serial"], "0a1b");
    assert_eq!((&up["signatures"], &up["failures"]), (&json!(7), &json!(3)));
    assert_eq!(
        (&gone["health"], &gone["device"]),
        (&json!("out"), &Value::Null)
    );
    assert!(
        gone["reason"]
            .as_str()
            .unwrap()
            .contains("CKR_DEVICE_REMOVED")
    );
}
