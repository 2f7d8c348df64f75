//! The engine: the single writer of a vault.
//!
//! It takes requests from the inbox and results of effects, decides, applies, and commits a whole batch in one database
//! transaction. After the commit, and only then, answers go out and effects begin. If a commit fails or its outcome is
//! unknown, the vault in memory is thrown away and replayed from the journal.

mod answer;
mod asked;
mod batch;
mod follow;
mod history;
mod inquiry;
mod jobs;
mod perform;
mod projection;
mod replay;
mod reply;
mod run;
mod samples;
mod screening;
mod subjects;
mod vetting;
#[cfg(test)]
mod vetting_tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use custodyd_chain::Network;
use custodyd_vault::{Recorded, Vault};
use tokio::sync::mpsc;

pub(crate) use answer::sworn;
pub use history::HistoryWalk;
pub use inquiry::Inquiries;
pub use perform::{Done, EffectError};
pub use projection::{projections, rebuild};
pub use replay::{
    ReplayError, Replayed, Telling, read_event, replay, replay_and_mend, replay_observed,
    replay_telling,
};
pub use run::EngineError;
pub use samples::Series;
pub use screening::{Screener, ScreeningFault};
pub use subjects::subjects;

use crate::{
    alerts::Alerts,
    clock::Clock,
    directory::Directory,
    feed::{Announcer, Feed, Teller},
    intake::Lobby,
    journal::{Anchor, HeadRow, JournalKey},
    nodes::Node,
    nonces,
    signer::Signer,
    standing::{InForce, Standing},
    store::Store,
    telemetry::{nodes, tally},
};

/// What the engine works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The HSM.
    pub signer: Signer,
    /// The key that new wrapped keys are wrapped under, where a wallet has such.
    pub wrapping_key: Option<custodyd_hsm::KeyId>,
    /// A node for each network.
    pub nodes: BTreeMap<Network, Node>,
    /// Who is asked about payouts that the policy wants screened.
    pub screener: Option<Screener>,
    /// The time.
    pub clock: Clock,
    /// Where requests come from and answers go.
    pub lobby: Lobby,
    /// What others may see of the engine.
    pub pulse: Arc<Pulse>,
    /// Where facts go that somebody may have to hear of.
    pub alerts: Alerts,
    /// How often nodes are asked.
    pub poll: Duration,
    /// Where the last head is kept outside of the database.
    pub anchor: std::path::PathBuf,
    /// The journal's public key, as pinned outside of the database.
    pub journal_key: JournalKey,
}

/// What others may see of a running engine.
#[derive(Debug, Default)]
pub struct Pulse {
    depths: std::sync::Mutex<BTreeMap<String, u32>>,
    trouble: std::sync::Mutex<BTreeMap<String, String>>,
    running: std::sync::atomic::AtomicBool,
}

impl Pulse {
    /// Confirmations of a transaction (`tx_…`) that is not final yet, as last observed.
    pub fn confirmations(&self, transaction: &str) -> Option<u32> {
        self.depths
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(transaction)
            .copied()
    }

    /// What doesn't work at the moment, by part: `hsm`, `database`, a network.
    pub fn trouble(&self) -> BTreeMap<String, String> {
        self.trouble
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Whether the engine has replayed its journal and takes requests.
    pub fn is_running(&self) -> bool {
        self.running.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(crate) fn set_running(&self, running: bool) {
        self.running
            .store(running, std::sync::atomic::Ordering::Release);
    }

    pub(crate) fn note_depth(&self, transaction: String, depth: Option<u32>) {
        let mut depths = self
            .depths
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match depth {
            Some(depth) => drop(depths.insert(transaction, depth)),
            None => drop(depths.remove(&transaction)),
        }
    }

    pub(crate) fn note_trouble(&self, part: &str, what: Option<String>) {
        let mut trouble = self
            .trouble
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match what {
            Some(what) => {
                let before = trouble.insert(part.to_owned(), what.clone());
                if before.as_deref() != Some(what.as_str()) {
                    tracing::warn!(part, what, "trouble");
                }
            }
            None => {
                if trouble.remove(part).is_some() {
                    tracing::info!(part, "working again");
                }
            }
        }
    }
}

/// The single writer of a vault.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    vault: Vault,
    directory: Directory,
    standing: Standing,
    tips: BTreeMap<Network, u64>,
    head: HeadRow,
    history: history::History,
    teller: Teller,
    announcer: Announcer,
    jobs: jobs::Jobs,
    done: mpsc::Receiver<Done>,
    report: mpsc::Sender<Done>,
    inquiries: Inquiries,
    questions: inquiry::Questions,
    anchored: tokio::sync::watch::Sender<HeadRow>,
    /// What the journal key signed with one nonce, once an effect has seen it.
    unsafe_journal_key: Option<String>,
    counters: tally::Counters,
}

impl Engine {
    /// Replays the vault's journal, verifying every row, and gets ready to go on.
    ///
    /// # Errors
    /// The journal doesn't stand, is behind the anchor, or is not there.
    pub async fn open(parts: Parts, vault: &str) -> Result<Self, ReplayError> {
        let anchor = Anchor::at(parts.anchor.clone());
        let (
            Replayed {
                vault,
                head,
                teller,
            },
            history,
        ) = replay_history(&parts.store, vault, &parts.journal_key, &anchor).await?;
        index_nonces(&parts.store, &vault).await?;
        tally::stands_at(&head);
        nodes::begin(parts.nodes.keys().copied());
        let (report, done) = mpsc::channel(4_096);
        let (inquiries, questions) = Inquiries::new();
        let (anchored, heads) = tokio::sync::watch::channel(head.clone());
        tokio::spawn(keep_anchor(anchor, heads));
        Ok(Self {
            standing: Standing::new(InForce::from(&vault)),
            directory: Directory::from(&vault),
            tips: BTreeMap::new(),
            parts,
            vault,
            head,
            history,
            announcer: Announcer::new(teller.last()),
            teller,
            jobs: jobs::Jobs::default(),
            done,
            report,
            inquiries,
            questions,
            anchored,
            unsafe_journal_key: None,
            counters: tally::Counters::default(),
        })
    }

    /// Who may speak under which policy: as of the last commit, whenever it is asked.
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// What outsiders may hear of, as it is committed. It ends with the engine.
    pub fn feed(&self) -> Feed {
        self.announcer.feed()
    }

    /// Where the vault can be asked while the engine runs.
    pub fn inquiries(&self) -> Inquiries {
        self.inquiries.clone()
    }

    /// The vault as it is.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }
}

/// Replays a journal, with what the engine remembers beside the state; gives one that was written without samples and index
/// of subjects its own.
async fn replay_history(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: &Anchor,
) -> Result<(Replayed, history::History), ReplayError> {
    let mut walk = HistoryWalk::begin(store, vault).await?;
    let see = |before: Option<&Vault>, recorded: &Recorded| walk.see(before, recorded);
    let replayed = replay_and_mend(store, vault, key, Some(anchor), see).await?;
    let (rows, history) = walk.go_on(&replayed.vault, replayed.head.at_ms);
    if !store.has_subjects(vault).await? {
        store.put_history(vault, &rows).await?;
        tracing::info!(rows = rows.len(), "samples and index made from the journal");
    }
    Ok((replayed, history))
}

/// Gives a journal that was written without the index of nonces its index.
async fn index_nonces(store: &Store, vault: &Vault) -> Result<(), ReplayError> {
    if store.has_points(vault.id().as_str()).await? {
        return Ok(());
    }
    let points = nonces::of_journal(store, vault.id().as_str(), vault).await?;
    store.put_points(vault.id().as_str(), &points).await?;
    tracing::info!(
        nonces = points.len(),
        "index of nonces made from the journal"
    );
    Ok(())
}

/// Between two writes of the anchor: what an older copy of the database may hide is what was committed in this time.
const ANCHOR_PAUSE: Duration = Duration::from_millis(50);

/// Writes the newest committed head beside the database. It may lag behind, never run ahead.
async fn keep_anchor(mut anchor: Anchor, mut heads: tokio::sync::watch::Receiver<HeadRow>) {
    loop {
        let head = heads.borrow_and_update().clone();
        let seq = head.seq;
        let written = tokio::task::spawn_blocking(move || {
            let result = anchor.write(&head);
            (anchor, result)
        })
        .await;
        match written {
            Ok((back, result)) => {
                anchor = back;
                match result {
                    Ok(()) => tally::anchored_at(seq),
                    Err(e) => {
                        tracing::error!(error = %e, "the anchor could not be written; a restored database would go unnoticed");
                    }
                }
            }
            Err(_) => return,
        }
        tokio::time::sleep(ANCHOR_PAUSE).await;
        if heads.changed().await.is_err() {
            return;
        }
    }
}
