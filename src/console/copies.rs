//! A payout's row in the database beside what the engine knows. Pages show what the engine knows, so nobody is deceived by an
//! altered row; but somebody writes where only the daemon should, and nothing is decided until that is understood.

mod difference;

use std::collections::{BTreeMap, BTreeSet};

use custodyd_policy::WithdrawalId;
use custodyd_vault::{Touch, Vault};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

pub(super) use difference::{Difference, Stored, differences};

use crate::{
    alerts::Fact,
    engine::projections,
    http::AppState,
    problem::Problem,
    store::{Projection, StoreError, WithdrawalRow},
};

/// Rows read at the same time.
const AT_ONCE: usize = 8;
/// Looks at a payout that keeps changing.
const MOST_LOOKS: usize = 4;

/// The row of a payout that the engine's state calls for; none if the engine knows no such payout.
pub(super) fn known(vault: &Vault, id: &WithdrawalId) -> Option<WithdrawalRow> {
    let touched = BTreeSet::from([Touch::Withdrawal(*id)]);
    let mut called_for = projections(vault, &touched).ok()?;
    match called_for.pop()? {
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
        } => Some(WithdrawalRow {
            vault: vault.id().to_string(),
            id,
            client,
            idempotency_key,
            state,
            created_seq,
            document,
            wallet,
            asked,
            queue_rank,
        }),
        _ => None,
    }
}

/// The row as it is stored.
///
/// # Errors
/// The database doesn't answer. A row that can't be read is no error: whoever wrote it would hide the page by it.
pub(super) async fn stored(state: &AppState, id: &WithdrawalId) -> Result<Stored, StoreError> {
    let vault = state.standing.vault().as_str();
    match state.store.withdrawal(vault, &id.to_string()).await {
        Ok(Some(row)) => Ok(Stored::Row(Box::new(row))),
        Ok(None) => Ok(Stored::Missing),
        Err(fault @ StoreError::Row { .. }) => Ok(Stored::Unreadable(fault.to_string())),
        Err(fault) => Err(fault),
    }
}

/// The same of several, in their order.
///
/// # Errors
/// As [`stored`].
pub(super) async fn all_stored(
    state: &AppState,
    ids: &[WithdrawalId],
) -> Result<Vec<Stored>, StoreError> {
    let mut reads = Vec::new();
    for id in ids {
        reads.push(stored(state, id));
    }
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// Those whose rows differ at a first look. A commit may lie between the reads of both sides.
pub(super) fn suspects(
    ids: &[WithdrawalId],
    known: &[Option<WithdrawalRow>],
    stored: &[Stored],
) -> Vec<WithdrawalId> {
    let beside = ids.iter().zip(known).zip(stored);
    let differ =
        beside.filter(|((_, known), stored)| !differences(known.as_ref(), stored).is_empty());
    differ.map(|((id, _), _)| *id).collect()
}

/// Those of the suspects whose rows differ while the engine's own stand still, each with where; an alert tells of them. What
/// changes faster than it can be read is not called altered.
///
/// # Errors
/// 503: engine or database don't answer.
pub(super) async fn altered(
    state: &AppState,
    mut suspects: Vec<WithdrawalId>,
) -> Result<BTreeMap<WithdrawalId, Vec<Difference>>, Problem> {
    let mut found = BTreeMap::new();
    for _ in 0..MOST_LOOKS {
        if suspects.is_empty() {
            break;
        }
        let before = all_known(state, &suspects).await?;
        let stored = all_stored(state, &suspects).await.map_err(unavailable)?;
        let after = all_known(state, &suspects).await?;
        let mut moving = Vec::new();
        let known = before.iter().zip(&after);
        for ((id, (before, after)), stored) in suspects.into_iter().zip(known).zip(&stored) {
            let differences = differences(after.as_ref(), stored);
            if differences.is_empty() {
                continue;
            }
            if before != after {
                moving.push(id);
                continue;
            }
            found.insert(id, differences);
        }
        suspects = moving;
    }
    let facts = found.keys().copied().map(Fact::RowAltered).collect();
    state.monitoring.alerts.see(facts);
    Ok(found)
}

async fn all_known(
    state: &AppState,
    ids: &[WithdrawalId],
) -> Result<Vec<Option<WithdrawalRow>>, Problem> {
    let inquiries = state.vault.as_ref();
    let inquiries =
        inquiries.ok_or_else(|| Problem::unavailable("the engine does not run in this process"))?;
    let ids = ids.to_vec();
    let asked = inquiries.ask(move |vault, _| ids.iter().map(|id| known(vault, id)).collect());
    asked.await
}

fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "the database did not answer a read");
    Problem::unavailable("the database does not answer")
}

/// Whether a payout's row is what the engine's state calls for, or was altered.
///
/// # Errors
/// 503: engine or database don't answer.
pub(super) async fn is_altered(state: &AppState, id: WithdrawalId) -> Result<bool, Problem> {
    let known = all_known(state, &[id]).await?;
    let stored = all_stored(state, &[id]).await.map_err(unavailable)?;
    let suspects = suspects(&[id], &known, &stored);
    Ok(!altered(state, suspects).await?.is_empty())
}
