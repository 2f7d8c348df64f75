//! Bodies that somebody will send: each gets a clear, typed refusal, and changes nothing.

use custodyd_testbed::House;
use serde_json::Value;

use crate::{
    house::{Plan, SOMEBODY, house},
    wire::Speaker,
};

/// Where withdrawals are asked for.
pub(crate) const PAY: &str = "/v1/withdrawals";

/// A body, with one field replaced by this JSON text.
pub(crate) fn spoilt(field: &str, json: &str) -> Vec<u8> {
    let whole = [
        ("vault", "\"main\""),
        ("asset", "\"ETH\""),
        ("amount", "\"0.5\""),
        ("destination", &format!("\"{SOMEBODY}\"")),
        ("reference", "\"bad input\""),
    ];
    let fields: Vec<String> = whole
        .iter()
        .map(|(name, value)| format!("\"{name}\":{}", if *name == field { json } else { value }))
        .collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}

/// Where the journal ends, and what of it requests make: observations come and go by themselves.
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) async fn set(house: &House) -> Self {
        let operator = house.client_as("operator/alice").unwrap();
        let head: Value = operator.get("/v1/journal/checkpoint").await.unwrap();
        Self(head["seq"].as_u64().unwrap())
    }

    pub(crate) async fn since(&self, house: &House) -> Vec<String> {
        let operator = house.client_as("operator/alice").unwrap();
        let path = format!("/v1/journal?after={}&limit=200", self.0);
        let page: Value = operator.get(&path).await.unwrap();
        let kinds = page["rows"].as_array().unwrap().iter();
        kinds
            .map(|row| row["kind"].as_str().unwrap().to_owned())
            .filter(|kind| !kind.ends_with("_observed"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_by_type_and_change_nothing() {
    let house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    let exchange = Speaker::of(&house, "client/exchange");
    let mark = Mark::set(&house).await;

    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("no body", Vec::new(), 415, "media-type"),
        ("30,000 deep", deep.clone().into_bytes(), 400, "malformed"),
        (
            "30,000 deep in a field",
            spoilt("reference", &deep),
            400,
            "malformed",
        ),
        ("200 kB", vec![b'['; 200_000], 413, "too-large"),
        (
            "half a document",
            b"{\"vault\":\"main\"".to_vec(),
            400,
            "malformed",
        ),
        (
            "two documents",
            [spoilt("", ""), spoilt("", "")].concat(),
            400,
            "malformed",
        ),
        ("a list", b"[]".to_vec(), 400, "malformed"),
        (
            "not UTF-8",
            spoilt("reference", "\"\u{1}\"")
                .into_iter()
                .map(|b| if b == 1 { 0xff } else { b })
                .collect(),
            400,
            "malformed",
        ),
        (
            "a lone surrogate",
            spoilt("reference", "\"\\ud800\""),
            400,
            "malformed",
        ),
        (
            "a key twice",
            spoilt("amount", "\"0.5\",\"amount\":\"0.4\""),
            400,
            "malformed",
        ),
        (
            "an unknown field",
            spoilt("amount", "\"0.5\",\"fee\":\"0\""),
            400,
            "malformed",
        ),
        (
            "a missing field",
            b"{\"vault\":\"main\",\"asset\":\"ETH\"}".to_vec(),
            400,
            "malformed",
        ),
        (
            "a number for a text",
            spoilt("destination", "7"),
            400,
            "malformed",
        ),
        ("null for a text", spoilt("vault", "null"), 400, "malformed"),
        (
            "an unknown asset",
            spoilt("asset", "\"DOGE\""),
            400,
            "malformed",
        ),
        (
            "an asset in lower case",
            spoilt("asset", "\"eth\""),
            400,
            "malformed",
        ),
        (
            "a path for a vault",
            spoilt("vault", "\"../main\""),
            400,
            "malformed",
        ),
        (
            "another vault",
            spoilt("vault", "\"other\""),
            404,
            "other-vault",
        ),
        (
            "an asset without a wallet",
            spoilt("asset", "\"BTC\""),
            422,
            "no-wallet",
        ),
        (
            "an unknown wallet",
            spoilt("reference", "\"\",\"wallet\":\"nowhere\""),
            404,
            "unknown-wallet",
        ),
        ("NaN", spoilt("amount", "NaN"), 400, "malformed"),
        ("a number", spoilt("amount", "0.5"), 400, "malformed"),
        (
            "1e18 as a number",
            spoilt("amount", "1e18"),
            400,
            "malformed",
        ),
        ("1e18", spoilt("amount", "\"1e18\""), 422, "amount"),
        ("negative", spoilt("amount", "\"-1\""), 422, "amount"),
        ("a plus", spoilt("amount", "\"+1\""), 422, "amount"),
        ("zero", spoilt("amount", "\"0\""), 422, "amount"),
        (
            "zero with decimals",
            spoilt("amount", "\"0.000\""),
            422,
            "amount",
        ),
        ("nothing", spoilt("amount", "\"\""), 422, "amount"),
        (
            "2^127 wei and more",
            spoilt("amount", "\"170141183460469231731.687303715884105728\""),
            422,
            "amount",
        ),
        (
            "2^256",
            spoilt(
                "amount",
                &format!(
                    "\"{}\"",
                    "115792089237316195423570985008687907853269984665640564039457584007913129639936"
                ),
            ),
            422,
            "amount",
        ),
        ("leading zeros", spoilt("amount", "\"00.5\""), 422, "amount"),
        ("no leading zero", spoilt("amount", "\".5\""), 422, "amount"),
        (
            "a trailing point",
            spoilt("amount", "\"5.\""),
            422,
            "amount",
        ),
        (
            "19 decimals",
            spoilt("amount", "\"0.1234567890123456789\""),
            422,
            "amount",
        ),
        ("a comma", spoilt("amount", "\"0,5\""), 422, "amount"),
        (
            "a group separator",
            spoilt("amount", "\"1_000\""),
            422,
            "amount",
        ),
        ("a space", spoilt("amount", "\" 0.5\""), 422, "amount"),
        ("NUL", spoilt("amount", "\"0.5\\u0000\""), 422, "amount"),
        (
            "a right-to-left override",
            spoilt("amount", "\"\\u202e0.5\""),
            422,
            "amount",
        ),
        ("Arabic digits", spoilt("amount", "\"٥\""), 422, "amount"),
        (
            "a full-width digit",
            spoilt("amount", "\"５\""),
            422,
            "amount",
        ),
        ("hexadecimal", spoilt("amount", "\"0x5\""), 422, "amount"),
        ("infinity", spoilt("amount", "\"inf\""), 422, "amount"),
        (
            "NUL in the reference",
            spoilt("reference", "\"a\\u0000b\""),
            422,
            "reference",
        ),
        (
            "a right-to-left override in the reference",
            spoilt("reference", "\"a\\u202eb\""),
            422,
            "reference",
        ),
        (
            "an endless reference",
            spoilt("reference", &format!("\"{}\"", "a".repeat(141))),
            422,
            "reference",
        ),
    ];
    for (number, (what, body, status, code)) in bodies.iter().enumerate() {
        let key = format!("bad-{number}");
        exchange
            .post(PAY, Some(&key), body)
            .refuses(what, *status, code);
        if !body.is_empty() {
            let simulated = exchange.post("/v1/withdrawals/simulate", None, body);
            simulated.refuses(what, *status, code);
        }
    }

    let good = spoilt("", "");
    let letter = |key| exchange.letter(PAY, key, &good);
    letter(None)
        .send()
        .refuses("no key", 400, "idempotency-key");
    exchange.post(PAY, Some(&"k".repeat(129)), &good).refuses(
        "129 characters",
        400,
        "idempotency-key",
    );
    let spaced = letter(Some("k")).with("idempotency-key", "a b").send();
    spaced.refuses("a space in the key", 400, "idempotency-key");
    let ten_kilobytes = "k".repeat(10_000);
    let long = letter(Some("k"))
        .with("idempotency-key", &ten_kilobytes)
        .send();
    long.refuses("a key of 10 kB", 400, "idempotency-key");
    let empty = letter(Some("k")).with("idempotency-key", "").send();
    empty.refuses("an empty key", 400, "idempotency-key");
    let plain = letter(Some("k")).with("content-type", "text/plain").send();
    plain.refuses("another media type than signed", 401, "unauthenticated");

    let paths = [
        "/v1/withdrawals/..%2F..%2Fetc/approvals",
        "/v1/withdrawals/wd_1%3BDROP/cancellation",
        "/v1/nowhere",
    ];
    for path in paths {
        exchange
            .post(path, None, b"")
            .refuses(path, 404, "not-found");
    }
    assert_eq!(mark.since(&house).await, [""; 0]);

    // Words that are dangerous elsewhere are only words here.
    let labelled = spoilt("reference", "\"'; DROP TABLE journal;--\"");
    assert_eq!(exchange.post(PAY, Some("sql"), &labelled).status, 201);
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}
