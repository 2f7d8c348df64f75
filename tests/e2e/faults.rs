//! Faults: the daemon killed at every named step, a node that is down, a token that is gone. Nothing is lost, nothing is
//! doubled, and the error says which part.

use std::time::Duration;

use custodyd_testbed::{House, Signal};
use rustix::process::{Pid, kill_process, test_kill_process};
use serde_json::Value;

use crate::{
    house::{
        LONG, Plan, SOMEBODY, ask, ethereum_house, house, id_of, pay, until_final, until_state,
        withdraw,
    },
    sqlite::{database, sql},
};

/// Every step of a withdrawal at which a crash could lose or double it.
const STEPS: [&str; 18] = [
    "inbox-stored",
    "request-taken",
    "committing:withdrawal_requested",
    "committed:withdrawal_requested",
    "committing:withdrawal_judged",
    "committed:withdrawal_judged",
    "committing:transaction_planned",
    "committed:transaction_planned",
    "before-signing",
    "hsm-signed",
    "committing:transaction_signed",
    "committed:transaction_signed",
    "before-broadcast",
    "node-took",
    "committing:transaction_broadcast",
    "committed:transaction_broadcast",
    "committing:transaction_included",
    "committed:transaction_included",
];

/// What makes the daemon die at a step. A request is in the inbox before it is decided only where it has to be: here, for this
/// step, always.
pub(crate) fn failpoints(step: &str) -> String {
    match step {
        "inbox-stored" => "inbox-first=return;inbox-stored=return".to_owned(),
        other => format!("{other}=return"),
    }
}

/// Runs the daemon into one failpoint while a withdrawal is on its way, and lets it recover.
async fn killed_at(house: &mut House, step: &str, asset: &str, amount: &str, destination: &str) {
    house.daemon.terminate(LONG).unwrap();
    house
        .daemon
        .set_environment("FAILPOINTS", Some(&failpoints(step)));
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();

    let client = house.client_as("client/exchange").unwrap();
    let body = ask(asset, amount, destination);
    let key = format!("{asset}-{}", step.replace(':', "-"));
    let asked: Result<Value, _> = client.post_idempotent("/v1/withdrawals", &key, &body).await;
    let began = std::time::Instant::now();
    while house.daemon.process().exited().unwrap().is_none() {
        assert!(began.elapsed() < LONG, "{step} was never passed: {asked:?}");
        mine(house);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    house.daemon.set_environment("FAILPOINTS", None);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let again = withdraw(&client, &key, &body).await;
    let id = id_of(&again);
    house
        .until("pay after the crash", LONG, async || {
            mine(house);
            let now: Result<Value, _> = client.get(&format!("/v1/withdrawals/{id}")).await;
            now.is_ok_and(|w| w["state"] == "final")
        })
        .await
        .unwrap();
}

fn mine(house: &House) {
    if let Some(node) = &house.litecoind {
        node.mine(1).unwrap();
    }
    if let Some(node) = &house.anvil {
        node.mine(1).unwrap();
    }
}

fn verified(house: &House) {
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_an_ethereum_withdrawal_is_paid_exactly_once() {
    let mut house = ethereum_house().await;
    let wei = |house: &House| {
        let hex = house.anvil.as_ref().unwrap().balance(SOMEBODY).unwrap();
        u128::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap()
    };
    for step in STEPS {
        let before = wei(&house);
        killed_at(&mut house, step, "ETH", "0.01", SOMEBODY).await;
        assert_eq!(wei(&house) - before, 10_000_000_000_000_000, "{step}");
    }
    let account = house.address_of("hot-eth").await.unwrap();
    let nonce = house
        .anvil
        .as_ref()
        .unwrap()
        .rpc(
            "eth_getTransactionCount",
            &serde_json::json!([account, "latest"]),
        )
        .unwrap();
    assert_eq!(
        nonce,
        format!("0x{:x}", STEPS.len()),
        "one transaction for each withdrawal"
    );
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_a_litecoin_withdrawal_is_paid_exactly_once() {
    let mut house = house(Plan {
        ethereum: false,
        ..Plan::default()
    })
    .await;
    house
        .fund_litecoin("hot-ltc", &["2", "2", "2"])
        .await
        .unwrap();
    for step in STEPS {
        let destination = house.litecoind.as_ref().unwrap().outside_address().unwrap();
        killed_at(&mut house, step, "LTC", "0.01", &destination).await;
        let descriptor = format!("[\"addr({destination})\"]");
        let seen = house
            .litecoind
            .as_ref()
            .unwrap()
            .cli(&["scantxoutset", "start", &descriptor])
            .unwrap();
        assert_eq!(
            seen["unspents"].as_array().unwrap().len(),
            1,
            "{step}: {seen}"
        );
        assert_eq!(seen["total_amount"].to_string(), "0.01", "{step}: {seen}");
    }
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_node_is_down_a_withdrawal_waits_signed_and_goes_out_when_it_is_back() {
    let mut house = house(Plan {
        ethereum: false,
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["2"]).await.unwrap();
    let destination = house.litecoind.as_ref().unwrap().outside_address().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    // One before, so that a fee quote is there.
    pay(&house, &client, "k0", &ask("LTC", "0.01", &destination)).await;
    house
        .until("see its change", LONG, async || {
            let wallet: Value = client.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["available"] != "0"
        })
        .await
        .unwrap();

    house.litecoind.as_mut().unwrap().stop().unwrap();
    let asked = withdraw(&client, "k1", &ask("LTC", "0.02", &destination)).await;
    let id = id_of(&asked);
    until_state(&house, &client, id, "signed").await;
    house
        .until("tell which part is down", LONG, async || {
            house
                .daemon
                .get("/readyz")
                .is_ok_and(|r| r.status == 503 && r.body.contains("litecoin-regtest"))
        })
        .await
        .unwrap();
    house.litecoind.as_mut().unwrap().restart().unwrap();
    until_final(&house, &client, id).await;
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_token_is_gone_nothing_is_signed_and_nothing_is_lost() {
    let mut house = ethereum_house().await;
    house.hsm.token().unwrap().remove().unwrap();
    let client = std::sync::Arc::new(house.client_as("client/exchange").unwrap());
    let asking = {
        let client = std::sync::Arc::clone(&client);
        tokio::spawn(async move {
            let body = ask("ETH", "0.01", SOMEBODY);
            client
                .post_idempotent::<_, Value>("/v1/withdrawals", "k1", &body)
                .await
        })
    };
    house
        .until("tell that the HSM is gone", LONG, async || {
            house
                .daemon
                .get("/readyz")
                .is_ok_and(|r| r.status == 503 && r.body.contains("hsm"))
        })
        .await
        .unwrap();
    let pid = house.daemon.pid();
    house.hsm.token().unwrap().insert().unwrap();
    let _ = asking.await.unwrap();
    // SoftHSM doesn't look again for a token that it lost; a fresh worker process does, and the daemon stays.
    house.daemon.wait_ready(LONG).unwrap();
    assert_eq!(house.daemon.pid(), pid);
    pay(&house, &client, "k1", &ask("ETH", "0.01", SOMEBODY)).await;
    let list: Value = client.get("/v1/withdrawals").await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    verified(&house);
}

/// The process in which the daemon's HSM library runs, while there is one.
pub(crate) fn worker_of(daemon: u32) -> Option<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{daemon}/task")).unwrap();
    let children = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
    let children: Vec<String> = children.collect();
    let workers = children.iter().flat_map(|line| line.split_whitespace());
    let mut workers = workers.filter(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.contains("hsm-worker"))
    });
    Pid::from_raw(workers.next()?.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_hsms_process_is_killed_again_and_again_every_withdrawal_is_paid_exactly_once() {
    let mut house = ethereum_house().await;
    let daemon = house.daemon.pid();
    let client = house.client_as("client/exchange").unwrap();
    let mut asked = Vec::new();
    for number in 0..20 {
        // Between two signatures, during one, and while the next process starts.
        if number % 3 == 0
            && let Some(worker) = worker_of(daemon)
        {
            kill_process(worker, Signal::KILL).unwrap();
        }
        let body = ask("ETH", "0.001", SOMEBODY);
        let answer: Value = {
            let key = format!("k{number}");
            // No head can be signed meanwhile, so an answer may be late or a refusal that asks for patience.
            loop {
                match client.post_idempotent("/v1/withdrawals", &key, &body).await {
                    Ok(answer) => break answer,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        asked.push(answer);
    }
    house
        .until("pay them all", LONG, async || {
            mine(&house);
            let mut paid = 0;
            for withdrawal in &asked {
                let path = format!("/v1/withdrawals/{}", id_of(withdrawal));
                let now: Result<Value, _> = client.get(&path).await;
                paid += usize::from(now.is_ok_and(|w| w["state"] == "final"));
            }
            paid == asked.len()
        })
        .await
        .unwrap();
    let account = house.address_of("hot-eth").await.unwrap();
    let latest = serde_json::json!([account, "latest"]);
    let node = house.anvil.as_ref().unwrap();
    let nonce = node.rpc("eth_getTransactionCount", &latest).unwrap();
    assert_eq!(nonce, "0x14", "one transaction for each withdrawal");
    assert_eq!(house.daemon.pid(), daemon);
    assert!(house.daemon.process().exited().unwrap().is_none());
    verified(&house);

    // And with the daemon its worker ends, however that ended.
    let worker = worker_of(daemon).unwrap();
    house.daemon.kill9().unwrap();
    house
        .until("end with its daemon", LONG, async || {
            test_kill_process(worker).is_err()
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_token_stops_the_start_with_one_line_that_says_so_and_shows_no_pin() {
    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    house.daemon.terminate(LONG).unwrap();
    let pin = house.hsm.token().unwrap().pin().unwrap();
    house.hsm.token().unwrap().lock().unwrap();
    let (ok, printed) = house.custodyd(&["serve"]).unwrap();
    assert!(!ok);
    assert!(printed.contains("refused the PIN"), "{printed}");
    assert!(!printed.contains(&pin), "the PIN was shown");
    house.hsm.token().unwrap().unlock().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_can_not_be_committed_is_refused_and_the_rest_goes_on() {
    let house = ethereum_house().await;
    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "k1", &ask("ETH", "0.01", SOMEBODY)).await;
    until_state(&house, &client, id_of(&first), "broadcast").await;
    // Somebody holds the next nonce, by the database's word alone: the second line says no, whatever the vault thinks.
    let account = house.address_of("hot-eth").await.unwrap();
    let held = format!(
        "INSERT INTO nonce_reservations (network, account, nonce, vault, transaction_id) \
         VALUES ('eip155:31337', '{account}', 1, 'main', 'tx_00000000000000000000000000000000');"
    );
    sql(&database(&house), &held);

    let refused: Result<Value, _> = client
        .post_idempotent("/v1/withdrawals", "k2", &ask("ETH", "0.01", SOMEBODY))
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("nothing was signed"), "{refused}");
    let operator = house.client_as("operator/alice").unwrap();
    let frozen: Value = operator
        .post(
            "/v1/freeze",
            &serde_json::json!({ "reason": "the database lies" }),
        )
        .await
        .unwrap();
    assert_eq!(frozen["items"][0]["state"], "frozen");
    let list: Value = client.get("/v1/withdrawals").await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(!ok && printed.contains("nonce_reservations"), "{printed}");
}
