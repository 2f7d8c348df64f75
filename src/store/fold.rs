//! A batch turned into rows to write. Invariant: what comes out is consistent in itself: the rows
//! follow each other and the head covers them, an id is written once (PostgreSQL refuses to upsert a
//! row twice in one statement), and a reservation freed and taken in one batch ends as the last word.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use super::connection::Value;
use super::error::{CommitError, Rule};
use super::feed;
use super::points::{Points, fold_points};
use super::reservations::fold_reservations;
use super::rows::{Batch, Projection, Taken};
use super::subjects::History;

/// Why a batch cannot be written anywhere.
#[derive(Debug, thiserror::Error)]
pub enum BatchFault {
    /// A row or the head belongs to another vault.
    #[error("vault {found} in a batch of vault {expected}")]
    WrongVault {
        /// The batch's vault.
        expected: String,
        /// The row's vault.
        found: String,
    },
    /// The rows don't follow `previous`, or each other.
    #[error("journal row seq {found} where seq {expected} belongs")]
    Gap {
        /// The sequence number that belongs there.
        expected: u64,
        /// The one that was found.
        found: u64,
    },
    /// A row names another hash than that of the row before.
    #[error("journal row seq {seq} does not follow the hash of the row before")]
    BrokenLink {
        /// The row's sequence number.
        seq: u64,
    },
    /// The head is not that of the last row.
    #[error("head seq {found} does not cover the batch's last row seq {expected}")]
    WrongHead {
        /// The last row, or the previous head when there are no rows.
        expected: u64,
        /// The head's sequence number.
        found: u64,
    },
    /// Neither rows nor a previous head: a journal starts with a row.
    #[error("vault {0} has no journal yet, and the batch has no row")]
    Empty(String),
    /// A value that the database cannot hold.
    #[error("{column} {value:?} cannot be stored: {reason}")]
    Unstorable {
        /// The column that it was meant for.
        column: &'static str,
        /// The rejected value.
        value: String,
        /// Why not.
        reason: &'static str,
    },
}

/// Values of whole rows, one after the other, by table.
#[derive(Debug, Default)]
pub(super) struct Folded<'a> {
    pub(super) journal: Vec<Value<'a>>,
    pub(super) heads: Vec<Value<'a>>,
    pub(super) taken: Vec<Value<'a>>,
    pub(super) outcomes: Vec<Value<'a>>,
    pub(super) answered: Vec<Value<'a>>,
    /// Those that this batch creates: no row may be there, so SQLite needs to keep none for a change that is taken back.
    pub(super) withdrawals_new: Vec<Value<'a>>,
    pub(super) withdrawals: Vec<Value<'a>>,
    pub(super) transactions: Vec<Value<'a>>,
    pub(super) wallets: Vec<Value<'a>>,
    pub(super) keys: Vec<Value<'a>>,
    pub(super) exports: Vec<Value<'a>>,
    pub(super) proposals: Vec<Value<'a>>,
    pub(super) outpoints_freed: Vec<Value<'a>>,
    pub(super) outpoints_taken: Vec<Value<'a>>,
    pub(super) nonces_freed: Vec<Value<'a>>,
    pub(super) nonces_taken: Vec<Value<'a>>,
    pub(super) history: History<'a>,
    pub(super) points: Points<'a>,
    pub(super) feed: Vec<Value<'a>>,
}

/// A number as the databases hold it.
pub(super) fn int(column: &'static str, number: u64) -> Result<i64, BatchFault> {
    i64::try_from(number).map_err(|_| BatchFault::Unstorable {
        column,
        value: number.to_string(),
        reason: "beyond 2^63 − 1",
    })
}

/// Text as both databases hold it.
pub(super) fn text<'a>(column: &'static str, text: &'a str) -> Result<Value<'a>, BatchFault> {
    if text.contains('\0') {
        return Err(BatchFault::Unstorable {
            column,
            value: text.chars().take(80).collect(),
            reason: "holds a NUL",
        });
    }
    Ok(Value::Text(text))
}

pub(super) fn fold(batch: &Batch) -> Result<Folded<'_>, CommitError> {
    let mut folded = Folded::default();
    fold_journal(batch, &mut folded)?;
    fold_taken(batch, &mut folded)?;
    fold_outcomes(batch, &mut folded)?;
    fold_documents(batch, &mut folded)?;
    fold_reservations(batch, &mut folded)?;
    folded.history = History::of(batch)?;
    folded.points = fold_points(batch)?;
    folded.feed = feed::values(&batch.vault, &batch.feed)?;
    Ok(folded)
}

fn fold_journal<'a>(batch: &'a Batch, folded: &mut Folded<'a>) -> Result<(), BatchFault> {
    let same_vault = |found: &str| {
        if found == batch.vault {
            return Ok(());
        }
        Err(BatchFault::WrongVault {
            expected: batch.vault.clone(),
            found: found.to_owned(),
        })
    };
    let (mut seq, mut hash) = batch.previous.unwrap_or_default();
    folded.journal.reserve(batch.rows.len().saturating_mul(7));
    for row in &batch.rows {
        same_vault(&row.vault)?;
        let expected = seq.saturating_add(1);
        if row.seq != expected {
            return Err(BatchFault::Gap {
                expected,
                found: row.seq,
            });
        }
        if row.prev_hash != hash {
            return Err(BatchFault::BrokenLink { seq: row.seq });
        }
        (seq, hash) = (row.seq, row.hash);
        folded.journal.extend([
            text("vault", &row.vault)?,
            Value::Int(int("seq", row.seq)?),
            Value::Int(int("at_ms", row.at_ms)?),
            text("kind", &row.kind)?,
            text("event", &row.event)?,
            Value::Bytes(&row.prev_hash),
            Value::Bytes(&row.hash),
        ]);
    }
    let head = &batch.head;
    same_vault(&head.vault)?;
    if batch.rows.is_empty() && batch.previous.is_none() {
        return Err(BatchFault::Empty(batch.vault.clone()));
    }
    if (head.seq, head.hash) != (seq, hash) {
        return Err(BatchFault::WrongHead {
            expected: seq,
            found: head.seq,
        });
    }
    if !batch.rows.is_empty() {
        folded.heads.extend([
            text("vault", &head.vault)?,
            Value::Int(int("seq", head.seq)?),
            Value::Int(int("at_ms", head.at_ms)?),
            Value::Bytes(&head.hash),
            Value::Bytes(&head.signature),
        ]);
    }
    Ok(())
}

/// They never wait in the inbox, so they have no position there.
fn fold_taken<'a>(batch: &'a Batch, folded: &mut Folded<'a>) -> Result<(), BatchFault> {
    folded.taken.reserve(batch.taken.len().saturating_mul(9));
    for Taken { row, journaled } in &batch.taken {
        if row.vault != batch.vault {
            return Err(BatchFault::WrongVault {
                expected: batch.vault.clone(),
                found: row.vault.clone(),
            });
        }
        folded.taken.extend([
            text("id", &row.id)?,
            Value::Int(0),
            text("vault", &row.vault)?,
            text("kind", &row.kind)?,
            text("principal", &row.principal)?,
            text("nonce", &row.nonce)?,
            Value::Int(int("at_ms", row.at_ms)?),
            text("request", if *journaled { "" } else { &row.request })?,
            Value::Int(1),
        ]);
    }
    Ok(())
}

fn fold_outcomes<'a>(batch: &'a Batch, folded: &mut Folded<'a>) -> Result<(), CommitError> {
    let mut answered = HashSet::new();
    for outcome in &batch.outcomes {
        if !answered.insert(&outcome.inbox_id) {
            return Err(CommitError::Constraint {
                rule: Rule::Outcome,
                what: format!(
                    "request {} is answered twice in one batch",
                    outcome.inbox_id
                ),
            });
        }
        let id = text("inbox_id", &outcome.inbox_id)?;
        folded.outcomes.extend([
            id,
            Value::Int(outcome.status.into()),
            text("body", &outcome.body)?,
        ]);
        folded.answered.extend([id, Value::Text(&batch.vault)]);
    }
    Ok(())
}

/// The last change of each document wins. Between different documents the order is theirs: ids grow with time, and a database
/// appends what comes in order faster than it finds a place for it.
fn fold_documents<'a>(batch: &'a Batch, folded: &mut Folded<'a>) -> Result<(), CommitError> {
    let mut written = HashSet::new();
    let mut last: Vec<&Projection> = Vec::with_capacity(batch.projections.len());
    for projection in batch.projections.iter().rev() {
        if document(projection).is_some_and(|document| written.insert(document)) {
            last.push(projection);
        }
    }
    let mut keys: HashMap<(&str, &str), &str> = HashMap::new();
    let vault = Value::Text(&batch.vault);
    for projection in last.into_iter().rev() {
        match projection {
            Projection::Withdrawal {
                id,
                client,
                idempotency_key,
                state,
                created_seq,
                document,
                wallet,
                asked,
                queue_rank,
            } => {
                match keys.entry((client, idempotency_key)) {
                    Entry::Vacant(free) => free.insert(id),
                    Entry::Occupied(taken) => {
                        return Err(CommitError::Constraint {
                            rule: Rule::IdempotencyKey,
                            what: format!(
                                "client {client} key {idempotency_key:?} names withdrawals {id} and {} in one batch",
                                taken.get()
                            ),
                        });
                    }
                };
                let rows = if batch.creates(*created_seq) {
                    &mut folded.withdrawals_new
                } else {
                    &mut folded.withdrawals
                };
                rows.extend([
                    vault,
                    text("id", id)?,
                    text("client", client)?,
                    text("idempotency_key", idempotency_key)?,
                    text("state", state)?,
                    Value::Int(int("created_seq", *created_seq)?),
                    text("document", document)?,
                    text("wallet", wallet)?,
                    Value::OptionalText(asked.as_deref()),
                    Value::Int(int("queue_rank", *queue_rank)?),
                ]);
            }
            Projection::Transaction {
                id,
                txid,
                wallet,
                network,
                state,
                document,
            } => {
                if let Some(txid) = txid {
                    text("txid", txid)?;
                }
                folded.transactions.extend([
                    vault,
                    text("id", id)?,
                    Value::OptionalText(txid.as_deref()),
                    text("wallet", wallet)?,
                    text("network", network)?,
                    text("state", state)?,
                    text("document", document)?,
                ]);
            }
            Projection::Wallet {
                id,
                tier,
                asset,
                state,
                document,
            } => folded.wallets.extend([
                vault,
                text("id", id)?,
                text("tier", tier)?,
                text("asset", asset)?,
                text("state", state)?,
                text("document", document)?,
            ]),
            Projection::Key {
                id,
                wallet,
                state,
                document,
            } => folded.keys.extend([
                vault,
                text("id", id)?,
                text("wallet", wallet)?,
                text("state", state)?,
                text("document", document)?,
            ]),
            Projection::Export {
                id,
                state,
                document,
            } => folded.exports.extend([
                vault,
                text("id", id)?,
                text("state", state)?,
                text("document", document)?,
            ]),
            Projection::Proposal {
                id,
                state,
                created_seq,
                document,
            } => folded.proposals.extend([
                vault,
                text("id", id)?,
                text("state", state)?,
                Value::Int(int("created_seq", *created_seq)?),
                text("document", document)?,
            ]),
            _ => {}
        }
    }
    Ok(())
}

/// Which document a projection writes, if any: the table and the id.
fn document(projection: &Projection) -> Option<(&'static str, &str)> {
    match projection {
        Projection::Withdrawal { id, .. } => Some(("withdrawals", id)),
        Projection::Transaction { id, .. } => Some(("transactions", id)),
        Projection::Wallet { id, .. } => Some(("wallets", id)),
        Projection::Key { id, .. } => Some(("keys", id)),
        Projection::Export { id, .. } => Some(("exports", id)),
        Projection::Proposal { id, .. } => Some(("proposals", id)),
        _ => None,
    }
}
