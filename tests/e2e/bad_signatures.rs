//! Signatures, framing and repetitions that must not pass for a request.

use serde_json::Value;

use crate::{
    bad_inputs::{Mark, PAY, spoilt},
    house::{Plan, house},
    wire::{Letter, Speaker},
};

#[tokio::test(flavor = "multi_thread")]
async fn signatures_framing_and_replays_are_judged_before_anything_else() {
    let house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    let exchange = Speaker::of(&house, "client/exchange");
    // Denied by policy: nothing goes on by itself after it.
    let good = spoilt("amount", "\"11\"");
    let first = exchange.letter(PAY, Some("first"), &good);
    assert_eq!(first.send().status, 201);
    let mark = Mark::set(&house).await;

    first
        .send()
        .refuses("the very same request", 409, "replayed");
    let dearer = spoilt("amount", "\"12\"");
    exchange.post(PAY, Some("first"), &dearer).refuses(
        "the key of another body",
        422,
        "idempotency-key-reused",
    );
    let again = exchange.post(PAY, Some("first"), &good);
    assert_eq!(
        (again.status, mark.since(&house).await.len()),
        (200, 0),
        "{again:?}"
    );

    let unauthenticated =
        |what: &str, letter: Letter| letter.send().refuses(what, 401, "unauthenticated");
    let letter = || exchange.letter(PAY, Some("k"), &good);
    let mut elsewhere = letter();
    elsewhere.target = "/v1/withdrawals/simulate".to_owned();
    unauthenticated("a signature over another path", elsewhere);
    let mut altered = letter();
    altered.body = dearer.clone();
    unauthenticated("another body", altered.clone());
    let digest = custodyd_httpsig::content_digest(&dearer);
    unauthenticated(
        "another body with its digest",
        altered.with("content-digest", &digest),
    );
    unauthenticated("another key", letter().with("idempotency-key", "other"));
    unauthenticated(
        "an hour late",
        exchange.letter_at(PAY, Some("k"), &good, -3_600),
    );
    unauthenticated(
        "an hour early",
        exchange.letter_at(PAY, Some("k"), &good, 3_600),
    );
    let stranger = Speaker::with_key(&house, "client/nobody", "client/exchange");
    unauthenticated("a stranger", stranger.letter(PAY, Some("k"), &good));
    let impostor = Speaker::with_key(&house, "client/payroll", "client/exchange");
    unauthenticated("another's name", impostor.letter(PAY, Some("k"), &good));
    let mut unsigned = letter();
    unsigned
        .headers
        .retain(|(name, _)| !name.starts_with("signature"));
    unauthenticated("no signature", unsigned);

    let mut twice = letter();
    let content_type = twice
        .headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .cloned();
    twice.headers.extend(content_type);
    twice.send().refuses("a header twice", 400, "malformed");
    let endless = letter().send_as(&[("content-length", "1073741824")], &vec![b' '; 200_000]);
    endless.refuses("a body of 1 GB", 413, "too-large");
    let chunked = [
        format!("{:x}\r\n", good.len()).as_bytes(),
        &good,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let length = good.len().to_string();
    for framing in [
        [
            ("content-length", length.as_str()),
            ("transfer-encoding", "chunked"),
        ],
        [
            ("transfer-encoding", "chunked"),
            ("content-length", length.as_str()),
        ],
    ] {
        let answer = letter().send_as(&framing, &chunked);
        answer.refuses("two lengths", 411, "length");
    }
    let lengths = [("content-length", length.as_str()), ("content-length", "1")];
    let answer = letter().send_as(&lengths, &good);
    assert_eq!(answer.status, 400, "two lengths: {answer:?}");

    assert_eq!(mark.since(&house).await, [""; 0]);
    let payroll = Speaker::of(&house, "client/payroll");
    let id = again.body["id"].as_str().unwrap();
    let cancellation = format!("/v1/withdrawals/{id}/cancellation");
    let cancelled = payroll.post(&cancellation, None, b"");
    assert!(
        [403, 404].contains(&cancelled.status),
        "another client's withdrawal: {cancelled:?}"
    );
    assert!(
        house
            .client_as("client/payroll")
            .unwrap()
            .get::<Value>(&format!("{PAY}/{id}"))
            .await
            .is_err()
    );
    assert_eq!(mark.since(&house).await, [""; 0]);
}
