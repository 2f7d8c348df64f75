//! What metrics, readiness, the interface and custodyctl show of a token.

use std::process::Command;

use serde_json::{Value, json};

use crate::house::{House, LONG, programs};

/// A metric's value; `name` with its labels and a space.
pub(super) fn metric(house: &House, name: &str) -> Option<usize> {
    let text = house.daemon.get("/metrics").ok()?.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

fn up(house: &House, token: &str) -> Option<usize> {
    metric(house, &format!("custodyd_hsm_up{{token=\"{token}\"}} "))
}

fn signatures(house: &House, token: &str) -> Option<usize> {
    let name = format!("custodyd_hsm_signatures_total{{token=\"{token}\"}} ");
    metric(house, &name)
}

pub(super) async fn until_out(house: &House, token: &str) {
    house
        .until("show which token is out", LONG, async || {
            up(house, token) == Some(0)
        })
        .await
        .unwrap();
}

/// The token is out, and only it; the daemon is ready all the same.
pub(super) async fn check_out(house: &House, token: &str) {
    for each in ["hsm-1", "hsm-2"] {
        assert_eq!(up(house, each), Some(usize::from(each != token)), "{each}");
    }
    let ready = house.daemon.get("/readyz").unwrap();
    let said: Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(
        (ready.status, &said["trouble"], &said["degraded"]),
        (200, &json!([]), &json!([format!("hsm:{token}")])),
        "{said}"
    );
    let operator = house.client_as("operator/alice").unwrap();
    let answer: Value = operator.get("/v1/hsm").await.unwrap();
    for each in answer["tokens"].as_array().unwrap() {
        let out = each["name"] == token;
        assert_eq!(each["health"] == "out", out, "{answer}");
        assert_eq!(each["reason"].is_string(), out, "{answer}");
    }
    let table = custodyctl_hsm(house);
    let row = table.lines().find(|line| line.starts_with(token)).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("out"), "{table}");
}

/// Waits until the token is up in every respect and signs again.
pub(super) async fn until_back(house: &House, token: &str) {
    let operator = house.client_as("operator/alice").unwrap();
    house
        .until("take the token back", LONG, async || {
            let ready = house.daemon.get("/readyz").unwrap();
            let answer: Value = operator.get("/v1/hsm").await.unwrap();
            let mut tokens = answer["tokens"].as_array().unwrap().iter();
            ready.body.contains("ready")
                && !ready.body.contains("degraded")
                && tokens.all(|each| each["health"] == "up")
                && up(house, token) == Some(1)
        })
        .await
        .unwrap();
    // Heads are signed as long as anything happens.
    let before = signatures(house, token).unwrap();
    house
        .until("sign on the token again", LONG, async || {
            house.anvil.as_ref().unwrap().mine(1).unwrap();
            signatures(house, token).unwrap() > before
        })
        .await
        .unwrap();
}

/// The table that an operator sees.
fn custodyctl_hsm(house: &House) -> String {
    let output = Command::new(programs().custodyd.with_file_name("custodyctl"))
        .args(["--url", &house.daemon.url(), "--as", "operator/alice"])
        .arg("--key")
        .arg(house.key_file("operator/alice"))
        .arg("hsm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
