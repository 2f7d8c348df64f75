//! The main job with PostgreSQL as the daemon's database, killed in the middle.

use std::time::{Duration, Instant};

use custodyd_testbed::{House, Postgres};
use custodyd_vault::Decision;
use serde_json::json;

use crate::house::{
    LONG, Plan, SOMEBODY, all_final, ask, decide, fund_ether, house, id_of, show, until_state,
    withdraw,
};

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_the_main_job_survives_kills_and_the_journal_verifies() {
    let postgres = Postgres::start().unwrap();
    let mut house = house(Plan {
        database: Some(postgres.create_database("custodyd").unwrap()),
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["9"]).await.unwrap();
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    let destination = house.litecoind.as_ref().unwrap().outside_address().unwrap();
    let before = wei(&house);

    let litecoin = withdraw(&client, "k1", &ask("LTC", "5", &destination)).await;
    let ether = withdraw(&client, "k2", &ask("ETH", "1.5", SOMEBODY)).await;
    let ids = [&litecoin, &ether].map(|asked| {
        assert_eq!(asked["state"], "awaiting_approval", "{asked}");
        id_of(asked)
    });
    for id in ids {
        decide(&house, "operator/alice", id, Decision::Approve)
            .await
            .unwrap();
    }
    // Once with the signature made and not stored, once with the transaction at the node and that not stored.
    for (id, step) in ids.into_iter().zip(["hsm-signed", "node-took"]) {
        restart_with(&mut house, Some(step));
        let answer = decide(&house, "operator/bob", id, Decision::Approve).await;
        killed(&mut house, step, &answer);
        restart_with(&mut house, None);
        let votes = show(&client, id).await["approvals"].clone();
        assert_eq!(votes.as_array().unwrap().len(), 2, "{step}: {votes}");
        // Sent before the next step is armed, which would kill at this one's.
        until_state(&house, &client, id, "broadcast").await;
    }
    all_final(&house, &client, ids).await;

    let paid = house
        .litecoind
        .as_ref()
        .unwrap()
        .cli(&[
            "scantxoutset",
            "start",
            &format!("[\"addr({destination})\"]"),
        ])
        .unwrap();
    assert_eq!(paid["unspents"].as_array().unwrap().len(), 1, "{paid}");
    assert_eq!(paid["total_amount"].to_string(), "5.0", "{paid}");
    assert_eq!(wei(&house) - before, 1_500_000_000_000_000_000);
    let account = house.address_of("hot-eth").await.unwrap();
    let nonce = house
        .anvil
        .as_ref()
        .unwrap()
        .rpc("eth_getTransactionCount", &json!([account, "latest"]))
        .unwrap();
    assert_eq!(nonce, "0x1", "one Ethereum transaction");

    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    postgres
        .psql(
            "custodyd",
            "UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 5",
        )
        .unwrap();
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(!ok && printed.contains("journal row seq 5,"), "{printed}");
}

fn restart_with(house: &mut House, failpoint: Option<&str>) {
    house.daemon.terminate(LONG).ok();
    let failpoint = failpoint.map(|step| format!("{step}=return"));
    house
        .daemon
        .set_environment("FAILPOINTS", failpoint.as_deref());
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
}

/// The daemon ends by itself at the step. `answer` is what the request that led there was told, if anything.
fn killed<T: std::fmt::Debug>(house: &mut House, step: &str, answer: &T) {
    let began = Instant::now();
    while house.daemon.process().exited().unwrap().is_none() {
        assert!(
            began.elapsed() < LONG,
            "{step} was never passed: {answer:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wei(house: &House) -> u128 {
    let hex: String = house.anvil.as_ref().unwrap().balance(SOMEBODY).unwrap();
    u128::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap()
}
