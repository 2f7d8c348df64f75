//! What goes over the wire is what was signed, and each kind of answer becomes its own result.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use custodyd_client::{Client, ClientError, Identity};
use custodyd_httpsig::{Principal, SigningKey};
use serde_json::{Value, json};

mod listener;
use listener::{Answer, Listener};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn client(listener: &Listener) -> Client {
    let exchange = Principal::Client("exchange".to_owned());
    Client::new(&listener.url, Identity::new(exchange, key())).unwrap()
}

#[tokio::test]
async fn every_request_is_signed_as_it_is_sent() {
    let ok = || Answer::json(&json!({"ok": true}));
    let listener = Listener::start(vec![ok(), ok(), ok(), ok()]);
    let client = client(&listener);
    let target = "/v1/withdrawals?state=final&cursor=a%2Fb";
    let _: Value = client.get(target).await.unwrap();
    let _: Value = client.post("/v1/freeze", &json!({})).await.unwrap();
    let _: Value = client
        .post_idempotent("/v1/withdrawals", "order-7", &json!({"amount": "1"}))
        .await
        .unwrap();
    let _: Value = client
        .post_bytes("/v1/cold/imports", "application/x-tar", vec![0, 255])
        .await
        .unwrap();

    let requests = listener.requests(&key());
    assert_eq!(requests[0].target, target);
    assert_eq!(requests[0].content_digest, None);
    assert_eq!(requests[1].body, b"{}");
    assert_eq!(requests[2].idempotency_key.as_deref(), Some("order-7"));
    assert_eq!(requests[3].body, [0, 255]);
    let nonces: std::collections::BTreeSet<String> = requests
        .iter()
        .map(|request| request.parameters().unwrap().nonce)
        .collect();
    assert_eq!(nonces.len(), 4);
}

#[tokio::test]
async fn a_problem_is_a_typed_refusal() {
    let problem = json!({"type": "https://custodyd.dev/problems/frozen", "title": "Frozen", "detail": "the vault is frozen"});
    let listener = Listener::start(vec![Answer::problem(409, &problem)]);
    let refused = client(&listener)
        .get::<Value>("/v1/wallets")
        .await
        .unwrap_err();
    let ClientError::Refused(problem) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problem.status, 409);
    assert_eq!(problem.code(), "frozen");
    listener.requests(&key());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let listener = Listener::start(vec![Answer {
        status: 307,
        content_type: "text/plain",
        body: b"elsewhere".to_vec(),
    }]);
    let answer = client(&listener).get::<Value>("/v1/wallets").await;
    assert!(matches!(
        answer,
        Err(ClientError::Status { status: 307, .. })
    ));
    listener.requests(&key());
}

#[tokio::test]
async fn a_failure_without_a_problem_document_is_not_the_daemons_word() {
    let page = || Answer {
        status: 502,
        content_type: "text/html",
        body: b"{\"title\":\"Frozen\"}".to_vec(),
    };
    let listener = Listener::start(vec![page()]);
    let answer = client(&listener).get::<Value>("/v1/wallets").await;
    assert!(matches!(
        answer,
        Err(ClientError::Status { status: 502, .. })
    ));
    listener.requests(&key());
}

#[tokio::test]
async fn an_answer_that_is_not_json_cannot_be_read() {
    let listener = Listener::start(vec![Answer {
        status: 200,
        content_type: "application/json",
        body: b"{\"a\":".to_vec(),
    }]);
    let answer = client(&listener).get::<Value>("/v1/wallets").await;
    assert!(matches!(answer, Err(ClientError::Answer { .. })));
    listener.requests(&key());
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let exchange = Principal::Client("exchange".to_owned());
    let client = Client::new(&url, Identity::new(exchange, key())).unwrap();
    assert!(matches!(
        client.get::<Value>("/v1/wallets").await,
        Err(ClientError::NoAnswer { .. })
    ));
}
