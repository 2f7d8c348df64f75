//! Whoever can write to the database: every edit is noticed and its row named, and no edit causes a signature.

use std::{collections::BTreeSet, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_client::Client;
use custodyd_httpsig::content_digest;
use custodyd_testbed::House;
use custodyd_vault::{Change, GovernanceDecision};
use serde_json::{Value, json};

use crate::{
    edits::{Edit, every_edit},
    governance::{propose, vote},
    house::{
        LONG, SOMEBODY, all_final, approve_by_two, ask, ethereum_house, id_of, mine, until_state,
        withdraw,
    },
    sqlite::{copy, database, put_back, quoted, rows, sql, verify},
};

#[tokio::test(flavor = "multi_thread")]
async fn editing_any_column_of_any_row_makes_verify_fail_and_name_the_row() {
    let (house, _) = house_with_a_past().await;
    let clean = house.folder().join("clean.db");
    copy(&database(&house), &clean);
    let (ok, line) = verify(&house, &clean);
    assert!(ok, "an untouched copy: {line}");

    let edits = every_edit(&clean);
    assert!(edits.len() > 300, "{}", edits.len());
    let numbered: Vec<_> = edits.iter().enumerate().collect();
    let missed: Vec<String> = std::thread::scope(|scope| {
        let (house, clean) = (&house, &clean);
        let shares: Vec<_> = numbered
            .chunks(numbered.len().div_ceil(4))
            .map(|share| {
                let check =
                    |(number, edit): &(usize, &Edit)| check(house, clean, *number, edit).err();
                scope.spawn(move || share.iter().filter_map(check).collect::<Vec<_>>())
            })
            .collect();
        shares
            .into_iter()
            .flat_map(|share| share.join().unwrap())
            .collect()
    });
    assert!(
        missed.is_empty(),
        "{} of {}: {missed:#?}",
        missed.len(),
        edits.len()
    );
}

fn check(house: &House, clean: &Path, number: usize, edit: &Edit) -> Result<(), String> {
    let edited = house.folder().join(format!("edited-{number}.db"));
    std::fs::copy(clean, &edited).unwrap();
    sql(&edited, &edit.sql);
    let (ok, line) = verify(house, &edited);
    std::fs::remove_file(&edited).unwrap();
    if ok {
        return Err(format!("not noticed: {edit:?}"));
    }
    let named = edit.names.iter().any(|name| line.contains(name));
    named
        .then_some(())
        .ok_or_else(|| format!("{edit:?}: {line}"))
}

/// A house in which some withdrawals were paid, one with approvals, and one was denied; and in which of two proposals one
/// waits and one was vetoed. Its daemon has stopped.
async fn house_with_a_past() -> (House, Client) {
    let mut house = ethereum_house().await;
    for destination in [SOMEBODY, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"] {
        let change = Change::AddDestination {
            address: format!("eip155:31337:{destination}").parse().unwrap(),
            name: "somebody".to_owned(),
            tags: BTreeSet::new(),
        };
        let made = propose(&house, "dave", vec![change]).await.unwrap();
        vote(&house, "alice", id_of(&made), GovernanceDecision::Approve)
            .await
            .unwrap();
        if destination != SOMEBODY {
            vote(&house, "carol", id_of(&made), GovernanceDecision::Veto)
                .await
                .unwrap();
        }
    }
    let client = house.client_as("client/exchange").unwrap();
    let small = withdraw(&client, "k1", &ask("ETH", "0.5", SOMEBODY)).await;
    let large = withdraw(&client, "k2", &ask("ETH", "1.2", SOMEBODY)).await;
    approve_by_two(&house, id_of(&large)).await;
    withdraw(&client, "k3", &ask("ETH", "11", SOMEBODY)).await;
    all_final(&house, &client, [&small, &large].map(id_of)).await;
    house.daemon.terminate(LONG).unwrap();
    (house, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_tampered_or_an_older_database_the_daemon_does_not_start() {
    let (mut house, client) = house_with_a_past().await;
    let database = database(&house);
    let old = house.folder().join("old.db");
    copy(&database, &old);

    sql(
        &database,
        "UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 3;",
    );
    let (ok, printed) = house.custodyd(&["serve"]).unwrap();
    assert!(!ok && printed.contains("journal row seq 3,"), "{printed}");
    sql(
        &database,
        "UPDATE journal SET at_ms = at_ms - 1 WHERE seq = 3;",
    );

    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let later = withdraw(&client, "later", &ask("ETH", "0.25", SOMEBODY)).await;
    until_state(&house, &client, id_of(&later), "broadcast").await;
    house.daemon.terminate(LONG).unwrap();

    let new = house.folder().join("new.db");
    copy(&database, &new);
    put_back(&old, &database);
    for command in [["journal", "verify"].as_slice(), &["serve"]] {
        let (ok, printed) = house.custodyd(command).unwrap();
        assert!(
            !ok && printed.contains("behind its anchor"),
            "{command:?}: {printed}"
        );
    }
    put_back(&new, &database);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    mine(&house, 2);
    until_state(&house, &client, id_of(&later), "final").await;
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_forged_in_the_inbox_is_answered_401_and_nothing_is_signed() {
    let (mut house, client) = house_with_a_past().await;
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let database = database(&house);
    let taken = rows(
        &database,
        "SELECT json_extract(event, '$.evidence') AS request FROM journal WHERE kind = 'withdrawal_requested' ORDER BY seq LIMIT 1;",
    );
    let genuine: Value = serde_json::from_str(taken[0]["request"].as_str().unwrap()).unwrap();
    let body = STANDARD.decode(genuine["body"].as_str().unwrap()).unwrap();
    let dearer = String::from_utf8(body)
        .unwrap()
        .replace("\"0.5\"", "\"0.6\"");
    let redirected = dearer.replace(SOMEBODY, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
    let with = |changes: &[(&str, String)]| {
        let mut forged = genuine.clone();
        for (field, value) in changes {
            forged[field] = json!(value);
        }
        forged
    };
    let input = genuine["signature_input"].as_str().unwrap();
    let forgeries = [
        ("body", with(&[("body", STANDARD.encode(&dearer))])),
        (
            "body and digest",
            with(&[
                ("body", STANDARD.encode(&redirected)),
                ("content_digest", content_digest(redirected.as_bytes())),
            ]),
        ),
        ("key", with(&[("idempotency_key", "another".to_owned())])),
        (
            "target",
            with(&[("target", "/v1/withdrawals/simulate".to_owned())]),
        ),
        (
            "client",
            with(&[(
                "signature_input",
                input.replace("client/exchange", "client/payroll"),
            )]),
        ),
        (
            "stranger",
            with(&[(
                "signature_input",
                input.replace("client/exchange", "client/nobody"),
            )]),
        ),
        (
            "signature",
            with(&[("signature", format!("sig1=:{}:", STANDARD.encode([0; 64])))]),
        ),
    ];
    let before = transactions(&database);
    for (number, (what, forged)) in forgeries.iter().enumerate() {
        let outcome = slipped(&house, number, forged).await;
        assert_eq!(outcome["status"], 401, "{what}: {outcome}");
    }
    // Word for word it is the request that was answered before: the same answer, and no second payment.
    let replayed = slipped(&house, forgeries.len(), &genuine).await;
    let answer: Value = serde_json::from_str(replayed["body"].as_str().unwrap()).unwrap();
    assert_eq!(replayed["status"], 200, "{replayed}");
    assert_eq!(answer["state"], "final", "{replayed}");

    let list: Value = client.get("/v1/withdrawals").await.unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert_eq!(transactions(&database), before);
    house.daemon.terminate(LONG).unwrap();
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

async fn slipped(house: &House, number: usize, request: &Value) -> Value {
    let from = ("client/exchange", "withdraw");
    slip_in(house, number, from, &request.to_string()).await
}

/// Puts a request in the inbox without the API, and waits for its outcome.
pub(crate) async fn slip_in(
    house: &House,
    number: usize,
    (principal, kind): (&str, &str),
    request: &str,
) -> Value {
    let database = database(house);
    let id = format!("{number:032x}");
    let request = quoted(request);
    sql(
        &database,
        &format!(
            "BEGIN IMMEDIATE; UPDATE counters SET value = value + 1 WHERE name = 'inbox'; \
             INSERT INTO inbox (id, position, vault, kind, principal, nonce, at_ms, request) \
             SELECT '{id}', value, 'main', '{kind}', '{principal}', 'forged-{number}', 1, {request} \
             FROM counters WHERE name = 'inbox'; COMMIT;"
        ),
    );
    let query = format!("SELECT status, body FROM outcomes WHERE inbox_id = '{id}';");
    house
        .until("answer the forged request", LONG, async || {
            !rows(&database, &query).is_empty()
        })
        .await
        .unwrap();
    rows(&database, &query).remove(0)
}

fn transactions(database: &Path) -> Vec<Value> {
    rows(database, "SELECT id, txid FROM transactions ORDER BY id;")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_beside_a_working_daemon_raises_no_false_alarm() {
    let house = ethereum_house().await;
    let client = house.client_as("client/exchange").unwrap();
    let working = tokio::spawn(async move {
        for number in 0..60 {
            let key = format!("k{number}");
            withdraw(&client, &key, &ask("ETH", "0.001", SOMEBODY)).await;
        }
    });
    let mut audits = 0;
    while !working.is_finished() || audits < 5 {
        let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
        assert!(ok || printed.contains("the journal grew"), "{printed}");
        audits += 1;
    }
    working.await.unwrap();
}
