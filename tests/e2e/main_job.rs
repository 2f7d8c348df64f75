//! A signed request becomes a confirmed transaction; policy and people decide; the node sees exactly what was asked.

use custodyd_vault::Decision;
use serde_json::{Value, json};

use crate::house::{
    Plan, SOMEBODY, ask, decide, ethereum_house, house, id_of, show, until_final, until_state,
    withdraw,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_litecoin_withdrawal_is_paid_exactly_and_becomes_final() {
    let house = house(Plan {
        ethereum: false,
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["3", "3"]).await.unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let destination = node.outside_address().unwrap();
    let client = house.client_as("client/exchange").unwrap();

    let asked = withdraw(&client, "k1", &ask("LTC", "0.75", &destination)).await;
    assert_eq!(asked["verdict"]["outcome"], "allow", "{asked}");
    let id = id_of(&asked);
    let sent = until_state(&house, &client, id, "broadcast").await;
    node.mine(1).unwrap();
    until_state(&house, &client, id, "confirmed").await;
    node.mine(1).unwrap();
    until_state(&house, &client, id, "final").await;

    let transaction: Value = client
        .get(&format!(
            "/v1/transactions/{}",
            sent["transaction"].as_str().unwrap()
        ))
        .await
        .unwrap();
    let block = node
        .block_hash(transaction["height"].as_u64().unwrap())
        .unwrap();
    let txid = transaction["txid"].as_str().unwrap();
    let on_chain = node
        .cli(&["getrawtransaction", txid, "true", &block])
        .unwrap();
    assert!(on_chain["confirmations"].as_u64().unwrap() >= 2);
    let paid: Vec<_> = on_chain["vout"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|out| out["scriptPubKey"]["addresses"][0] == destination.as_str())
        .map(|out| out["value"].to_string())
        .collect();
    assert_eq!(paid, ["0.75"], "{on_chain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ethereum_withdrawal_is_paid_exactly_and_becomes_final() {
    let house = ethereum_house().await;
    let node = house.anvil.as_ref().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let before = node.balance(SOMEBODY).unwrap();

    let asked = withdraw(&client, "k1", &ask("ETH", "0.5", SOMEBODY)).await;
    let id = id_of(&asked);
    until_state(&house, &client, id, "broadcast").await;
    node.mine(1).unwrap();
    until_state(&house, &client, id, "confirmed").await;
    node.mine(1).unwrap();
    until_state(&house, &client, id, "final").await;
    let wei = |hex: &str| u128::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(
        wei(&node.balance(SOMEBODY).unwrap()) - wei(&before),
        500_000_000_000_000_000
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_approve_what_policy_asks_them_and_no_one_counts_twice() {
    let house = house(Plan {
        ethereum: false,
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["9"]).await.unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let destination = node.outside_address().unwrap();

    let asked = withdraw(&client, "k1", &ask("LTC", "5", &destination)).await;
    assert_eq!(asked["state"], "awaiting_approval", "{asked}");
    let id = id_of(&asked);
    decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap();
    let again = decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("decided"), "{again}");
    assert_eq!(show(&client, id).await["state"], "awaiting_approval");
    decide(&house, "operator/bob", id, Decision::Approve)
        .await
        .unwrap();
    until_final(&house, &client, id).await;
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_simultaneous_repetitions_pay_once() {
    let house = ethereum_house().await;
    let client = std::sync::Arc::new(house.client_as("client/exchange").unwrap());
    let body = ask("ETH", "0.25", SOMEBODY);
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let (client, body) = (std::sync::Arc::clone(&client), body.clone());
            tokio::spawn(async move { withdraw(&client, "same", &body).await["id"].clone() })
        })
        .collect();
    let mut ids = Vec::new();
    for each in asking {
        ids.push(each.await.unwrap());
    }
    assert!(ids.iter().all(|id| *id == ids[0]));
    let other = client
        .post_idempotent::<_, Value>("/v1/withdrawals", "same", &ask("ETH", "0.26", SOMEBODY))
        .await
        .unwrap_err();
    assert!(other.to_string().contains("idempotency"), "{other}");
    until_final(&house, &client, ids[0].as_str().unwrap()).await;
    let list: Value = client.get("/v1/withdrawals").await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_puts_a_payout_back_and_it_confirms_again() {
    let house = house(Plan {
        ethereum: false,
        confirmations: 6,
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["3"]).await.unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(
        &client,
        "k1",
        &ask("LTC", "0.5", &node.outside_address().unwrap()),
    )
    .await;
    let id = id_of(&asked);
    until_state(&house, &client, id, "broadcast").await;
    node.mine(1).unwrap();
    until_state(&house, &client, id, "confirmed").await;
    let tip = node.block_hash(node.height().unwrap()).unwrap();
    node.invalidate(&tip).unwrap();
    until_state(&house, &client, id, "broadcast").await;
    node.mine_empty().unwrap();
    node.mine(6).unwrap();
    until_state(&house, &client, id, "final").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_frozen_does_not_move_until_a_quorum_lifts_it() {
    let house = ethereum_house().await;
    let client = house.client_as("client/exchange").unwrap();
    let alice = house.client_as("operator/alice").unwrap();
    let frozen: Value = alice
        .post("/v1/freeze", &json!({ "reason": "drill" }))
        .await
        .unwrap();
    assert_eq!(frozen["items"][0]["state"], "frozen");
    let refused = client
        .post_idempotent::<_, Value>("/v1/withdrawals", "k1", &ask("ETH", "0.25", SOMEBODY))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("frozen"), "{refused}");
    for who in ["operator/alice", "operator/bob"] {
        let still: Value = house
            .client_as(who)
            .unwrap()
            .post("/v1/unfreeze", &json!({}))
            .await
            .unwrap();
        assert_eq!(still["items"][0]["state"], "frozen");
    }
    let lifted: Value = house
        .client_as("operator/carol")
        .unwrap()
        .post("/v1/unfreeze", &json!({}))
        .await
        .unwrap();
    let lifted = if lifted["items"][0]["state"] == "frozen" {
        house
            .client_as("operator/dave")
            .unwrap()
            .post("/v1/unfreeze", &json!({}))
            .await
            .unwrap()
    } else {
        lifted
    };
    assert_eq!(lifted["items"][0]["state"], "active", "{lifted}");
    let asked = withdraw(&client, "k2", &ask("ETH", "0.25", SOMEBODY)).await;
    until_state(&house, &client, id_of(&asked), "broadcast").await;
}
