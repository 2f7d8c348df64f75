//! Limits in a currency: what is paid is bounded by what it is worth, and without a fresh price nothing goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use custodyd_vault::{Change, Scope};
use serde_json::{Value, json};

use crate::{
    governance::{enact, governed_house, governed_policy, refusal, verified},
    house::{SOMEBODY, ask, id_of, until_final, withdraw},
    typed::ctl,
};

/// At most this much to others a day, all assets together.
const LIMIT: &str = r#"
[fiat]
currency = "USD"
price_max_age = "10m"

[[limits]]
id = "vault-usd-daily"
per = "vault"
max_fiat = "3000 USD"
window = "24h"
on_breach = "deny"
when = { destination = ["known", "new"] }
"#;

fn ether(usd: &str, age: Duration) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let as_of = u64::try_from((now - age).as_millis()).unwrap();
    json!({ "currency": "USD", "as_of": as_of, "prices": { "ETH": usd } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_a_currency_bounds_what_is_paid_and_denies_without_a_fresh_price() {
    let house = governed_house(governed_policy() + LIMIT).await;
    let client = house.client_as("client/exchange").unwrap();
    let feed = house.client_as("client/payroll").unwrap();
    let of_feed = |scopes: &[Scope]| {
        vec![Change::SetClientScopes {
            id: "payroll".parse().unwrap(),
            scopes: scopes.iter().copied().collect(),
        }]
    };
    // Nobody sets prices who wasn't given the scope, and whoever has it alone does nothing else.
    let attempt = feed
        .put::<_, Value>("/v1/prices", &ether("2000", Duration::ZERO))
        .await;
    let said = refusal(attempt);
    assert!(
        said.contains("status: 403") && said.contains("problem:scope"),
        "{said}"
    );
    let typed = ctl(&house, "client/payroll", &["prices", "set", "ETH=2000"]);
    let said = typed.refused();
    assert!(said.contains("prices"), "{said}");
    enact(&house, of_feed(&[Scope::Prices])).await;
    let pay = ask("ETH", "0.1", SOMEBODY);
    let said = refusal(
        feed.post_idempotent("/v1/withdrawals", "theirs", &pay)
            .await,
    );
    assert!(said.contains("problem:scope"), "{said}");

    let unpriced = withdraw(&client, "unpriced", &pay).await;
    assert_eq!(unpriced["state"], "denied", "{unpriced}");
    let _: Value = feed
        .put("/v1/prices", &ether("2000", Duration::from_secs(11 * 60)))
        .await
        .unwrap();
    let stale = withdraw(&client, "stale", &pay).await;
    assert_eq!(
        (&stale["state"], &stale["verdict"]["reasons"][0]["code"]),
        (&json!("denied"), &json!("evaluation_failed")),
        "{stale}"
    );
    let why = stale["verdict"]["reasons"][0]["text"].as_str().unwrap();
    assert!(why.contains("price"), "{why}");

    ctl(&house, "client/payroll", &["prices", "set", "ETH=2000"]).done();
    let back = feed
        .put::<_, Value>("/v1/prices", &ether("20", Duration::from_secs(60)))
        .await;
    let said = refusal(back);
    assert!(said.contains("Prices not acceptable"), "{said}");
    let paid = withdraw(&client, "paid", &ask("ETH", "1", SOMEBODY)).await;
    until_final(&house, &client, id_of(&paid)).await;
    let over = withdraw(&client, "over", &ask("ETH", "0.6", SOMEBODY)).await;
    let why = over["verdict"]["reasons"][0]["text"].as_str().unwrap();
    assert!(
        over["state"] == "denied" && why.contains("vault-usd-daily") && why.contains("3000"),
        "{over}"
    );
    // What was paid counts by what it was worth then; what is asked, by what it is worth now.
    ctl(&house, "client/payroll", &["prices", "set", "ETH=1000"]).done();
    let fits = withdraw(&client, "fits", &ask("ETH", "1", SOMEBODY)).await;
    assert_eq!(fits["verdict"]["outcome"], "allow", "{fits}");
    let full = withdraw(&client, "full", &ask("ETH", "0.001", SOMEBODY)).await;
    assert_eq!(full["state"], "denied", "{full}");
    until_final(&house, &client, id_of(&fits)).await;
    verified(&house);
}
