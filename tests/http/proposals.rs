//! Proposals, prices and freezes: what is no such thing is refused at the edge, and who may not ask is told so.

use crate::edge::{ALICE, Asked, Edge, FEED, SHOP};

const PROPOSAL: &[u8] =
    br#"{"vault":"main","changes":[{"change":"remove_operator","id":"bob"}],"reason":"left"}"#;

#[tokio::test]
async fn json_that_is_no_proposal_is_refused_and_nothing_is_stored() {
    let edge = Edge::start().await;
    let with = |change: &str| {
        format!(r#"{{"vault":"main","changes":[{change}],"reason":"r"}}"#).into_bytes()
    };
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("null", b"null".to_vec()),
        ("no changes", br#"{"vault":"main","reason":"r"}"#.to_vec()),
        (
            "an unknown field",
            br#"{"vault":"main","changes":[],"reason":"r","force":true}"#.to_vec(),
        ),
        (
            "a reason twice",
            br#"{"vault":"main","changes":[],"reason":"r","reason":"s"}"#.to_vec(),
        ),
        ("an unknown change", with(r#"{"change":"become_root"}"#)),
        ("a change without its kind", with(r#"{"id":"bob"}"#)),
        (
            "an unknown field of a change",
            with(r#"{"change":"remove_operator","id":"bob","now":true}"#),
        ),
        (
            "a path for an id",
            with(r#"{"change":"remove_operator","id":"../bob"}"#),
        ),
        (
            "an override in an id",
            with("{\"change\":\"remove_operator\",\"id\":\"bob\u{202e}\"}"),
        ),
        (
            "a short key",
            with(r#"{"change":"add_credential","operator":"bob","credential":"00"}"#),
        ),
        (
            "a weak key",
            with(&format!(
                r#"{{"change":"add_credential","operator":"bob","credential":"01{}"}}"#,
                "0".repeat(62)
            )),
        ),
        (
            "an unknown scope",
            with(&format!(
                r#"{{"change":"add_client","id":"x","key":"{key}","scopes":["all"]}}"#
            )),
        ),
        (
            "an address without a network",
            with(r#"{"change":"remove_destination","address":"rltc1q"}"#),
        ),
        (
            "a cap that is a number",
            with(r#"{"change":"set_wallet","id":"hot","fee_caps":{"absolute":1,"relative_bp":1}}"#),
        ),
        (
            "a depth below zero",
            with(r#"{"change":"set_wallet","id":"hot","confirmations":-1}"#),
        ),
        (
            "deep",
            with(&format!("{}{}", "[".repeat(30_000), "]".repeat(30_000))),
        ),
    ];
    for (what, body) in &bodies {
        let answer = edge.post(ALICE, "/v1/proposals", body).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        answer.is_problem(400, "malformed");
    }
    edge.post(ALICE, "/v1/proposals", b"")
        .await
        .is_problem(415, "media-type");
    let long = with(&format!(
        r#"{{"change":"set_policy","source":"{}"}}"#,
        "#".repeat(1_100_000)
    ));
    edge.post(ALICE, "/v1/proposals", &long)
        .await
        .is_problem(413, "too-large");
    assert!(edge.inbox().await.is_empty());
    let policy = with(&format!(
        r#"{{"change":"set_policy","source":"{}"}}"#,
        "#".repeat(250_000)
    ));
    assert_eq!(
        edge.post(ALICE, "/v1/proposals", &policy).await.status,
        202,
        "a long policy gets in"
    );
}

#[tokio::test]
async fn governance_is_for_operators_whatever_a_clients_scopes_are() {
    let edge = Edge::start().await;
    let id = format!("pr_{}", "0".repeat(32));
    for target in ["/v1/proposals".to_owned(), format!("/v1/proposals/{id}")] {
        edge.get(SHOP, &target).await.is_problem(403, "forbidden");
    }
    for target in [
        "/v1/proposals".to_owned(),
        format!("/v1/proposals/{id}/approvals"),
        format!("/v1/proposals/{id}/vetoes"),
    ] {
        edge.post(SHOP, &target, PROPOSAL)
            .await
            .is_problem(403, "forbidden");
    }
    assert!(edge.inbox().await.is_empty());
    edge.get(ALICE, &format!("/v1/proposals/{id}"))
        .await
        .is_problem(404, "not-found");
    assert_eq!(
        edge.get(ALICE, "/v1/proposals?state=voting&limit=1")
            .await
            .status,
        200
    );
    for query in ["state='", "client=shop", "cursor=x", "limit=0"] {
        let answer = edge.get(ALICE, &format!("/v1/proposals?{query}")).await;
        answer.is_problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_vote_is_about_the_proposal_in_the_path_and_says_what_the_path_says() {
    let edge = Edge::start().await;
    let id = |n: u32| format!("pr_{n:032x}");
    let vote = |proposal: &str, decision: &str| {
        serde_json::json!({
            "statement": {
                "domain": "custodyd/governance/v1", "vault": "main", "proposal": proposal, "changes": "00",
                "decision": decision, "policy": "0".repeat(64), "expires_at": 1, "nonce": "0", "operator": "alice",
            },
            "signature": "0".repeat(128),
        })
        .to_string()
    };
    let approvals = format!("/v1/proposals/{}/approvals", id(1));
    for (body, what) in [
        (vote(&id(2), "approve"), "another proposal's"),
        (vote(&id(1), "veto"), "another decision"),
        (vote(&id(1), "reject"), "no decision"),
        (vote("pr_1", "approve"), "no id"),
    ] {
        let answer = edge.post(ALICE, &approvals, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
    }
    assert!(edge.inbox().await.is_empty());
    let right = vote(&id(1), "approve");
    assert_eq!(
        edge.post(ALICE, &approvals, right.as_bytes()).await.status,
        202
    );
}

#[tokio::test]
async fn prices_and_freezes_are_read_strictly() {
    let edge = Edge::start().await;
    let put = |body: &'static str| Asked {
        method: "PUT",
        target: "/v1/prices",
        idempotency_key: None,
        body: body.as_bytes(),
    };
    for body in [
        r#"{"currency":"USD","as_of":1}"#,
        r#"{"currency":"usd","as_of":1,"prices":{"BTC":"1"}}"#,
        r#"{"currency":"USD","as_of":-1,"prices":{"BTC":"1"}}"#,
        r#"{"currency":"USD","as_of":1,"prices":{"DOGE":"1"}}"#,
        r#"{"currency":"USD","as_of":1,"prices":{"BTC":1}}"#,
        r#"{"currency":"USD","as_of":1,"prices":{"BTC":"0"}}"#,
        r#"{"currency":"USD","as_of":1,"prices":{"BTC":"1,5"}}"#,
        r#"{"currency":"USD","as_of":1,"prices":{"BTC":"1e9"}}"#,
        r#"{"currency":"USD","as_of":1,"prices":[["BTC","1"]]}"#,
    ] {
        let answer = edge.send(&edge.signed(FEED, &put(body))).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    for body in [
        r#"{"wallet":"hot","asset":"BTC","reason":"r"}"#,
        r#"{"asset":"DOGE","reason":"r"}"#,
        r#"{"destination":"rltc1q","reason":"r"}"#,
        r#"{"client":"../x","reason":"r"}"#,
        r#"{"tier":"hot","reason":"r"}"#,
    ] {
        for target in ["/v1/freeze", "/v1/unfreeze"] {
            let answer = edge.post(ALICE, target, body.as_bytes()).await;
            answer.is_problem(400, "malformed");
        }
    }
    assert!(edge.inbox().await.is_empty());
    edge.get(FEED, "/v1/wallets").await.is_problem(403, "scope");
    edge.get(FEED, "/v1/policy").await.is_problem(403, "scope");
    edge.get(FEED, "/v1/withdrawals")
        .await
        .is_problem(403, "scope");
    let right = put(r#"{"currency":"USD","as_of":1,"prices":{"BTC":"64000.5"}}"#);
    assert_eq!(edge.send(&edge.signed(FEED, &right)).await.status, 202);
}
