//! `custodyd journal verify`: what an auditor wants proven of a database, with the pinned public key alone.
//!
//! Every row and head of the chain; every event in its turn; every client's and operator's signature that the events hold as
//! evidence; and that the projections, from which reads are served, are what the journal makes them.

mod content;
#[cfg(test)]
mod content_tests;
mod evidence;
mod feed;
mod projections;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use custodyd_vault::{Recorded, Vault};

use evidence::Walk;
use feed::Told;
use projections::{check_nonces, check_projections};

use crate::{
    engine::{HistoryWalk, ReplayError, Replayed, Telling, replay_telling},
    journal::{Anchor, JournalKey, Tip},
    nonces::NonceError,
    store::{Store, StoreError},
};

/// Audits begun at most while a daemon writes.
const MOST_AUDITS: u32 = 20;
/// Time for it to come to rest.
const PAUSE: Duration = Duration::from_millis(100);

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The chain, an event, or the anchor.
    #[error("{0}")]
    Replay(#[from] ReplayError),
    /// The database's.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// A document that can't be written.
    #[error("{0}")]
    Document(#[from] serde_json::Error),
    /// A signature that has no nonce to be read.
    #[error("nonces: {0}")]
    Nonces(#[from] NonceError),
    /// A signature in an event doesn't hold.
    #[error("journal row {seq} ({kind}): {reason}")]
    Evidence {
        /// The row.
        seq: u64,
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A daemon commits faster than the database can be read.
    #[error(
        "the journal grew during each of {MOST_AUDITS} audits; stop the daemon, or audit a copy of the database"
    )]
    NeverAtRest,
    /// A row that readers are served from isn't what the journal makes it.
    #[error("projection {table} {id}: {reason}")]
    Projection {
        /// Its table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// Rows.
    pub events: u64,
    /// Signed heads, one for each commit.
    pub heads: u64,
    /// The last row's hash, hex.
    pub head: String,
    /// HSM signatures of transactions.
    pub transaction_signatures: u64,
    /// HSM signatures of cold exports' manifests.
    pub manifest_signatures: u64,
    /// HSM signatures by which keys that lie wrapped were proven when they were made.
    pub key_signatures: u64,
    /// Requests and statements whose signatures were verified.
    pub evidence: u64,
    /// Rows that readers are served from.
    pub projections: u64,
    /// Events that outsiders were told of, or will be.
    pub feed: u64,
    /// Nonces on record, one for each signature of a head, a transaction or a cold export.
    pub nonces: u64,
}

impl Audited {
    /// HSM signatures that the journal explains.
    pub fn hsm_signatures(&self) -> u64 {
        self.heads
            .saturating_add(self.transaction_signatures)
            .saturating_add(self.manifest_signatures)
            .saturating_add(self.key_signatures)
    }

    /// Calls of C_Sign that made them, as the log of a spying module shows: the first asks for the length (docs/adr/0005).
    pub fn c_sign_calls(&self) -> u64 {
        self.hsm_signatures().saturating_mul(2)
    }
}

/// Verifies everything about a vault that can be verified without the HSM. A daemon may go on meanwhile: what is read first
/// then doesn't fit what is read last, so the audit is begun anew until it saw a journal at rest.
///
/// # Errors
/// The first thing that doesn't hold.
pub async fn audit(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
) -> Result<Audited, AuditFault> {
    audit_watched(store, vault, key, anchor, &AtomicU64::new(0)).await
}

/// The same; `seen` is the number of the entry that it has come to.
///
/// # Errors
/// As [`audit`].
pub async fn audit_watched(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
    seen: &AtomicU64,
) -> Result<Audited, AuditFault> {
    for _ in 0..MOST_AUDITS {
        let before = store.last_head(vault).await?;
        let audited = audit_at_rest(store, vault, key, anchor, seen).await;
        if store.last_head(vault).await? == before {
            return audited;
        }
        // Nothing that comes later makes these good.
        if let Err(fault @ (AuditFault::Replay(_) | AuditFault::Evidence { .. })) = audited {
            return Err(fault);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(AuditFault::NeverAtRest)
}

async fn audit_at_rest(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
    seen: &AtomicU64,
) -> Result<Audited, AuditFault> {
    let mut walk = Walk::default();
    let mut history = HistoryWalk::begin(store, vault).await?;
    // Rows that were pruned are not missed: what is left must be the feed's end.
    let first = store.feed_first(vault, 0).await?;
    let mut told = Told::default();
    let telling = Telling {
        after: first.map_or(0, |(seq, _)| seq.saturating_sub(1)),
        tell: &mut |row| told.due(&row),
    };
    let see = |before: Option<&Vault>, recorded: &Recorded| {
        seen.store(recorded.seq, Ordering::Relaxed);
        walk.see(before, recorded);
        history.see(before, recorded);
    };
    let Replayed {
        vault: state, head, ..
    } = replay_telling(store, vault, key, anchor, see, telling).await?;
    let history = history.ended(&state, head.at_ms);
    let mut audited = walk.ended()?;
    audited.events = state.seq();
    audited.heads = count_heads(store, vault).await?;
    audited.head = hex::encode(head.hash);
    // Before what rests on heads: one that was moved away is to be named, not what it left behind.
    check_strays(store, vault, key).await?;
    audited.projections = check_projections(store, vault, &state, history).await?;
    audited.feed = told.check(store, vault).await?;
    audited.nonces = check_nonces(store, vault, &state).await?;
    Ok(audited)
}

/// A walk of one vault can't see a head that was moved to another name. Under a name with a first row there is another
/// vault, which is audited with its own key; under any other there must be nothing.
async fn check_strays(store: &Store, vault: &str, key: &JournalKey) -> Result<(), AuditFault> {
    for other in store.vaults().await? {
        if other != vault && store.journal(&other, 0, 1).await?.is_empty() {
            let walked = store.verify_journal(&other, key, Tip::START, |_| {}).await;
            walked.map_err(ReplayError::from)?;
        }
    }
    Ok(())
}

async fn count_heads(store: &Store, vault: &str) -> Result<u64, StoreError> {
    let (mut count, mut after) = (0_u64, 0);
    loop {
        let heads = store.heads(vault, after, 512).await?;
        let Some(last) = heads.last() else {
            return Ok(count);
        };
        after = last.seq;
        count = count.saturating_add(u64::try_from(heads.len()).unwrap_or(u64::MAX));
    }
}
