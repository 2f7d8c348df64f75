//! Whoever can write to the database: every edit is noticed and its row named, and no edit causes a signature.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd::journal::{Entry, canonical_json};
use custodyd_client::Client;
use custodyd_httpsig::content_digest;
use custodyd_testbed::House;
use custodyd_vault::Decision;
use serde_json::{Value, json};

use crate::{
    house::{LONG, Plan, SOMEBODY, ask, decide, house, mine, until_state, withdraw},
    sqlite::{copy, database, put_back, quoted, rows, sql, verify},
};

/// One edit, and what the auditor's line must contain: one of these.
#[derive(Debug)]
struct Edit {
    sql: String,
    names: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn editing_any_column_of_any_row_makes_verify_fail_and_name_the_row() {
    let (house, _) = house_with_a_past().await;
    let clean = house.folder().join("clean.db");
    copy(&database(&house), &clean);
    let (ok, line) = verify(&house, &clean);
    assert!(ok, "an untouched copy: {line}");

    let edits: Vec<Edit> = [
        journal_edits(&clean),
        head_edits(&clean),
        projection_edits(&clean),
        vec![rewritten_chain(&clean)],
    ]
    .into_iter()
    .flatten()
    .collect();
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

/// A house in which some withdrawals were paid, one with approvals, and one was denied. Its daemon has stopped.
async fn house_with_a_past() -> (House, Client) {
    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    house
        .fund_ethereum("hot-eth", "0x8ac7230489e80000")
        .await
        .unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let small = withdraw(&client, "k1", &ask("ETH", "0.5", SOMEBODY)).await;
    let large = withdraw(&client, "k2", &ask("ETH", "1.2", SOMEBODY)).await;
    for operator in ["operator/alice", "operator/bob"] {
        decide(
            &house,
            operator,
            large["id"].as_str().unwrap(),
            Decision::Approve,
        )
        .await
        .unwrap();
    }
    withdraw(&client, "k3", &ask("ETH", "11", SOMEBODY)).await;
    for asked in [&small, &large] {
        until_state(&house, &client, asked["id"].as_str().unwrap(), "broadcast").await;
    }
    mine(&house, 2);
    for asked in [&small, &large] {
        until_state(&house, &client, asked["id"].as_str().unwrap(), "final").await;
    }
    house.daemon.terminate(LONG).unwrap();
    (house, client)
}

fn journal_edits(clean: &Path) -> Vec<Edit> {
    let query = "SELECT seq, at_ms, kind, event, lower(hex(prev_hash)) AS prev_hash FROM journal ORDER BY seq;";
    let mut edits = Vec::new();
    for row in rows(clean, query) {
        let seq = row["seq"].as_u64().unwrap();
        let edit = |set: &str| Edit {
            sql: format!("UPDATE journal SET {set} WHERE seq = {seq};"),
            names: vec![format!("journal row seq {seq},")],
        };
        let mut event: Value = serde_json::from_str(row["event"].as_str().unwrap()).unwrap();
        edits.push(edit(&format!("event = {}", quoted(&format!("{event} ")))));
        assert!(change(&mut event), "{event} has nothing to change");
        let changed = canonical_json(&event).unwrap();
        edits.push(edit(&format!("event = {}", quoted(&changed))));
        edits.extend(
            [
                "vault = 'other'",
                "seq = seq + 100000",
                "at_ms = at_ms + 1",
                "kind = kind || 'x'",
                "prev_hash = zeroblob(31) || x'01'",
                "hash = zeroblob(31) || x'01'",
            ]
            .map(edit),
        );
        // Somebody who knows how a row is hashed: then the next row doesn't follow, or the head doesn't match.
        let sealed = Entry {
            vault: "main",
            seq,
            at_ms: row["at_ms"].as_u64().unwrap(),
            kind: row["kind"].as_str().unwrap(),
            prev_hash: hash(&row["prev_hash"]),
        }
        .seal(&event)
        .unwrap();
        let hash = hex::encode(sealed.hash);
        let mut rehashed = edit(&format!("event = {}, hash = x'{hash}'", quoted(&changed)));
        rehashed.names = vec![
            format!("journal row seq {},", seq + 1),
            format!("heads row seq {seq},"),
        ];
        edits.push(rehashed);
    }
    edits
}

fn head_edits(clean: &Path) -> Vec<Edit> {
    let mut edits = Vec::new();
    for row in rows(clean, "SELECT seq FROM heads ORDER BY seq;") {
        let seq = row["seq"].as_u64().unwrap();
        let columns = [
            "vault = 'other'",
            "seq = seq + 100000",
            "at_ms = at_ms + 1",
            "hash = zeroblob(31) || x'01'",
            "signature = zeroblob(63) || x'01'",
            "signature = zeroblob(0)",
        ];
        edits.extend(columns.map(|set| {
            Edit {
                sql: format!("UPDATE heads SET {set} WHERE seq = {seq};"),
                // Without the last head the rows since the one before are not covered, and the first of these is named.
                names: vec![
                    format!("heads row seq {seq},"),
                    format!("heads row seq {},", seq + 100_000),
                    "no signed head covers the row".to_owned(),
                ],
            }
        }));
    }
    let last = rows(clean, "SELECT head_seq FROM vaults;");
    let seq = &last[0]["head_seq"];
    let columns = [
        "vault = 'other'",
        "head_seq = head_seq - 1",
        "head_hash = zeroblob(32)",
    ];
    edits.extend(columns.map(|set| Edit {
        sql: format!("UPDATE vaults SET {set};"),
        names: vec![format!("vaults row seq {seq},")],
    }));
    edits
}

/// Every column of every row that readers are served from, and every such row deleted.
fn projection_edits(clean: &Path) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (table, id) in [
        ("withdrawals", "id"),
        ("transactions", "id"),
        ("wallets", "id"),
        ("keys", "id"),
        ("nonce_reservations", "account"),
    ] {
        let columns = rows(
            clean,
            &format!("SELECT name, type FROM pragma_table_info('{table}');"),
        );
        let found = rows(clean, &format!("SELECT rowid, {id} AS id FROM {table};"));
        assert!(!found.is_empty(), "{table} is empty");
        for row in found {
            let (rowid, id) = (&row["rowid"], row["id"].as_str().unwrap());
            let mut push = |sql: String, names| edits.push(Edit { sql, names });
            let named = || vec![format!("projection {table} {id}")];
            for column in &columns {
                let name = column["name"].as_str().unwrap();
                let set = match column["type"].as_str().unwrap() {
                    "BIGINT" => format!("{name} = {name} + 100000"),
                    _ => format!("{name} = coalesce({name}, '') || 'x'"),
                };
                let names = if table == "nonce_reservations" {
                    vec![format!("projection {table} ")]
                } else {
                    named()
                };
                push(
                    format!("UPDATE {table} SET {set} WHERE rowid = {rowid};"),
                    names,
                );
            }
            if table != "nonce_reservations" {
                let set = "document = json_set(document, '$.state', 'final')";
                let set = if table == "wallets" {
                    "document = json_set(document, '$.balance', '1000000')"
                } else {
                    set
                };
                let other = "AND json_extract(document, '$.state') <> 'final'";
                let guard = if table == "wallets" { "" } else { other };
                // Where the state was final already the row is deleted instead, which must be noticed as well.
                push(
                    format!(
                        "UPDATE {table} SET {set} WHERE rowid = {rowid} {guard}; \
                         DELETE FROM {table} WHERE rowid = {rowid} AND changes() = 0;"
                    ),
                    named(),
                );
            }
            let names = vec![format!("projection {table} ")];
            push(format!("DELETE FROM {table} WHERE rowid = {rowid};"), names);
        }
    }
    edits
}

/// A journal rewritten from its second row on, every hash and head made to fit: only the journal key's signature can't be.
fn rewritten_chain(clean: &Path) -> Edit {
    let query = "SELECT seq, at_ms, kind, event, lower(hex(prev_hash)) AS prev_hash FROM journal ORDER BY seq;";
    let mut sql = String::new();
    let mut previous = None;
    for row in rows(clean, query).into_iter().skip(1) {
        let mut event: Value = serde_json::from_str(row["event"].as_str().unwrap()).unwrap();
        if previous.is_none() {
            assert!(change(&mut event));
        }
        let sealed = Entry {
            vault: "main",
            seq: row["seq"].as_u64().unwrap(),
            at_ms: row["at_ms"].as_u64().unwrap(),
            kind: row["kind"].as_str().unwrap(),
            prev_hash: previous.unwrap_or_else(|| hash(&row["prev_hash"])),
        }
        .seal(&event)
        .unwrap();
        let (seq, before) = (sealed.seq, hex::encode(sealed.prev_hash));
        let now = hex::encode(sealed.hash);
        sql.push_str(&format!(
            "UPDATE journal SET event = {}, prev_hash = x'{before}', hash = x'{now}' WHERE seq = {seq};\n\
             UPDATE heads SET hash = x'{now}' WHERE seq = {seq};\n\
             UPDATE vaults SET head_hash = x'{now}' WHERE head_seq = {seq};\n",
            quoted(&sealed.event)
        ));
        previous = Some(sealed.hash);
    }
    Edit {
        sql,
        names: vec!["heads row seq".to_owned()],
    }
}

/// Changes the first leaf of a document that can be another.
fn change(document: &mut Value) -> bool {
    match document {
        Value::String(text) => {
            text.push('x');
            true
        }
        Value::Number(number) => {
            *document = json!(number.as_u64().unwrap() + 1);
            true
        }
        Value::Bool(truth) => {
            *truth = !*truth;
            true
        }
        Value::Null => false,
        Value::Array(items) => items.iter_mut().any(change),
        Value::Object(fields) => fields.values_mut().any(change),
    }
}

fn hash(hex: &Value) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex.as_str().unwrap(), &mut bytes).unwrap();
    bytes
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
    until_state(&house, &client, later["id"].as_str().unwrap(), "broadcast").await;
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
    until_state(&house, &client, later["id"].as_str().unwrap(), "final").await;
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
        "SELECT request FROM inbox WHERE kind = 'withdraw' ORDER BY position LIMIT 1;",
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
        let outcome = slip_in(&house, number, forged).await;
        assert_eq!(outcome["status"], 401, "{what}: {outcome}");
    }
    // Word for word it is the request that was answered before: the same answer, and no second payment.
    let replayed = slip_in(&house, forgeries.len(), &genuine).await;
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

/// Puts a request in the inbox without the API, and waits for its outcome.
async fn slip_in(house: &House, number: usize, request: &Value) -> Value {
    let database = database(house);
    let id = format!("{number:032x}");
    let request = quoted(&request.to_string());
    sql(
        &database,
        &format!(
            "BEGIN IMMEDIATE; UPDATE counters SET value = value + 1 WHERE name = 'inbox'; \
             INSERT INTO inbox (id, position, vault, kind, principal, nonce, at_ms, request) \
             SELECT '{id}', value, 'main', 'withdraw', 'client/exchange', 'forged-{number}', 1, {request} \
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
