//! Alerts that arrive: a receiver on loopback hears of what goes wrong, and that it is over, without anybody asking.

mod hsm;
mod metrics;
pub(crate) mod pager;
mod restarts;
mod strangers;

use custodyd_vault::Decision;
use serde_json::{Value, json};

use crate::{
    house::{
        House, LONG, Plan, SOMEBODY, ask, decide, default_policy, fund_ether, house, id_of, pay,
        readyz, withdraw,
    },
    sqlite::{database, quoted, rows, sql},
};
use pager::Pager;

/// An Ethereum house that tells this pager, under a policy of which a day's limit is soon used up.
async fn watched_house(pager: &Pager, more: &str) -> House {
    let policy = default_policy();
    let day = "id = \"hot-eth-daily\"\nper = \"wallet\"\nmax_amount = \"20 ETH\"";
    assert!(policy.contains(day));
    let house = house(Plan {
        litecoin: false,
        policy: Some(policy.replace(day, &day.replace("20 ETH", "1 ETH"))),
        extra_config: pager.config(more),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_is_told_with_a_valid_signature_and_told_again_when_it_is_back() {
    let pager = Pager::start();
    let mut house = watched_house(&pager, "").await;
    house.anvil.as_mut().unwrap().stop().unwrap();
    let alert = pager.until(&house, "alert.firing", "node_down").await;
    assert_eq!(
        (&alert["subject"], &alert["severity"], &alert["vault"]),
        (&json!("eip155:31337"), &json!("warning"), &json!("main"))
    );
    let (status, health) = readyz(&house);
    assert_eq!(
        (status, &health["trouble"]),
        (503, &json!(["eip155:31337"]))
    );
    let page = house.daemon.get("/metrics").unwrap().body;
    for line in [
        r#"custodyd_alert_active{kind="node_down"} 1"#,
        r#"custodyd_alerts_total{kind="node_down"} 1"#,
        r#"custodyd_node_up{network="eip155:31337"} 0"#,
        r#"custodyd_trouble{part="eip155:31337"} 1"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }

    // Whoever is told is away for a while: it is tried again, and readiness says that alerts don't arrive.
    pager.sleeps(true);
    house.anvil.as_mut().unwrap().restart().unwrap();
    house
        .until("say that alerts don't arrive", LONG, async || {
            readyz(&house)
                == (
                    200,
                    json!({ "status": "ready", "trouble": [], "degraded": ["alerts"] }),
                )
        })
        .await
        .unwrap();
    pager.sleeps(false);
    let over = pager.until(&house, "alert.resolved", "node_down").await;
    assert_eq!(over["since"], alert["since"]);
    house
        .until("be well again", LONG, async || {
            readyz(&house).1.get("degraded").is_none()
        })
        .await
        .unwrap();
    assert_eq!(pager.told("alert.firing", "node_down").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_a_lie_and_an_edited_journal_are_told_while_the_daemon_runs() {
    let pager = Pager::start();
    let house = watched_house(&pager, "audit_s = 1\ndenials = 3").await;
    let client = house.client_as("client/exchange").unwrap();

    // Somebody changes what a person is shown; what the person signs is then not what the vault would do.
    let asked = withdraw(&client, "shown", &ask("ETH", "0.9", SOMEBODY)).await;
    pay_on(&house, id_of(&asked)).await;
    let alert = pager.until(&house, "alert.firing", "limit_near").await;
    assert_eq!(alert["subject"], "hot-eth-daily");
    assert!(
        alert["summary"].as_str().unwrap().starts_with("90 %"),
        "{alert}"
    );
    assert!(
        !alert.to_string().contains(SOMEBODY),
        "no address is told: {alert}"
    );

    for number in 0..3 {
        let denied = withdraw(
            &client,
            &format!("over-{number}"),
            &ask("ETH", "0.5", SOMEBODY),
        )
        .await;
        assert_eq!(denied["state"], "denied", "{denied}");
    }
    pager.until(&house, "alert.firing", "denial_burst").await;

    let freezing = house.client_as("operator/alice").unwrap();
    let body = json!({ "wallet": "hot-eth", "reason": "looking into it" });
    let frozen: Result<Value, _> = freezing.post("/v1/freeze", &body).await;
    frozen.unwrap();
    let alert = pager.until(&house, "alert.firing", "frozen").await;
    assert_eq!(alert["subject"], "wallet hot-eth");

    assert!(pager.told("alert.firing", "journal_fault").is_empty());
    let row = rows(
        &database(&house),
        "SELECT MIN(seq) AS seq FROM journal WHERE kind = 'withdrawal_requested'",
    );
    let seq = &row[0]["seq"];
    sql(
        &database(&house),
        &format!("UPDATE journal SET event = replace(event, '0.9', '0.8') WHERE seq = {seq};"),
    );
    let alert = pager.until(&house, "alert.firing", "journal_fault").await;
    assert_eq!(alert["severity"], "critical");
    assert!(
        alert["summary"]
            .as_str()
            .unwrap()
            .contains(&format!("{seq}")),
        "{alert}"
    );
    sql(
        &database(&house),
        &format!("UPDATE journal SET event = replace(event, '0.8', '0.9') WHERE seq = {seq};"),
    );
    pager.until(&house, "alert.resolved", "journal_fault").await;
}

async fn pay_on(house: &House, id: &str) {
    let client = house.client_as("client/exchange").unwrap();
    crate::house::until_final(house, &client, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_altered_between_display_and_approval_is_refused_and_told() {
    let pager = Pager::start();
    let house = house(Plan {
        litecoin: false,
        extra_config: pager.config(""),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    pay(&house, &client, "small", &ask("ETH", "0.1", SOMEBODY)).await;
    let asked = withdraw(&client, "large", &ask("ETH", "3", SOMEBODY)).await;
    let id = id_of(&asked);
    let row = format!("withdrawals WHERE id = '{id}'");
    let honest = rows(&database(&house), &format!("SELECT document FROM {row}"));
    let honest = honest[0]["document"].as_str().unwrap();
    // Everywhere, so that the approver's own program finds nothing that doesn't fit together.
    let lie = honest
        .replace("\"amount\":\"3\"", "\"amount\":\"2\"")
        .replace("\"3 ETH\"", "\"2 ETH\"");
    let show = |document: &str| {
        let document = quoted(document);
        let update = format!("UPDATE withdrawals SET document = {document} WHERE id = '{id}';");
        sql(&database(&house), &update);
    };
    show(&lie);
    let shown = crate::house::show(&client, id).await;
    assert_eq!(shown["amount"], "2", "the lie is shown");
    let refused = decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("its amount differs"), "{refused}");
    let alert = pager
        .until(&house, "alert.firing", "statement_mismatch")
        .await;
    let summary = alert["summary"].as_str().unwrap();
    for part in ["operator/alice", id, "amount differs"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert_eq!(alert["severity"], "critical");
    assert!(house.daemon.log().unwrap().contains("statement_mismatch"));

    // A second person is shown the truth again, and the refusal changed nothing.
    show(honest);
    for operator in ["operator/alice", "operator/bob"] {
        decide(&house, operator, id, Decision::Approve)
            .await
            .unwrap();
    }
    pay_on(&house, id).await;
    assert_eq!(pager.told("alert.firing", "statement_mismatch").len(), 1);
}
