//! What somebody will send: each gets a clear, typed refusal, and changes nothing.

use custodyd_client::NewWithdrawal;
use custodyd_testbed::House;
use serde_json::Value;

use crate::{
    house::{Plan, SOMEBODY, ask, default_policy, house, show, until_state, withdraw},
    wire::{Letter, Speaker},
};

const PAY: &str = "/v1/withdrawals";
/// Of litecoin-regtest: version 0, 20 bytes.
const PUBKEY_HASH: &str = "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3";

/// A body, with one field replaced by this JSON text.
fn spoilt(field: &str, json: &str) -> Vec<u8> {
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
struct Mark(u64);

impl Mark {
    async fn set(house: &House) -> Self {
        let operator = house.client_as("operator/alice").unwrap();
        let head: Value = operator.get("/v1/journal/checkpoint").await.unwrap();
        Self(head["seq"].as_u64().unwrap())
    }

    async fn since(&self, house: &House) -> Vec<String> {
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

#[tokio::test(flavor = "multi_thread")]
async fn destinations_that_cannot_be_meant_are_refused() {
    let inward = "[[rules]]\nid = \"hot-to-own\"\neffect = \"deny\"\n\
                  when = { tier = [\"hot\"], destination = [\"own\"] }\n";
    let policy = format!("{}\n{inward}", default_policy());
    let house = house(Plan {
        policy: Some(policy),
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["3"]).await.unwrap();
    let exchange = Speaker::of(&house, "client/exchange");
    let mark = Mark::set(&house).await;
    let pay = |key: &str, asset: &str, amount: &str, destination: &str| {
        let body = serde_json::to_vec(&ask(asset, amount, destination)).unwrap();
        exchange.post(PAY, Some(key), &body)
    };
    let refused = [
        (
            "mainnet",
            "LTC",
            "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
        ),
        (
            "Bitcoin",
            "LTC",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            "Bitcoin, base58",
            "LTC",
            "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        ),
        ("an account", "LTC", SOMEBODY),
        (
            "checksum",
            "LTC",
            "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs4",
        ),
        (
            "mixed case",
            "LTC",
            "rltc1Qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "bech32m for bech32",
            "LTC",
            "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k0ep24n",
        ),
        (
            "bech32 for bech32m",
            "LTC",
            "rltc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq9cjgh4",
        ),
        (
            "witness version 2",
            "LTC",
            "rltc1zw508d6qejxtdg4y5r3zarvaryvxze8ex",
        ),
        (
            "witness version 16",
            "LTC",
            "rltc1sw508d6qejxtdg4y5r3zarvary0c5xw7km4s768",
        ),
        (
            "a Cyrillic letter",
            "LTC",
            "rltс1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "a space",
            "LTC",
            " rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "an address URI",
            "LTC",
            "litecoin:rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        ("nothing", "LTC", ""),
        (
            "a private key",
            "LTC",
            "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        ),
        (
            "EIP-55",
            "ETH",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79c8",
        ),
        ("zero", "ETH", "0x0000000000000000000000000000000000000000"),
        (
            "39 digits",
            "ETH",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C",
        ),
        ("a name", "ETH", "vitalik.eth"),
        ("Litecoin", "ETH", PUBKEY_HASH),
    ];
    for (number, (what, asset, destination)) in refused.iter().enumerate() {
        pay(&format!("to-{number}"), asset, "0.5", destination).refuses(what, 422, "destination");
    }
    // BIP-141 outputs of 22 bytes: less than 294 litoshi at Core's dust rate cost more to spend than they are worth.
    pay("dust", "LTC", "0.00000001", PUBKEY_HASH).refuses("dust", 422, "amount");
    let mainnet_supply = pay("supply", "LTC", "84000000.00000001", PUBKEY_HASH);
    mainnet_supply.refuses("more than there is", 422, "amount");
    assert_eq!(mark.since(&house).await, [""; 0]);

    // The vault's own: no wallet pays itself; the hot one's is refilled from the warm one, if people approve; and what a
    // hot wallet may pay within the house is for policy to say.
    let (hot, warm) = (
        house.address_of("hot-ltc").await.unwrap(),
        house.address_of("warm-ltc").await.unwrap(),
    );
    let body = NewWithdrawal {
        wallet: Some("hot-ltc".to_owned()),
        ..ask("LTC", "0.5", &hot)
    };
    let itself = exchange.post(PAY, Some("itself"), &serde_json::to_vec(&body).unwrap());
    itself.refuses("a wallet's own address", 422, "destination");
    assert_eq!(mark.since(&house).await, [""; 0]);
    for (key, destination, wallet, state) in [
        ("refill", &hot, "warm-ltc", "awaiting_approval"),
        ("sweep", &warm, "hot-ltc", "denied"),
    ] {
        let answer = pay(key, "LTC", "0.5", destination);
        assert_eq!(answer.status, 201, "{answer:?}");
        let seen = ["destination_class", "wallet", "state"]
            .map(|field| answer.body[field].as_str().unwrap());
        assert_eq!(seen, ["own", wallet, state], "{answer:?}");
    }
    assert_eq!(
        mark.since(&house).await,
        ["withdrawal_requested", "withdrawal_judged"].repeat(2)
    );

    // The good one among them, so that the others weren't refused for something else.
    let client = house.client_as("client/exchange").unwrap();
    let paid = withdraw(&client, "good", &ask("LTC", "0.5", PUBKEY_HASH)).await;
    until_state(&house, &client, paid["id"].as_str().unwrap(), "broadcast").await;
    assert_eq!(
        show(&client, paid["id"].as_str().unwrap()).await["destination"]
            .as_str()
            .unwrap()
            .split(':')
            .next_back(),
        Some(PUBKEY_HASH)
    );
}
