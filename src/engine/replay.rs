//! From the journal to the vault: every row is verified before it is believed.

use custodyd_policy::Timestamp;
use custodyd_vault::{Event, Recorded, ReplayFault, Vault};

use crate::{
    journal::{Anchor, AnchorError, HeadRow, JournalKey, JournalRow, Tip},
    nonces::NonceError,
    store::{AuditError, CommitError, Store, StoreError},
};

/// Why a vault can't be brought up from its journal.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Nothing there.
    #[error("the database has no vault {0}; `custodyd init` makes one")]
    Empty(String),
    /// The database's.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The chain doesn't hold.
    #[error("the journal was tampered with or damaged: {0}")]
    Audit(#[from] AuditError),
    /// An event can't be read.
    #[error("journal row {seq}: its event can't be read: {source}")]
    Unreadable {
        /// The row.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// An event's type and the row's `kind` differ.
    #[error("journal row {seq}: kind is {kind}, but the event is {event}")]
    Kind {
        /// The row.
        seq: u64,
        /// Its column.
        kind: String,
        /// What it holds.
        event: &'static str,
    },
    /// The events don't follow on each other.
    #[error("journal: {0}")]
    Fault(#[from] ReplayFault),
    /// The nonces of its signatures can't be told.
    #[error("nonces: {0}")]
    Nonces(#[from] NonceError),
    /// The nonces of its signatures can't be stored.
    #[error("nonces: {0}")]
    Index(#[from] CommitError),
    /// The database is older than what was seen before.
    #[error("{0}")]
    Anchor(#[from] AnchorError),
}

/// A vault and the head of its journal.
#[derive(Debug)]
pub struct Replayed {
    /// The state.
    pub vault: Vault,
    /// The last signed head.
    pub head: HeadRow,
}

/// Reads an event from its row.
///
/// # Errors
/// It is not an event, or another one than the row's `kind` says.
pub fn read_event(row: &JournalRow) -> Result<Recorded, ReplayError> {
    let event: Event =
        serde_json::from_str(&row.event).map_err(|source| ReplayError::Unreadable {
            seq: row.seq,
            source,
        })?;
    if event.kind() != row.kind {
        return Err(ReplayError::Kind {
            seq: row.seq,
            kind: row.kind.clone(),
            event: event.kind(),
        });
    }
    Ok(Recorded {
        seq: row.seq,
        at: Timestamp::from_ms(row.at_ms),
        event,
    })
}

/// Replays a vault's journal from its first row, verifying chain and heads against the pinned key.
///
/// # Errors
/// The first row that doesn't hold, by number.
pub async fn replay(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
) -> Result<Replayed, ReplayError> {
    replay_observed(store, vault, key, anchor, |_, _| {}).await
}

/// The same; `observe` sees each event with the vault before it, the first one with none. What it sees of a journal that
/// doesn't stand is worth nothing: the error tells.
///
/// # Errors
/// As [`replay`].
pub async fn replay_observed(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
    mut observe: impl FnMut(Option<&Vault>, &Recorded),
) -> Result<Replayed, ReplayError> {
    let mut state: Option<Vault> = None;
    let mut fault = None;
    // Read once, and before the rows: a daemon that goes on meanwhile moves it.
    let anchored = anchor.map(Anchor::read).transpose()?.flatten();
    let mut hash_at_anchor = None;
    store
        .verify_journal(vault, key, Tip::START, |row| {
            if anchored.as_ref().is_some_and(|head| head.seq == row.seq) {
                hash_at_anchor = Some(row.hash);
            }
            if fault.is_none() {
                fault = fold(&mut state, row, &mut observe).err();
            }
        })
        .await?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let head = store.last_head(vault).await?;
    if let (Some(anchor), Some(anchored)) = (anchor, &anchored) {
        anchor.check(anchored, vault, key, head.as_ref(), hash_at_anchor)?;
    }
    match (state, head) {
        (Some(vault), Some(head)) => Ok(Replayed { vault, head }),
        _ => Err(ReplayError::Empty(vault.to_owned())),
    }
}

fn fold(
    state: &mut Option<Vault>,
    row: &JournalRow,
    observe: &mut impl FnMut(Option<&Vault>, &Recorded),
) -> Result<(), ReplayError> {
    let recorded = read_event(row)?;
    observe(state.as_ref(), &recorded);
    match state {
        None => *state = Some(Vault::create(&recorded)?),
        Some(vault) => drop(vault.apply(&recorded)?),
    }
    Ok(())
}
