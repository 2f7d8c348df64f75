//! From the journal to the vault: every row is verified before it is believed.

use std::collections::VecDeque;

use custodyd_policy::Timestamp;
use custodyd_vault::{Event, Recorded, ReplayFault, Vault};

use crate::{
    feed::{FeedRow, Teller},
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
    /// The nonces of its signatures, or the end of its feed, can't be stored.
    #[error("made from the journal: {0}")]
    Index(#[from] CommitError),
    /// A document of its feed can't be written.
    #[error("feed: {0}")]
    Feed(serde_json::Error),
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
    /// What the feed has told by then.
    pub teller: Teller,
}

/// What is wanted of the feed while a journal is replayed.
pub struct Telling<'a> {
    /// Only rows after this one are written out.
    pub after: u64,
    /// Takes them, in order.
    pub tell: &'a mut (dyn FnMut(FeedRow) + Send),
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

/// Rows of the feed that are written at most where it lacks its end: the newest.
const MOST_UNTOLD: usize = 100_000;

/// The same; `observe` sees each event with the vault before it, and the stored feed ends as the journal says afterwards. It lacks rows where a version without a feed wrote the
/// journal, and has too many where somebody else wrote there.
///
/// # Errors
/// As [`replay`].
pub async fn replay_and_mend(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
    observe: impl FnMut(Option<&Vault>, &Recorded),
) -> Result<Replayed, ReplayError> {
    let stored = store.feed_last(vault).await?;
    let mut untold = VecDeque::new();
    let telling = Telling {
        after: stored,
        tell: &mut |row| {
            if untold.len() == MOST_UNTOLD {
                untold.pop_front();
            }
            untold.push_back(row);
        },
    };
    let replayed = replay_telling(store, vault, key, anchor, observe, telling).await?;
    let last = replayed.teller.last();
    if last == stored {
        return Ok(replayed);
    }
    let rows = Vec::from(untold);
    let gone = store.feed_mend(vault, stored.min(last), &rows).await?;
    if gone > 0 {
        tracing::error!(
            rows = gone,
            "the feed told of what the journal knows nothing of; somebody wrote there, and it is deleted"
        );
    } else {
        tracing::info!(rows = rows.len(), "feed made from the journal");
    }
    if let Some(first) = rows.first().filter(|_| rows.len() == MOST_UNTOLD) {
        store.feed_prune(vault, first.seq.saturating_sub(1)).await?;
    }
    Ok(replayed)
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
    observe: impl FnMut(Option<&Vault>, &Recorded),
) -> Result<Replayed, ReplayError> {
    let telling = Telling {
        after: u64::MAX,
        tell: &mut |_| {},
    };
    replay_telling(store, vault, key, anchor, observe, telling).await
}

/// The same; and the feed's rows are given out. What they say of a journal that doesn't stand is worth nothing either.
///
/// # Errors
/// As [`replay`].
pub async fn replay_telling(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
    mut observe: impl FnMut(Option<&Vault>, &Recorded),
    telling: Telling<'_>,
) -> Result<Replayed, ReplayError> {
    let mut state: Option<Vault> = None;
    let mut teller = Teller::default();
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
                let folded = read_event(row).and_then(|recorded| {
                    observe(state.as_ref(), &recorded);
                    let rows = fold(&mut state, &mut teller, &recorded, telling.after)?;
                    rows.into_iter().for_each(&mut *telling.tell);
                    Ok(())
                });
                fault = folded.err();
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
        (Some(vault), Some(head)) => Ok(Replayed {
            vault,
            head,
            teller,
        }),
        _ => Err(ReplayError::Empty(vault.to_owned())),
    }
}

fn fold(
    state: &mut Option<Vault>,
    teller: &mut Teller,
    recorded: &Recorded,
    after: u64,
) -> Result<Vec<FeedRow>, ReplayError> {
    let Some(vault) = state else {
        *state = Some(Vault::create(recorded)?);
        return Ok(Vec::new());
    };
    let touched = vault.apply(recorded)?;
    teller
        .follow(vault, recorded, &touched, after)
        .map_err(ReplayError::Feed)
}
