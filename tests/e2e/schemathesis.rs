//! The server held against its own description, by a stranger to both: schemathesis.

use std::fs;

use custodyd_policy::ClientId;
use custodyd_testbed::project;
use custodyd_vault::Change;
use serde_json::{Value, json};

use crate::{
    house::{SOMEBODY, ask, ethereum_house, id_of, pay, withdraw},
    python,
};

/// Requests of every operation that are good, borderline and bad, as the description has it: no 5xx, no status, media type,
/// header or body that is not described, nothing taken that the description forbids, nothing unsigned let in.
#[tokio::test]
async fn no_request_makes_the_server_leave_its_description() {
    let house = ethereum_house().await;
    let exchange = house.client_as("client/exchange").unwrap();
    let alice = house.client_as("operator/alice").unwrap();
    let paid = pay(&house, &exchange, "paid", &ask("ETH", "0.1", SOMEBODY)).await;
    let waits = withdraw(&exchange, "waits", &ask("ETH", "3", SOMEBODY)).await;
    assert_eq!(waits["state"], "awaiting_approval", "{waits}");
    let payroll: ClientId = "payroll".parse().unwrap();
    let changes = [Change::RemoveClient { id: payroll }];
    let body = json!({"vault": "main", "changes": changes, "reason": "to be found"});
    let proposal: Value = alice.post("/v1/proposals", &body).await.unwrap();

    let withdrawals = [id_of(&paid), id_of(&waits)];
    let known = json!({
        "address": SOMEBODY,
        "ids": {
            "/v1/withdrawals/{id}": withdrawals,
            "/v1/withdrawals/{id}/approvals": withdrawals,
            "/v1/withdrawals/{id}/rejections": withdrawals,
            "/v1/withdrawals/{id}/cancellation": [id_of(&paid)],
            "/v1/transactions/{id}": [paid["transaction"]],
            "/v1/proposals/{id}": [id_of(&proposal)],
            "/v1/proposals/{id}/approvals": [id_of(&proposal)],
            "/v1/wallets/{id}": ["hot-eth"],
            "/v1/wallets/{id}/addresses": ["hot-eth"],
        },
    });
    let facts = house.folder().join("known.json");
    fs::write(&facts, known.to_string()).unwrap();

    let folder = project().join("tests/schemathesis");
    let mut run = python::program("schemathesis");
    run.current_dir(house.folder())
        .env("CUSTODYD_KEYS", house.folder().join("keys"))
        .env("CUSTODYD_KNOWN", &facts)
        .env("SCHEMATHESIS_HOOKS", folder.join("hooks.py"))
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", house.daemon.url())]);
    let ran = run.output().unwrap();
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    // It did look: each operation of the description, and none left out for an error of its own.
    let count = |name: &str| {
        let said = report
            .lines()
            .find_map(|line| line.trim().strip_prefix(name));
        let count = said.and_then(|said| said.trim().split('/').next());
        count
            .map(str::to_owned)
            .unwrap_or_else(|| panic!("no {name} {report}"))
    };
    assert_eq!(count("Tested:"), count("Selected:"), "{report}");
    let log = house.daemon.log().unwrap();
    assert!(!log.contains("a handler panicked"), "{log}");
}
