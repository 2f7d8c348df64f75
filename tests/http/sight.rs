//! Who sees what, and where an answer is found that took its time.

use custodyd::{
    store::{InboxRow, Outcome, Projection, Taken},
    view::TransactionView,
};
use custodyd_chain::{Amount, Asset, Effects};
use serde_json::json;

use crate::edge::{ALICE, DESK, Edge, SHOP, WITHDRAWAL};

fn id(prefix: &str, number: u32) -> String {
    format!("{prefix}_{number:032x}")
}

fn withdrawal(number: u32, client: &str) -> Projection {
    Projection::Withdrawal {
        id: id("wd", number),
        client: client.into(),
        idempotency_key: format!("key-{number}"),
        state: "final".into(),
        created_seq: number.into(),
        document: json!({ "id": id("wd", number), "client": client }).to_string(),
        wallet: "hot".into(),
        asked: None,
        queue_rank: 0,
    }
}

fn transaction(number: u32, pays: &[u32]) -> Projection {
    let view = TransactionView {
        id: id("tx", number),
        txid: None,
        wallet: "hot".into(),
        network: "litecoin-regtest".into(),
        state: "planned".into(),
        withdrawals: pays.iter().map(|n| id("wd", *n)).collect(),
        effects: Effects {
            network: "litecoin-regtest".parse().unwrap(),
            payments: vec![],
            inputs: vec![],
            fee: Amount::zero(Asset::Ltc),
            account: None,
            nonce: None,
        },
        raw: None,
        height: None,
        confirmations: 0,
        final_at: 6,
        export: None,
        signatures: 0,
        created_at: 0,
        updated_at: 0,
    };
    Projection::Transaction {
        id: view.id.clone(),
        txid: None,
        wallet: view.wallet.clone(),
        network: view.network.clone(),
        state: view.state.clone(),
        document: serde_json::to_string(&view).unwrap(),
    }
}

#[tokio::test]
async fn a_client_sees_its_own_withdrawals_and_an_operator_all() {
    let edge = Edge::start().await;
    edge.commit(vec![withdrawal(1, "shop"), withdrawal(2, "desk")], vec![])
        .await;
    let (own, other) = (id("wd", 1), id("wd", 2));
    assert_eq!(
        edge.get(SHOP, &format!("/v1/withdrawals/{own}"))
            .await
            .json()["id"],
        own
    );
    // Another's looks like none at all.
    let foreign = edge.get(SHOP, &format!("/v1/withdrawals/{other}")).await;
    let detail = foreign.is_problem(404, "not-found");
    let none = edge
        .get(SHOP, &format!("/v1/withdrawals/{}", id("wd", 3)))
        .await;
    assert_eq!(
        detail.replace(&other, ""),
        none.is_problem(404, "not-found").replace(&id("wd", 3), "")
    );
    for (who, target, count) in [
        (SHOP, "/v1/withdrawals", 1),
        (SHOP, "/v1/withdrawals?client=desk", 1),
        (ALICE, "/v1/withdrawals", 2),
        (ALICE, "/v1/withdrawals?client=desk", 1),
        (ALICE, "/v1/withdrawals?state=denied", 0),
    ] {
        let list = edge.get(who, target).await.json();
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{who} {target}");
        assert!(who == ALICE || items.iter().all(|item| item["client"] == "shop"));
    }
    let page = edge.get(ALICE, "/v1/withdrawals?limit=1").await.json();
    assert_eq!(page["items"][0]["id"], other, "newest first");
    let next = page["next"].as_str().unwrap();
    let page = edge
        .get(ALICE, &format!("/v1/withdrawals?limit=1&cursor={next}"))
        .await
        .json();
    assert_eq!(
        (&page["items"][0]["id"], &page["next"]),
        (&json!(own), &json!(null))
    );
}

#[tokio::test]
async fn a_client_sees_a_transaction_that_pays_nobody_else() {
    let edge = Edge::start().await;
    let rows = vec![
        withdrawal(1, "shop"),
        withdrawal(2, "desk"),
        transaction(1, &[1]),
        transaction(2, &[2]),
        transaction(3, &[1, 2]),
        transaction(4, &[]),
    ];
    edge.commit(rows, vec![]).await;
    for (who, seen) in [
        (SHOP, [true, false, false, false]),
        (DESK, [false, true, false, false]),
        (ALICE, [true; 4]),
    ] {
        for (number, seen) in (1..).zip(seen) {
            let answer = edge
                .get(who, &format!("/v1/transactions/{}", id("tx", number)))
                .await;
            if seen {
                assert_eq!(answer.json()["id"], id("tx", number));
            } else {
                answer.is_problem(404, "not-found");
            }
        }
    }
}

#[tokio::test]
async fn journal_and_cold_path_are_for_operators() {
    let edge = Edge::start().await;
    edge.commit(vec![], vec![]).await;
    let export = id("ex", 1);
    let bundle = format!("/v1/cold/exports/{export}/bundle");
    let show = format!("/v1/cold/exports/{export}");
    for target in ["/v1/journal", "/v1/journal/checkpoint", &show, &bundle] {
        edge.get(SHOP, target).await.is_problem(403, "forbidden");
    }
    for target in ["/v1/cold/exports", "/v1/cold/imports"] {
        edge.post(SHOP, target, b"{}")
            .await
            .is_problem(403, "forbidden");
    }
    assert!(edge.inbox().await.is_empty());
    edge.get(ALICE, &bundle).await.is_problem(404, "not-found");
    let rows = edge.get(ALICE, "/v1/journal?after=0&limit=10").await.json();
    assert_eq!(rows["rows"][0]["seq"], 1);
    let head = edge.get(ALICE, "/v1/journal/checkpoint").await.json();
    assert_eq!(
        (&head["seq"], &head["hash"]),
        (&json!(1), &rows["rows"][0]["hash"])
    );
    assert_eq!(
        edge.get(SHOP, "/v1/policy").await.json()["source"],
        "version = 1"
    );
}

#[tokio::test]
async fn a_late_answer_is_found_by_whoever_asked_and_nobody_else() {
    let edge = Edge::start().await;
    let pending = edge.post(SHOP, "/v1/withdrawals", WITHDRAWAL).await;
    assert_eq!(
        (pending.status, pending.json()["status"].as_str()),
        (202, Some("pending"))
    );
    let place = pending.header("location").unwrap().to_owned();
    let inbox_id = edge.inbox().await[0].id.clone();
    assert_eq!(place, format!("/v1/requests/{inbox_id}"));
    assert_eq!(edge.get(SHOP, &place).await.status, 202);

    let outcome = Outcome {
        inbox_id,
        status: 201,
        body: r#"{"id":"wd_1"}"#.into(),
    };
    edge.commit(vec![], vec![outcome]).await;
    let answer = edge.get(SHOP, &place).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (201, r#"{"id":"wd_1"}"#)
    );
    for stranger in [DESK, ALICE] {
        edge.get(stranger, &place)
            .await
            .is_problem(404, "not-found");
    }
    let never = format!("/v1/requests/{}", "0".repeat(32));
    edge.get(SHOP, &never).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn whoever_asks_again_for_what_was_answered_at_once_hears_that_it_was() {
    let edge = Edge::start().await;
    let id = "5".repeat(32);
    let row = InboxRow {
        id: id.clone(),
        vault: "main".into(),
        kind: "withdraw".into(),
        principal: "client/shop".into(),
        nonce: "0123456789abcdef".into(),
        at_ms: 1,
        request: "".into(),
    };
    let taken = Taken {
        row: row.into(),
        journaled: true,
    };
    edge.take(vec![taken]).await;
    let place = format!("/v1/requests/{id}");
    edge.get(SHOP, &place)
        .await
        .is_problem(410, "answered-at-once");
    for stranger in [DESK, ALICE] {
        edge.get(stranger, &place)
            .await
            .is_problem(404, "not-found");
    }
}

#[tokio::test]
async fn an_answer_in_time_is_the_answer() {
    let edge = Edge::start().await;
    let answering = async {
        let row = loop {
            if let Some(row) = edge.inbox().await.pop() {
                break row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        let outcome = Outcome {
            inbox_id: row.id,
            status: 423,
            body: r#"{"type":"urn:custodyd:problem:frozen","title":"Frozen","status":423,"detail":"main"}"#.into(),
        };
        edge.commit(vec![], vec![outcome]).await;
    };
    let (answer, ()) = tokio::join!(edge.post(SHOP, "/v1/withdrawals", WITHDRAWAL), answering);
    answer.is_problem(423, "frozen");
}
