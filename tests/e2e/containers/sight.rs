//! What metrics, readiness, the interface and custodyctl show of a house's tokens.

use std::process::Command;

use custodyd_client::Client;
use serde_json::{Value, json};

use crate::house::{House, LONG, programs};

/// Two HSMs, as a house with containers names them.
const TOKENS: [&str; 2] = ["hsm-1", "hsm-2"];

/// Waits until every window shows this token out, and only it, while the daemon is ready all the same.
pub(super) async fn until_out(house: &House, token: &str) {
    until(house, Some(token)).await;
}

/// Waits until every window shows all tokens up, and this one signs.
pub(super) async fn until_back(house: &House, token: &str) {
    until(house, None).await;
    let name = format!("custodyd_hsm_signatures_total{{token=\"{token}\"}} ");
    let before = metric(house, &name).unwrap();
    house
        .until("sign on the token again", LONG, async || {
            // A new block is an event, and so a head to be signed.
            house.anvil.as_ref().unwrap().mine(1).unwrap();
            metric(house, &name).unwrap() > before
        })
        .await
        .unwrap();
}

/// A metric's value; `name` with its labels and a space.
pub(super) fn metric(house: &House, name: &str) -> Option<usize> {
    let text = house.daemon.get("/metrics").ok()?.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

async fn until(house: &House, out: Option<&str>) {
    let operator = house.client_as("operator/alice").unwrap();
    let wanted = expected(out);
    let mut seen = Value::Null;
    let waited = house
        .until("show how its tokens are", LONG, async || {
            seen = look(house, &operator).await;
            seen == wanted
        })
        .await;
    if let Err(error) = waited {
        panic!("{error}\nseen: {seen}\nwanted: {wanted}");
    }
}

fn expected(out: Option<&str>) -> Value {
    let each = |if_out: Value, if_up: Value| {
        by_token(|name| match out == Some(name) {
            true => if_out.clone(),
            false => if_up.clone(),
        })
    };
    json!({
        "metrics": each(json!(0), json!(1)),
        "readyz": 200,
        "trouble": [],
        "degraded": out.map(|name| [format!("hsm:{name}")]),
        "v1/hsm": each(json!(["out", true]), json!(["up", false])),
        "custodyctl": each(json!("out"), json!("up")),
    })
}

fn by_token(show: impl Fn(&str) -> Value) -> Value {
    let shown = TOKENS.map(|name| (name.to_owned(), show(name)));
    Value::Object(shown.into_iter().collect())
}

/// What is shown now: up or not, health and whether there is a reason, and the table's second column.
async fn look(house: &House, operator: &Client) -> Value {
    let ready = house.daemon.get("/readyz").unwrap();
    let said: Value = serde_json::from_str(&ready.body).unwrap();
    let answer: Value = operator.get("/v1/hsm").await.unwrap();
    let tokens = answer["tokens"].as_array().unwrap();
    let table = custodyctl_hsm(house);
    let row = |name: &str| table.lines().find(|line| line.starts_with(name));
    json!({
        "metrics": by_token(|name| {
            json!(metric(house, &format!("custodyd_hsm_up{{token=\"{name}\"}} ")))
        }),
        "readyz": ready.status,
        "trouble": said["trouble"],
        "degraded": said["degraded"],
        "v1/hsm": by_token(|name| {
            let token = tokens.iter().find(|token| token["name"] == name);
            json!(token.map(|token| (&token["health"], token["reason"].is_string())))
        }),
        "custodyctl": by_token(|name| json!(row(name).and_then(|row| row.split_whitespace().nth(1)))),
    })
}

/// The table that an operator sees.
fn custodyctl_hsm(house: &House) -> String {
    let program = programs().custodyd.with_file_name("custodyctl");
    let output = Command::new(&program)
        .args(["--url", &house.daemon.url(), "--as", "operator/alice"])
        .arg("--key")
        .arg(house.key_file("operator/alice"))
        .arg("hsm")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
