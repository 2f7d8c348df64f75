//! What is asked for: JSON, ids, keys, queries.

use crate::edge::{ALICE, Asked, Edge, SHOP, WITHDRAWAL};

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// The withdrawal with one field's JSON replaced.
fn with(field: &str, json: &str) -> Vec<u8> {
    let mut fields: Vec<(&str, &str)> = vec![
        ("vault", r#""main""#),
        ("asset", r#""LTC""#),
        ("amount", r#""0.5""#),
        ("destination", r#""rltc1q""#),
        ("reference", r#""order 1""#),
    ];
    match fields.iter_mut().find(|(name, _)| *name == field) {
        Some(found) => found.1 = json,
        None => fields.push((field, json)),
    }
    let fields: Vec<String> = fields.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}

#[tokio::test]
async fn json_that_is_not_exactly_a_withdrawal_is_refused_and_nothing_is_stored() {
    let edge = Edge::start().await;
    let deep = nested(30_000);
    let twice = [&WITHDRAWAL[..WITHDRAWAL.len() - 1], br#","amount":"500"}"#].concat();
    let trailing = [WITHDRAWAL, b" {}"].concat();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("white space", b" ".to_vec()),
        ("null", b"null".to_vec()),
        ("no object", b"[]".to_vec()),
        ("cut off", WITHDRAWAL[..40].to_vec()),
        ("trailing bytes", trailing),
        ("deep", deep.clone().into_bytes()),
        ("deep in an unknown field", with("note", &deep)),
        ("deep in a known field", with("amount", &deep)),
        ("a key twice", twice),
        ("an unknown field", with("fee", r#""0.1""#)),
        ("a missing field", br#"{"vault":"main"}"#.to_vec()),
        ("an amount as a number", with("amount", "0.5")),
        ("an amount as 1e18", with("amount", "1e18")),
        ("NaN", with("amount", "NaN")),
        ("Infinity", with("amount", "Infinity")),
        ("an amount in a list", with("amount", r#"["0.5"]"#)),
        ("null for an amount", with("amount", "null")),
        ("an unknown asset", with("asset", r#""DOGE""#)),
        ("an asset of another case", with("asset", r#""ltc""#)),
        ("a lone surrogate", with("reference", r#""\ud800""#)),
        ("a broken escape", with("reference", r#""\u12""#)),
        ("a raw control character", with("reference", "\"a\nb\"")),
        ("NUL in an id", with("vault", r#""main\u0000""#)),
        (
            "a right-to-left override in an id",
            with("vault", r#""main\u202e""#),
        ),
        ("a homoglyph in an id", with("vault", "\"mаin\"")),
        ("a path in an id", with("wallet", r#""../../hot""#)),
        (
            "SQL in an id",
            with("wallet", r#""hot'; DROP TABLE inbox; --""#),
        ),
        (
            "an id of 10 KB",
            with("wallet", &format!("\"{}\"", "a".repeat(10_240))),
        ),
        ("an empty id", with("wallet", r#""""#)),
        (
            "text that is not UTF-8",
            b"{\"vault\":\"\xff\xfe\"}".to_vec(),
        ),
        ("a byte order mark", [b"\xef\xbb\xbf", WITHDRAWAL].concat()),
    ];
    for target in ["/v1/withdrawals", "/v1/withdrawals/simulate"] {
        for (what, body) in &bodies {
            let answer = edge.post(SHOP, target, body).await;
            assert_eq!(answer.status, 400, "{what}: {answer:?}");
            let detail = answer.is_problem(400, "malformed");
            assert!(detail.chars().count() <= 1_001, "{what}: {detail}");
            assert!(
                detail.chars().all(|c| c != '\u{202e}' && !c.is_control()),
                "{what}"
            );
        }
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn an_empty_body_or_another_media_type_is_refused() {
    let edge = Edge::start().await;
    for (keyid, target) in [
        (SHOP, "/v1/withdrawals"),
        (SHOP, "/v1/withdrawals/simulate"),
        (ALICE, "/v1/freeze"),
        (ALICE, "/v1/unfreeze"),
        (ALICE, "/v1/cold/exports"),
        (
            ALICE,
            "/v1/withdrawals/wd_00000000000000000000000000000000/approvals",
        ),
    ] {
        edge.post(keyid, target, b"")
            .await
            .is_problem(415, "media-type");
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn an_idempotency_key_is_needed_short_and_printable() {
    let edge = Edge::start().await;
    let asked = Asked::post("/v1/withdrawals", WITHDRAWAL);
    let missing = Asked {
        idempotency_key: None,
        ..asked
    };
    edge.send(&edge.signed(SHOP, &missing))
        .await
        .is_problem(400, "idempotency-key");
    let long = "k".repeat(10_240);
    for key in ["", "two words", long.as_str(), &long[..129]] {
        let mut request = edge.signed(SHOP, &asked);
        request.replace("idempotency-key", key);
        edge.send(&request).await.is_problem(400, "idempotency-key");
    }
    assert!(edge.inbox().await.is_empty());
    let longest = Asked {
        idempotency_key: Some(&long[..128]),
        ..asked
    };
    assert_eq!(edge.send(&edge.signed(SHOP, &longest)).await.status, 202);
}

#[tokio::test]
async fn what_is_no_id_names_nothing_wherever_it_stands() {
    let edge = Edge::start().await;
    let wrong = [
        "..%2F..%2Fetc%2Fpasswd",
        "%00",
        "%FF%FE",
        "wd_%00",
        "wd_'%20OR%201=1--",
        "WD_00000000000000000000000000000000",
        "wd_0",
    ];
    for id in wrong {
        for place in [
            "withdrawals",
            "wallets",
            "transactions",
            "cold/exports",
            "requests",
        ] {
            let answer = edge.get(ALICE, &format!("/v1/{place}/{id}")).await;
            answer.is_problem(404, "not-found");
        }
        let bundle = format!("/v1/cold/exports/{id}/bundle");
        edge.get(ALICE, &bundle).await.is_problem(404, "not-found");
        for verb in ["approvals", "rejections", "cancellation"] {
            let target = format!("/v1/withdrawals/{id}/{verb}");
            edge.post(ALICE, &target, b"")
                .await
                .is_problem(404, "not-found");
        }
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_path_that_climbs_is_no_path() {
    let edge = Edge::start().await;
    for target in [
        "/v1/withdrawals/../journal",
        "/v1/withdrawals/%2e%2e",
        "/../../etc/passwd",
        "//v1/wallets",
        "/v1/wallets/",
    ] {
        let mut request = edge.signed(ALICE, &Asked::get("/v1/wallets"));
        request.target = target.into();
        let answer = edge.send(&request).await;
        assert!([401, 404].contains(&answer.status), "{target}: {answer:?}");
        assert!(answer.json()["type"].is_string());
    }
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    let edge = Edge::start().await;
    for query in [
        "state='%20OR%20'1'='1",
        "state=final;DROP%20TABLE%20withdrawals",
        "state=%00",
        "state=a&state=b",
        "sort=amount",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=18446744073709551616",
        "cursor=nonsense",
        "state=",
    ] {
        let answer = edge.get(ALICE, &format!("/v1/withdrawals?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        answer.is_problem(400, "malformed");
    }
    for query in ["after=x", "after=-1", "limit=1000", "until=5"] {
        let answer = edge.get(ALICE, &format!("/v1/journal?{query}")).await;
        answer.is_problem(400, "malformed");
    }
    assert_eq!(
        edge.get(ALICE, "/v1/withdrawals?state=final&limit=200")
            .await
            .status,
        200
    );
}
