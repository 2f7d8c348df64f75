//! Every page, looked at in light, dark and phone width: nothing wider than a phone, nothing that keeps somebody out who can't
//! see, nothing that the page's own policy refuses.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use custodyd_testbed::{House, Litecoind};
use custodyd_vault::{Change, Scope};
use serde_json::{Value, json};

use crate::{
    bed::{
        Plan, SOMEBODY, alike, approve, ask, fund_hot_and_warm, house, quick_policy, until_final,
    },
    stage::Stage,
};

const FIAT: &str = r#"
[fiat]
currency = "USD"
price_max_age = "24h"

[[limits]]
id = "vault-usd-daily"
per = "vault"
max_fiat = "250000 USD"
window = "24h"
on_breach = "quorum"
require = [{ group = "treasury", quorum = 2 }]
when = { destination = ["known", "new"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_read_in_light_in_dark_on_a_phone_and_by_a_screen_reader() {
    let (house, mut stage) = busy_house().await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    let pages = [
        ("queue", "/console/queue"),
        ("queue-others", "/console/queue?part=others"),
        ("queue-held", "/console/queue?part=held"),
        ("withdrawals", "/console/withdrawals"),
        ("treasury", "/console/treasury"),
        ("cold", "/console/cold"),
        ("governance", "/console/governance"),
        ("people", "/console/governance/people"),
        ("places", "/console/governance/places"),
        ("wallets", "/console/governance/wallets"),
        ("policy", "/console/governance/policy"),
        ("journal", "/console/journal"),
        ("journal-entry", "/console/journal/9"),
        ("freeze-none", "/console/freeze"),
        (
            "not-found",
            "/console/withdrawals/wd_00000000000000000000000000000000",
        ),
    ];
    let mut faults = Vec::new();
    for (name, path) in pages {
        let (status, _) = stage.open_page("alice", path);
        assert_eq!(
            status,
            if name == "not-found" { 404 } else { 200 },
            "{path}"
        );
        // What the page computes itself is there soon; a page that does nothing has nothing to wait for.
        stage.settle("alice");
        faults.extend(stage.faults("alice", name));
    }
    for (name, list, link) in [
        (
            "withdrawal-waiting",
            "/console/queue",
            "article.payout .code a",
        ),
        (
            "withdrawal-final",
            "/console/withdrawals?state=final",
            "main a[href*='/withdrawals/wd_']",
        ),
        (
            "proposal",
            "/console/governance",
            "main a[href*='/governance/pr_']",
        ),
    ] {
        stage.open_page("alice", list);
        stage.press("alice", link);
        stage.wait("alice", "main h1");
        stage.settle("alice");
        faults.extend(stage.faults("alice", name));
    }
    if let Ok(folder) = std::env::var("CUSTODYD_README_IMAGES") {
        stage.open_page("alice", "/console/queue");
        stage.settle("alice");
        let file = format!("{folder}/queue.png");
        let picture = json!({ "file": file, "width": 1280, "height": 590 });
        stage.tell("alice", "picture", picture);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A house in which something of everything waits, was paid, and was refused.
async fn busy_house() -> (House, Stage) {
    let plan = Plan {
        cold: true,
        policy: Some(quick_policy() + FIAT),
        ..Plan::default()
    };
    let (house, stage) = house(plan).await;
    fund_hot_and_warm(&house).await;
    house
        .fund_litecoin("cold-ltc", &["200", "150"])
        .await
        .unwrap();
    let wei = "0x1f399b1438a100000";
    house.fund_ethereum("hot-eth", wei).await.unwrap();

    let node = house.litecoind.as_ref().unwrap();
    let known = node.outside_address().unwrap();
    let address = format!("litecoin-regtest:{known}");
    let changes = vec![
        Change::SetClientScopes {
            id: "payroll".parse().unwrap(),
            scopes: BTreeSet::from([Scope::Prices]),
        },
        Change::AddDestination {
            address: address.parse().unwrap(),
            name: "Northwind settlement".to_owned(),
            tags: BTreeSet::new(),
        },
        Change::AddDestination {
            address: format!("eip155:31337:{SOMEBODY}").parse().unwrap(),
            name: "Contoso treasury".to_owned(),
            tags: BTreeSet::new(),
        },
    ];
    house.enact(changes).await.unwrap();
    set_prices(&house).await;

    let first = ask(&house, "2041", "LTC", "0.85", &known, None).await;
    let second = ask(&house, "2042", "ETH", "0.6", SOMEBODY, None).await;
    for id in [&first, &second] {
        until_final(&house, id).await;
    }
    let bob = "operator/bob";
    let large = ask(&house, "2043", "LTC", "7.25", &fresh(node), Some("hot-ltc")).await;
    approve(&house, bob, &large).await;
    ask(&house, "2044", "LTC", "12.5", &fresh(node), Some("hot-ltc")).await;
    ask(&house, "2045", "ETH", "4.2", SOMEBODY, None).await;
    ask(&house, "2046", "ETH", "1.75", &alike(SOMEBODY), None).await;
    ask(&house, "2047", "ETH", "11", SOMEBODY, None).await;
    ask(&house, "2048", "LTC", "120", &known, Some("cold-ltc")).await;
    let cold = ask(&house, "2049", "LTC", "80", &fresh(node), Some("cold-ltc")).await;
    for who in ["operator/bob", "operator/carol"] {
        approve(&house, who, &cold).await;
    }
    propose(&house).await;
    (house, stage)
}

fn fresh(node: &Litecoind) -> String {
    node.outside_address().unwrap()
}

async fn set_prices(house: &House) {
    let feed = house.client_as("client/payroll").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let prices =
        json!({ "currency": "USD", "as_of": now, "prices": { "ETH": "3120.50", "LTC": "84.20" } });
    let _: Value = feed.put("/v1/prices", &prices).await.unwrap();
}

/// A change of the policy that is voted on.
async fn propose(house: &House) {
    let source = (quick_policy() + FIAT)
        .replace(
            "amount = { above = \"10 LTC\", at_most = \"20 LTC\" }",
            "amount = { above = \"10 LTC\", at_most = \"30 LTC\" }",
        )
        .replace(
            "when = { tier = [\"hot\"], amount = { above = \"20 LTC\" } }",
            "when = { tier = [\"hot\"], amount = { above = \"30 LTC\" } }",
        )
        .replace("max_amount = \"20 LTC\"", "max_amount = \"30 LTC\"");
    let body = json!({
        "vault": "main",
        "changes": [{ "change": "set_policy", "source": source }],
        "reason": "month-end settlements are larger",
    });
    let bob = house.client_as("operator/bob").unwrap();
    let _: Value = bob.post("/v1/proposals", &body).await.unwrap();
}
