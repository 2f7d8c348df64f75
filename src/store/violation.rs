//! Names the row that broke a constraint. SQLite's message holds columns but no values, so the rows
//! of the refused batch are looked up one by one; this is off the good path.

use super::Store;
use super::connection::Value;
use super::error::Rule;
use super::fold::int;
use super::rows::{Batch, Projection, SignaturePointRow};

const WITHDRAWAL: &str =
    "SELECT id FROM withdrawals WHERE client = $1 AND idempotency_key = $2 AND id <> $3";
const CREATED: &str = "SELECT created_seq FROM withdrawals WHERE vault = $1 AND id = $2";
const OUTPOINT: &str =
    "SELECT transaction_id FROM outpoint_reservations WHERE network = $1 AND outpoint = $2";
const NONCE: &str = "SELECT transaction_id FROM nonce_reservations \
     WHERE network = $1 AND account = $2 AND nonce = $3";
const OUTCOME: &str = "SELECT vault FROM inbox WHERE id = $1 AND vault = $2 AND done = 0";
const JOURNAL: &str = "SELECT hash FROM journal WHERE vault = $1 AND seq = $2";

/// What the first offending row is, or none when it cannot be found (it may be gone by now).
pub(super) async fn name(store: &Store, rule: Rule, batch: &Batch) -> Option<String> {
    match rule {
        Rule::IdempotencyKey | Rule::Outpoint | Rule::Nonce => {
            for projection in &batch.projections {
                if let Some(what) = taken(store, rule, batch, projection).await {
                    return Some(what);
                }
            }
        }
        Rule::Outcome => {
            for outcome in &batch.outcomes {
                let id = outcome.inbox_id.as_str();
                let values = [Value::Text(id), Value::Text(&batch.vault)];
                if lookup(store, OUTCOME, &values).await?.is_none() {
                    return Some(format!(
                        "request {id} is not waiting for an answer in vault {}",
                        batch.vault
                    ));
                }
            }
        }
        Rule::Sequence => {
            for row in &batch.rows {
                let seq = Value::Int(int("seq", row.seq).ok()?);
                let values = [Value::Text(&row.vault), seq];
                if is_there(store, JOURNAL, &values).await? {
                    return Some(format!("journal seq {} is taken", row.seq));
                }
            }
        }
        Rule::KeyNonce | Rule::JournalKeyNonce => {
            let points: Vec<_> = batch.points.iter().collect();
            let known = store.known_points(&batch.vault, &points).await.ok()?;
            let of_heads = rule == Rule::JournalKeyNonce;
            let one = known.iter().find_map(|row| {
                let same = |new: &&SignaturePointRow| new.key == row.key && new.r == row.r;
                let mut again = batch.points.iter().filter(same);
                again
                    .find(|new| new.origin.is_head() == of_heads)
                    .map(|new| (row, new))
            });
            if let Some((row, new)) = one {
                return Some(format!(
                    "key {} used one nonce for {} and {}",
                    row.key, row.origin, new.origin
                ));
            }
        }
        Rule::InboxId | Rule::Other => {}
    }
    None
}

async fn taken(
    store: &Store,
    rule: Rule,
    batch: &Batch,
    projection: &Projection,
) -> Option<String> {
    match projection {
        Projection::Withdrawal {
            id,
            client,
            idempotency_key,
            created_seq,
            ..
        } if rule == Rule::IdempotencyKey => {
            let there = [Value::Text(&batch.vault), Value::Text(id)];
            if batch.creates(*created_seq) && is_there(store, CREATED, &there).await? {
                return Some(format!("withdrawal {id} is there already"));
            }
            let values = [
                Value::Text(client),
                Value::Text(idempotency_key),
                Value::Text(id),
            ];
            let holder = lookup(store, WITHDRAWAL, &values).await??;
            Some(format!(
                "client {client} key {idempotency_key:?} of {id} is taken by withdrawal {holder}"
            ))
        }
        Projection::ReserveOutpoint {
            network,
            outpoint,
            transaction,
        } if rule == Rule::Outpoint => {
            let values = [Value::Text(network), Value::Text(outpoint)];
            let holder = lookup(store, OUTPOINT, &values).await??;
            Some(format!(
                "{network} {outpoint} wanted by {transaction} is held by {holder}"
            ))
        }
        Projection::ReserveNonce {
            network,
            account,
            nonce,
            transaction,
        } if rule == Rule::Nonce => {
            let number = Value::Int(int("nonce", *nonce).ok()?);
            let values = [Value::Text(network), Value::Text(account), number];
            let holder = lookup(store, NONCE, &values).await??;
            Some(format!(
                "{network} {account} nonce {nonce} wanted by {transaction} is held by {holder}"
            ))
        }
        _ => None,
    }
}

async fn is_there(store: &Store, sql: &'static str, values: &[Value<'_>]) -> Option<bool> {
    let mut conn = store.reader().await.ok()?;
    let rows = conn.fetch(sql, values).await.ok()?;
    Some(!rows.is_empty())
}

/// The first column of the first row; the outer none is a database that doesn't answer.
async fn lookup(store: &Store, sql: &'static str, values: &[Value<'_>]) -> Option<Option<String>> {
    let mut conn = store.reader().await.ok()?;
    let rows = conn.fetch(sql, values).await.ok()?;
    match rows.first() {
        Some(row) => Some(Some(row.get::<String>(0).ok()?)),
        None => Some(None),
    }
}
