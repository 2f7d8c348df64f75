//! Addresses whose keys the HSM doesn't keep: made by it, wrapped in the journal, unwrapped to sign.

use std::{collections::BTreeSet, path::Path};

use custodyd_client::Client;
use custodyd_testbed::SoftToken;
use serde_json::{Value, json};

use crate::{
    house::{House, LONG, Plan, ask, house, id_of, until_final, withdraw},
    keys::{clone_of, elsewhere, keys, keys_with, path},
    spy::explained,
};

const ADDRESSES: &str = "/v1/wallets/hot-ltc/addresses";

fn wrapped_plan() -> Plan {
    Plan {
        ethereum: false,
        wrapped: true,
        ..Plan::default()
    }
}

/// The documents of all keys, page by page.
async fn key_documents(client: &Client) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Value = client
            .get(&format!("{ADDRESSES}?limit=20{cursor}"))
            .await
            .unwrap();
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn until_made(house: &House, client: &Client, count: usize) {
    house
        .until("make the addresses", LONG, async || {
            let wallet: Value = client.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["address_count"] == json!(count)
        })
        .await
        .unwrap();
}

async fn until_holding(house: &House, client: &Client, amount: &str) {
    house
        .until("see the deposits", LONG, async || {
            let wallet: Value = client.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["balance"] == amount
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_from_two_wrapped_addresses_is_final_though_the_daemon_was_restarted() {
    let mut house = house(Plan {
        spied: true,
        ..wrapped_plan()
    })
    .await;
    let client = house.client_as("client/exchange").unwrap();
    for _ in 0..2 {
        let asked: Value = client.post_empty(ADDRESSES).await.unwrap();
        assert_eq!(asked["state"], "requested", "{asked}");
    }
    until_made(&house, &client, 3).await;
    let wallet: Value = client.get("/v1/wallets/hot-ltc").await.unwrap();
    let node = house.litecoind.as_ref().unwrap();
    // The first address, whose key is on the token, gets nothing.
    for address in &wallet["addresses"].as_array().unwrap()[1..] {
        node.pay(address.as_str().unwrap(), "0.6").unwrap();
    }
    node.mine(1).unwrap();
    until_holding(&house, &client, "1.2").await;

    house.daemon.terminate(LONG).unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let destination = node.outside_address().unwrap();
    let asked = withdraw(&client, "k1", &ask("LTC", "0.9", &destination)).await;
    let id = id_of(&asked);
    let sent = until_final(&house, &client, id).await;
    let path = format!("/v1/transactions/{}", sent["transaction"].as_str().unwrap());
    let transaction: Value = client.get(&path).await.unwrap();
    assert_eq!(transaction["signatures"], 2, "{transaction}");

    house.daemon.terminate(LONG).unwrap();
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok && printed.contains("2 of wrapped keys"), "{printed}");
    let calls = house.pkcs11_calls().unwrap();
    let signed = calls
        .lines()
        .filter(|line| line.ends_with(": C_SignInit"))
        .count();
    assert_eq!(signed, explained(&printed), "{printed}");
    let (ok, printed) = house.custodyd(&["keys", "list"]).unwrap();
    let on_token = printed
        .lines()
        .filter(|line| line.starts_with("key_"))
        .count();
    assert!(
        ok && on_token == 3,
        "journal, hot-ltc and warm-ltc: {printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_addresses_are_asked_for_at_once_and_listed_page_by_page() {
    let house = house(wrapped_plan()).await;
    let client = house.client_as("client/exchange").unwrap();
    for count in [0, 1001] {
        let refused: Result<Value, _> = client.post(ADDRESSES, &json!({ "count": count })).await;
        assert!(refused.is_err(), "{count}");
    }
    let asked: Value = client
        .post(ADDRESSES, &json!({ "count": 50 }))
        .await
        .unwrap();
    assert_eq!(asked["items"].as_array().unwrap().len(), 50, "{asked}");
    until_made(&house, &client, 51).await;
    let (ok, journal) = house.custodyd(&["journal", "export"]).unwrap();
    let rows = journal.lines().filter(|row| row.contains(ADDRESSES));
    assert!(
        ok && rows.count() == 1,
        "the request stands there once: {journal}"
    );
    let keys = key_documents(&client).await;
    let addresses: BTreeSet<_> = keys.iter().map(|key| key["address"].to_string()).collect();
    assert_eq!((keys.len(), addresses.len()), (51, 51));
    assert!(keys.iter().all(|key| key["state"] == "made"));

    let node = house.litecoind.as_ref().unwrap();
    for key in keys.iter().take(5) {
        node.pay(key["address"].as_str().unwrap(), "0.1").unwrap();
    }
    node.mine(1).unwrap();
    until_holding(&house, &client, "0.5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_keys_are_restored_on_a_clone_and_by_no_other_wrapping_key() {
    let mut house = house(wrapped_plan()).await;
    let client = house.client_as("client/exchange").unwrap();
    for _ in 0..2 {
        let _: Value = client.post_empty(ADDRESSES).await.unwrap();
    }
    until_made(&house, &client, 3).await;
    house.daemon.terminate(LONG).unwrap();
    let backup = house.folder().join("backup.json");
    let (ok, printed) = keys(&house, &["backup", "--out", path(&backup)]);
    assert!(ok && printed.contains("wrapped keys    2"), "{printed}");
    let restore = |config: &Path| {
        let drill = ["restore", "--in", path(&backup), "--token", "elsewhere"];
        keys_with(config, &drill)
    };

    let (ok, printed) = restore(&clone_of(&house));
    assert!(ok && printed.contains("serves all 5 keys"), "{printed}");
    assert_eq!(
        printed.matches("unwrapped, the same, signs").count(),
        2,
        "{printed}"
    );

    // A token of the same label, first without a wrapping key, then with one of its own under the same id.
    let other = SoftToken::init("custodyd").unwrap();
    let config = elsewhere(&house, "other", &other.conf_path(), other.pin_file());
    let missed = |why: &str| {
        let (ok, printed) = restore(&config);
        assert!(!ok && printed.contains("lacks 5 of 5 keys"), "{printed}");
        let failed = |line: &&str| line.starts_with("FAIL hot-ltc") && line.contains(why);
        assert_eq!(printed.lines().filter(failed).count(), 2, "{printed}");
    };
    missed("577261704b657900000000000000000a is not on token");
    let officer = path(other.so_pin_file());
    let ceremony = ["generate", "wrapping", "--so-pin-file", officer];
    let (ok, printed) = keys_with(&config, &ceremony);
    assert!(ok, "{printed}");
    missed("is refused: ");
}
