//! A token that is gone, and a library whose process doesn't stay: told by webhook, and told again when it is over.

use std::time::Duration;

use custodyd_testbed::Signal;
use rustix::process::kill_process;
use serde_json::{Value, json};

use super::{pager::Pager, watched_house};
use crate::{
    faults::worker_of,
    house::{House, LONG, SOMEBODY, ask, id_of, readyz, until_final},
};

/// Asks for a payout until the daemon takes it: while no head can be signed, it may ask for patience.
async fn asked_at_last(house: &House, key: &str) -> Value {
    let client = house.client_as("client/exchange").unwrap();
    let body = ask("ETH", "0.01", SOMEBODY);
    loop {
        match client.post_idempotent("/v1/withdrawals", key, &body).await {
            Ok(answer) => return answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Waits until the daemon says that all is well, and pays.
async fn goes_on(house: &mut House, asked: &Value) {
    house.daemon.wait_ready(LONG).unwrap();
    let client = house.client_as("client/exchange").unwrap();
    until_final(house, &client, id_of(asked)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_is_told_and_told_again_when_it_is_back() {
    let pager = Pager::start();
    let mut house = watched_house(&pager, "").await;
    house.hsm.token().unwrap().remove().unwrap();
    let (asked, alert) = tokio::join!(asked_at_last(&house, "k1"), async {
        let alert = pager.until(&house, "alert.firing", "hsm_down").await;
        let (status, health) = readyz(&house);
        assert_eq!(status, 503, "{health}");
        let page = house.daemon.get("/metrics").unwrap().body;
        let active = r#"custodyd_alert_active{kind="hsm_down"} "#;
        assert!(page.contains(active), "{page}");
        assert!(!page.contains(&format!("{active}0")), "{page}");
        house.hsm.token().unwrap().insert().unwrap();
        alert
    });
    assert_eq!(alert["severity"], json!("warning"), "{alert}");
    let over = pager.until(&house, "alert.resolved", "hsm_down").await;
    assert_eq!(
        (&over["subject"], &over["since"]),
        (&alert["subject"], &alert["since"])
    );
    goes_on(&mut house, &asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_librarys_process_that_does_not_stay_is_told_and_told_again_when_it_does() {
    let pager = Pager::start();
    let mut house = watched_house(&pager, "").await;
    let daemon = house.daemon.pid();
    house
        .until("tell that no process stays", LONG, async || {
            if let Some(worker) = worker_of(daemon) {
                let _ = kill_process(worker, Signal::KILL);
            }
            !pager.told("alert.firing", "hsm_down").is_empty()
        })
        .await
        .unwrap();
    let alert = pager.told("alert.firing", "hsm_down").swap_remove(0);
    let over = pager.until(&house, "alert.resolved", "hsm_down").await;
    assert_eq!(over["since"], alert["since"]);
    let asked = asked_at_last(&house, "k1").await;
    goes_on(&mut house, &asked).await;
}
