//! Rows that readers are served from, and nonces on record, held against what the journal makes them.

use std::collections::BTreeMap;

use custodyd_vault::Vault;

use super::AuditFault;
use crate::{
    engine::rebuild,
    nonces,
    store::{Projection, SignaturePointRow, Store},
};

/// The rows; gives how many there are.
pub(super) async fn check_projections(
    store: &Store,
    vault: &str,
    state: &Vault,
    history: Vec<Projection>,
) -> Result<u64, AuditFault> {
    let stored = store.projections_dump(vault).await?;
    let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let mut expected: BTreeMap<(&'static str, String), Projection> = rebuild(state)?
        .into_iter()
        .chain(history)
        .map(|row| (name(&row), row))
        .collect();
    for row in stored {
        let (table, id) = name(&row);
        match expected.remove(&(table, id.clone())) {
            Some(due) if due == row => {}
            Some(_) => {
                return Err(AuditFault::Projection {
                    table,
                    id,
                    reason: "differs from what the journal says",
                });
            }
            None => {
                return Err(AuditFault::Projection {
                    table,
                    id,
                    reason: "the journal knows nothing of it",
                });
            }
        }
    }
    match expected.into_keys().next() {
        Some((table, id)) => Err(AuditFault::Projection {
            table,
            id,
            reason: "is missing",
        }),
        None => Ok(count),
    }
}

/// The nonces on record are those of the journal's signatures: a row taken away would let its nonce be used again.
pub(super) async fn check_nonces(
    store: &Store,
    vault: &str,
    state: &Vault,
) -> Result<u64, AuditFault> {
    let stored = store.all_points(vault).await?;
    let due = nonces::of_journal(store, vault, state).await?;
    let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let place = |row: &SignaturePointRow| (row.key.clone(), row.r);
    let mut due: BTreeMap<_, _> = due.into_iter().map(|row| (place(&row), row)).collect();
    let fault = |row: &SignaturePointRow, reason| AuditFault::Projection {
        table: "signature_points",
        id: format!("{} {} of {}", row.key, hex::encode(row.r), row.origin),
        reason,
    };
    for row in &stored {
        match due.remove(&place(row)) {
            Some(expected) if expected == *row => {}
            Some(_) => return Err(fault(row, "differs from what the journal says")),
            None => return Err(fault(row, "the journal knows nothing of it")),
        }
    }
    match due.values().next() {
        Some(missing) => Err(fault(missing, "is missing")),
        None => Ok(count),
    }
}

fn name(row: &Projection) -> (&'static str, String) {
    match row {
        Projection::Withdrawal { id, .. } => ("withdrawals", id.clone()),
        Projection::Transaction { id, .. } => ("transactions", id.clone()),
        Projection::Wallet { id, .. } => ("wallets", id.clone()),
        Projection::Key { id, .. } => ("keys", id.clone()),
        Projection::Export { id, .. } => ("exports", id.clone()),
        Projection::Proposal { id, .. } => ("proposals", id.clone()),
        Projection::ReserveOutpoint {
            network, outpoint, ..
        }
        | Projection::ReleaseOutpoint { network, outpoint } => {
            ("outpoint_reservations", format!("{network} {outpoint}"))
        }
        Projection::ReserveNonce {
            network,
            account,
            nonce,
            ..
        }
        | Projection::ReleaseNonce {
            network,
            account,
            nonce,
        } => ("nonce_reservations", format!("{network} {account} {nonce}")),
        Projection::Sample { series, at_ms, .. } => ("samples", format!("{series} {at_ms}")),
        Projection::Subject { subject, head_seq } => ("subjects", format!("{subject} {head_seq}")),
    }
}
