//! Edits of a database: every column of every row of the journal, of its heads, and of what readers are served from.

use std::path::Path;

use custodyd::journal::{Entry, canonical_json};
use serde_json::{Value, json};

use crate::sqlite::{quoted, rows};

/// One edit, and what the auditor's line must contain: one of these.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) sql: String,
    pub(crate) names: Vec<String>,
}

/// All of them, each to be made on a copy of its own.
pub(crate) fn every_edit(clean: &Path) -> Vec<Edit> {
    let mut edits = journal_edits(clean);
    edits.extend(head_edits(clean));
    edits.extend(projection_edits(clean));
    edits.extend(nonce_edits(clean));
    edits.push(rewritten_chain(clean));
    edits
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
        ("proposals", "id"),
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
                // Still a document that readers would believe.
                let set = "document = json_set(document, '$.state', 'frozen')";
                push(
                    format!("UPDATE {table} SET {set} WHERE rowid = {rowid};"),
                    named(),
                );
            }
            let names = vec![format!("projection {table} ")];
            push(format!("DELETE FROM {table} WHERE rowid = {rowid};"), names);
        }
    }
    edits
}

/// Every column of every nonce on record, and every such row deleted: then it could be used again unseen.
fn nonce_edits(clean: &Path) -> Vec<Edit> {
    let query = "SELECT rowid, origin FROM signature_points;";
    let found = rows(clean, query);
    let transactions = found
        .iter()
        .filter(|row| row["origin"].as_str().unwrap().starts_with("tx_"));
    assert!(transactions.count() >= 2 && found.len() > 4);
    let mut edits = Vec::new();
    for row in found {
        let edit = |sql: String| Edit {
            sql,
            names: vec!["projection signature_points ".to_owned()],
        };
        let rowid = &row["rowid"];
        for set in [
            "vault = 'other'",
            "key = '02' || substr(key, 3, 62) || '00'",
            "r = zeroblob(32)",
            "digest = zeroblob(32)",
            "origin = origin || '0'",
        ] {
            edits.push(edit(format!(
                "UPDATE signature_points SET {set} WHERE rowid = {rowid};"
            )));
        }
        edits.push(edit(format!(
            "DELETE FROM signature_points WHERE rowid = {rowid};"
        )));
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
