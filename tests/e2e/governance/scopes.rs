//! Freezes of an asset, a client and a destination; simulations that explain; a policy tried on the past.

use custodyd_testbed::House;
use serde_json::{Value, json};

use super::{governed_house, governed_policy, refusal, verified};
use crate::house::{SOMEBODY, ask, pay, withdraw};

/// Votes to lift it, by the quorum of the project's policy.
async fn lift(house: &House, scope: &Value) {
    for who in ["alice", "bob", "dave"] {
        let operator = house.client_as(&format!("operator/{who}")).unwrap();
        let _: Value = operator.post("/v1/unfreeze", scope).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_is_frozen_by_one_and_lifted_by_a_quorum() {
    let house = governed_house(governed_policy()).await;
    let carol = house.client_as("operator/carol").unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let other = house.client_as("client/payroll").unwrap();
    let elsewhere = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
    let scopes = [
        (json!({ "wallet": "hot-eth" }), false, false),
        (json!({ "asset": "ETH" }), false, false),
        (json!({ "client": "exchange" }), true, false),
        (
            json!({ "destination": format!("eip155:31337:{SOMEBODY}") }),
            false,
            true,
        ),
    ];
    for (number, (scope, others_go, elsewhere_goes)) in scopes.into_iter().enumerate() {
        let mut freeze = scope.clone();
        freeze["reason"] = json!("drill");
        let _: Value = carol.post("/v1/freeze", &freeze).await.unwrap();
        let key = |what: &str| format!("{what}-{number}");
        let attempt = client
            .post_idempotent("/v1/withdrawals", &key("a"), &ask("ETH", "0.01", SOMEBODY))
            .await;
        assert!(refusal(attempt).contains("frozen"), "{scope}");
        let by_other: Result<Value, _> = other
            .post_idempotent("/v1/withdrawals", &key("b"), &ask("ETH", "0.01", SOMEBODY))
            .await;
        assert_eq!(by_other.is_ok(), others_go, "{scope}: {by_other:?}");
        let away: Result<Value, _> = client
            .post_idempotent("/v1/withdrawals", &key("c"), &ask("ETH", "0.01", elsewhere))
            .await;
        assert_eq!(away.is_ok(), elsewhere_goes, "{scope}: {away:?}");
        lift(&house, &scope).await;
        pay(&house, &client, &key("d"), &ask("ETH", "0.01", SOMEBODY)).await;
    }
    let nobody = carol
        .post("/v1/freeze", &json!({ "client": "nobody", "reason": "r" }))
        .await;
    assert!(refusal(nobody).contains("nothing-to-freeze"));
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_explains_itself_and_another_policy_is_tried_on_the_past() {
    let house = governed_house(governed_policy()).await;
    let client = house.client_as("client/exchange").unwrap();
    pay(&house, &client, "k1", &ask("ETH", "0.4", SOMEBODY)).await;
    withdraw(&client, "k2", &ask("ETH", "11", SOMEBODY)).await;

    let alice = house.client_as("operator/alice").unwrap();
    let mut body = serde_json::to_value(ask("ETH", "2", SOMEBODY)).unwrap();
    body["client"] = json!("exchange");
    body.as_object_mut().unwrap().remove("wallet");
    let told: Value = alice.post("/v1/withdrawals/simulate", &body).await.unwrap();
    assert_eq!(told["facts"]["initiator"], "client/exchange");
    let rules = told["explanation"]["rules"].as_array().unwrap();
    let rule = |id: &str| rules.iter().find(|r| r["rule"] == id).unwrap();
    assert_eq!(rule("hot-eth-medium")["matched"], true);
    assert_eq!(rule("hot-eth-small")["matched"], false);
    let seen = &rule("hot-eth-small")["conditions"];
    assert!(seen.to_string().contains("2 ETH"), "{seen}");
    body["client"] = json!("payroll");
    let theirs = client
        .post::<_, Value>("/v1/withdrawals/simulate", &body)
        .await;
    assert!(refusal(theirs).contains("forbidden"));
    let list: Value = client.get("/v1/withdrawals").await.unwrap();
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        2,
        "nothing was made"
    );

    let facts = house.folder().join("facts.json");
    std::fs::write(&facts, told["facts"].to_string()).unwrap();
    let same = house.folder().join("same.toml");
    std::fs::write(&same, governed_policy()).unwrap();
    let (ok, printed) = house
        .custodyd(&[
            "policy",
            "explain",
            same.to_str().unwrap(),
            facts.to_str().unwrap(),
        ])
        .unwrap();
    assert!(ok && printed.contains("+ hot-eth-medium"), "{printed}");

    let (ok, printed) = house
        .custodyd(&["policy", "replay", same.to_str().unwrap()])
        .unwrap();
    assert!(
        ok && printed.contains("no change: all 2 judgements"),
        "{printed}"
    );
    let stricter = house.folder().join("stricter.toml");
    let text = governed_policy().replace("at_most = \"1 ETH\"", "at_most = \"0.3 ETH\"");
    std::fs::write(&stricter, text).unwrap();
    let (ok, printed) = house
        .custodyd(&["policy", "replay", stricter.to_str().unwrap()])
        .unwrap();
    assert!(
        ok && printed.contains("1 of 2 judgements would have been different"),
        "{printed}"
    );
    assert!(
        printed.contains("was: ") && printed.contains("would be: "),
        "{printed}"
    );
}
