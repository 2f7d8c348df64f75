//! What somebody else does to the vault's coins and accounts, and payouts to strangers in a row: told by webhook.

use serde_json::{Value, json};

use super::{pager::Pager, watched_house};
use crate::house::{House, LONG, Plan, SOMEBODY, ask, house, pay, withdraw};

/// Two more accounts that are nobody's here.
const OTHERS: [&str; 2] = [
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
];

/// Waits until a wallet holds more than so many whole coins.
async fn until_it_holds(house: &House, wallet: &str, more_than: f64) {
    let client = house.client_as("operator/alice").unwrap();
    let holds = async || {
        let document: Value = client.get(&format!("/v1/wallets/{wallet}")).await.unwrap();
        let balance: f64 = document["balance"].as_str().unwrap().parse().unwrap();
        balance > more_than
    };
    house.until("see the coins", LONG, holds).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_that_are_gone_without_a_transaction_of_ours_are_told_and_those_we_spent_are_not() {
    let pager = Pager::start();
    let house = house(Plan {
        ethereum: false,
        extra_config: pager.config(""),
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["2"]).await.unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let outside = node.outside_address().unwrap();
    pay(&house, &client, "k1", &ask("LTC", "0.5", &outside)).await;
    house.fund_litecoin("hot-ltc", &["4"]).await.unwrap();
    until_it_holds(&house, "hot-ltc", 5.0).await;
    assert!(pager.told("alert.firing", "reconciliation").is_empty());

    // The block that paid them is taken back; whoever paid may pay somebody else with the same coins.
    node.reorganise(1).unwrap();
    let alert = pager.until(&house, "alert.firing", "reconciliation").await;
    assert_eq!(
        (&alert["subject"], &alert["severity"]),
        (&json!("hot-ltc"), &json!("critical"))
    );
    let summary = alert["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("wallet hot-ltc: 1 coins are gone"),
        "{summary}"
    );
    let log = house.daemon.log().unwrap();
    assert!(log.contains("reconciliation"), "{log}");

    // They come back, and are as good as before.
    node.mine(1).unwrap();
    until_it_holds(&house, "hot-ltc", 5.0).await;
    pay(&house, &client, "k2", &ask("LTC", "0.5", &outside)).await;
    assert_eq!(pager.told("alert.firing", "reconciliation").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_transaction_from_our_account_is_told() {
    let pager = Pager::start();
    let house = watched_house(&pager, "").await;
    let client = house.client_as("client/exchange").unwrap();
    pay(&house, &client, "k1", &ask("ETH", "0.1", SOMEBODY)).await;
    assert!(pager.told("alert.firing", "reconciliation").is_empty());
    // As if somebody else had the key.
    let account = house.address_of("hot-eth").await.unwrap();
    let node = house.anvil.as_ref().unwrap();
    node.rpc("anvil_impersonateAccount", &json!([account]))
        .unwrap();
    let theft = json!([{ "from": account, "to": SOMEBODY, "value": "0x1" }]);
    node.rpc("eth_sendTransaction", &theft).unwrap();
    node.mine(1).unwrap();
    let alert = pager.until(&house, "alert.firing", "reconciliation").await;
    assert_eq!(
        (&alert["subject"], &alert["severity"]),
        (&json!("hot-eth nonce"), &json!("critical"))
    );
    let summary = alert["summary"].as_str().unwrap();
    assert!(summary.contains("counts 1 transactions"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payouts_to_new_destinations_in_a_row_are_told() {
    let pager = Pager::start();
    let house = watched_house(&pager, "new_destinations = 3").await;
    let client = house.client_as("client/exchange").unwrap();
    for (number, destination) in [SOMEBODY, OTHERS[0]].into_iter().enumerate() {
        let key = format!("new-{number}");
        let asked = withdraw(&client, &key, &ask("ETH", "0.01", destination)).await;
        assert_eq!(asked["destination_class"], "new", "{asked}");
    }
    assert!(pager.told("alert.firing", "new_destinations").is_empty());
    let asked = withdraw(&client, "new-2", &ask("ETH", "0.01", OTHERS[1])).await;
    assert_eq!(asked["destination_class"], "new", "{asked}");
    let alert = pager
        .until(&house, "alert.firing", "new_destinations")
        .await;
    assert_eq!(alert["severity"], "warning", "{alert}");
    let summary = alert["summary"].as_str().unwrap();
    assert!(summary.starts_with("at least 3 payouts"), "{summary}");
    for destination in [SOMEBODY, OTHERS[0], OTHERS[1]] {
        assert!(
            !alert.to_string().contains(destination),
            "no address is told"
        );
    }
    assert!(pager.told("alert.firing", "denial_burst").is_empty());
}
