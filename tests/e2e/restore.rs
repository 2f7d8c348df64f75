//! A database restored from an hour ago has forgotten what its limits gave out. Nothing is paid again before operators
//! were told, and said so.

use std::process::Command;

use custodyd_client::Client;
use custodyd_testbed::House;
use serde_json::{Value, json};

use crate::{
    house::{LONG, Plan, SOMEBODY, ask, default_policy, house, mine, show, until_state, withdraw},
    sqlite::{copy, database, put_back},
};

/// A house whose hot wallet may pay one ETH a day.
async fn one_ether_a_day() -> House {
    let daily = "id = \"hot-eth-daily\"\nper = \"wallet\"\nmax_amount = \"20 ETH\"";
    let policy = default_policy();
    assert!(policy.contains(daily));
    let policy = policy.replace(daily, &daily.replace("20 ETH", "1 ETH"));
    let house = house(Plan {
        litecoin: false,
        policy: Some(policy),
        ..Plan::default()
    })
    .await;
    house
        .fund_ethereum("hot-eth", "0x8ac7230489e80000")
        .await
        .unwrap();
    house
}

async fn pay(house: &House, client: &Client, key: &str, amount: &str) {
    let asked = withdraw(client, key, &ask("ETH", amount, SOMEBODY)).await;
    let id = asked["id"].as_str().unwrap();
    until_state(house, client, id, "broadcast").await;
    mine(house, 2);
    until_state(house, client, id, "final").await;
}

fn received(house: &House) -> u128 {
    let hex = house.anvil.as_ref().unwrap().balance(SOMEBODY).unwrap();
    u128::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap()
}

fn accept(house: &House) -> (bool, String) {
    house
        .custodyd(&["journal", "accept-restore", "--reason", "the disk failed"])
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_a_restored_database_forgot_pays_nothing_again_before_a_quorum_was_told() {
    let mut house = one_ether_a_day().await;
    let client = house.client_as("client/exchange").unwrap();
    house.daemon.terminate(LONG).unwrap();
    let old = house.folder().join("an-hour-ago.db");
    copy(&database(&house), &old);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();

    let before = received(&house);
    pay(&house, &client, "k1", "0.9").await;
    let more = withdraw(&client, "k2", &ask("ETH", "0.9", SOMEBODY)).await;
    assert_eq!(more["state"], "denied", "{more}");
    assert!(more.to_string().contains("hot-eth-daily"), "{more}");
    let (nothing, printed) = accept(&house);
    assert!(
        !nothing && printed.contains("nothing to accept"),
        "{printed}"
    );
    house.daemon.terminate(LONG).unwrap();

    put_back(&old, &database(&house));
    let (started, printed) = house.custodyd(&["serve"]).unwrap();
    assert!(
        !started && printed.contains("behind its anchor"),
        "{printed}"
    );
    assert!(printed.contains("accept-restore"), "{printed}");
    let (ok, printed) = house
        .custodyd(&["journal", "accept-restore", "--reason", " "])
        .unwrap();
    assert!(!ok && printed.contains("a reason is"), "{printed}");
    let (accepted, printed) = accept(&house);
    assert!(accepted && printed.contains("lost: events"), "{printed}");
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();

    // The chain shows what the vault forgot.
    let alice = house.client_as("operator/alice").unwrap();
    house
        .until("see what was paid", LONG, async || {
            let wallet: Result<Value, _> = alice.get("/v1/wallets/hot-eth").await;
            wallet.is_ok_and(|w| w["balance"].as_str().unwrap().starts_with("9.09"))
        })
        .await
        .unwrap();
    let wallet: Value = alice.get("/v1/wallets/hot-eth").await.unwrap();
    assert_eq!(wallet["state"], "frozen");
    let why = wallet["state_detail"].as_str().unwrap();
    assert!(
        why.contains("restored") && why.contains("the disk failed"),
        "{why}"
    );
    let body = ask("ETH", "0.9", SOMEBODY);
    for key in ["k1", "k3"] {
        let refused: Result<Value, _> = client.post_idempotent("/v1/withdrawals", key, &body).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("frozen"), "{refused}");
    }
    for who in ["alice", "bob"] {
        let operator = house.client_as(&format!("operator/{who}")).unwrap();
        let still: Value = operator.post("/v1/unfreeze", &json!({})).await.unwrap();
        assert_eq!(still["items"][0]["state"], "frozen", "{who}");
    }
    assert_eq!(
        received(&house) - before,
        900_000_000_000_000_000,
        "paid once"
    );
    let dave = house.client_as("operator/dave").unwrap();
    let lifted: Value = dave.post("/v1/unfreeze", &json!({})).await.unwrap();
    assert_eq!(lifted["items"][0]["state"], "active", "{lifted}");

    // Those who lifted it decided so: now, and not before, the limit gives what it allows.
    pay(&house, &client, "k4", "0.1").await;
    let k4 = withdraw(&client, "k4", &ask("ETH", "0.1", SOMEBODY)).await;
    assert_eq!(
        show(&client, k4["id"].as_str().unwrap()).await["state"],
        "final"
    );
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    let (again, printed) = accept(&house);
    assert!(!again && printed.contains("nothing to accept"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_accepting_a_restore_and_its_anchor_the_same_command_finishes_it() {
    let mut house = one_ether_a_day().await;
    let client = house.client_as("client/exchange").unwrap();
    house.daemon.terminate(LONG).unwrap();
    let old = house.folder().join("an-hour-ago.db");
    copy(&database(&house), &old);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    // The second time the copy is older than what was accepted the first time.
    for times in [1, 3] {
        for number in 0..times {
            let alice = house.client_as("operator/alice").unwrap();
            let reason = json!({ "wallet": "hot-eth", "reason": format!("drill {number}") });
            let _: Value = alice.post("/v1/freeze", &reason).await.unwrap();
            let _: Value = alice
                .post("/v1/unfreeze", &json!({ "wallet": "hot-eth" }))
                .await
                .unwrap();
        }
        house.daemon.terminate(LONG).unwrap();
        put_back(&old, &database(&house));
        let killed = Command::new(env!("CARGO_BIN_EXE_custodyd"))
            .args(["journal", "accept-restore", "--reason", "drill", "--config"])
            .arg(house.daemon.config())
            .env("FAILPOINTS", "restore-accepted=return")
            .output()
            .unwrap();
        assert!(!killed.status.success());
        let (ok, printed) = accept(&house);
        assert!(ok && printed.contains("accepted before"), "{printed}");
        house.daemon.restart().unwrap();
        house.daemon.wait_ready(LONG).unwrap();
        let refused: Result<Value, _> = client
            .post_idempotent(
                "/v1/withdrawals",
                &format!("k{times}"),
                &ask("ETH", "0.1", SOMEBODY),
            )
            .await;
        assert!(refused.unwrap_err().to_string().contains("frozen"));
        let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
        assert!(ok, "{printed}");
    }
}
