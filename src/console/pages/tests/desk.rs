//! A console before a real database: a test's journal and what it calls for are committed to SQLite, and its vault answers.

use std::{sync::Arc, time::Duration};

use axum::{body::to_bytes, response::Response};
use custodyd_hsm::{Counters, Hsm, HsmError, MemberStatus, Reply, Request};
use custodyd_vault::Vault;
use metrics_exporter_prometheus::PrometheusBuilder;
use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
use sqlx::Connection as _;

use super::common::World;
use crate::{
    clock::Clock,
    config::ConsoleConfig,
    console::{Console, pages::Fault},
    engine::{HistoryWalk, Inquiries, Pulse, rebuild},
    feed::Announcer,
    http::{AppState, Replays, Shared},
    intake::Intake,
    journal::{Entry, GENESIS, HeadRow, JournalRow, head_digest},
    standing::{InForce, Standing},
    store::{Batch, Projection, Store},
};

/// Events of a commit.
const AT_ONCE: usize = 3;
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) struct Desk {
    pub(super) state: AppState,
    pub(super) pulse: Arc<Pulse>,
    base: Base,
}

/// Tokens in a given state. Nothing is signed here.
#[derive(Debug, Default)]
pub(super) struct Tokens(pub(super) Vec<MemberStatus>);

impl Hsm for Tokens {
    fn submit(&self, _: Request, _: Duration, _: Reply) -> Result<(), HsmError> {
        Err(HsmError::Closed)
    }

    fn members(&self) -> Vec<MemberStatus> {
        self.0.clone()
    }

    fn call_limit(&self) -> Duration {
        PATIENCE
    }
}

/// A token that works, but for `health`.
pub(super) fn token(name: &str, health: custodyd_hsm::Health) -> MemberStatus {
    MemberStatus {
        name: name.to_owned(),
        info: None,
        health,
        counters: Counters::default(),
        restarts: 0,
        missing_keys: 0,
    }
}

impl Desk {
    /// Of a daemon without tokens that holds what a test's journal says.
    pub(super) async fn of(world: &World) -> Self {
        Self::with(world, Tokens::default()).await
    }

    /// The same with these tokens.
    pub(super) async fn with(world: &World, tokens: Tokens) -> Self {
        let base = empty().await;
        let mut previous = None;
        for commit in world.journal.chunks(AT_ONCE) {
            let events = commit.iter().map(|recorded| {
                let event = serde_json::to_value(&recorded.event).unwrap();
                (recorded.at.as_ms(), recorded.event.kind(), event)
            });
            previous = Some(commit_rows(&base.store, previous, events).await);
        }
        let head = previous.unwrap();
        let projections = called_for(&base.store, world).await;
        commit(&base.store, &head, projections).await;
        Self::over(base, world, tokens)
    }

    /// Of a daemon with this database and the test's vault, whatever the two have to do with each other.
    pub(super) fn over(base: Base, world: &World, tokens: Tokens) -> Self {
        let pulse = Arc::new(Pulse::default());
        pulse.set_running(true);
        let state = state(base.store.clone(), world, pulse.clone(), tokens);
        Self { state, pulse, base }
    }

    /// Writes to the database as the daemon never does.
    pub(super) async fn alter(&self, sql: &'static str) {
        let mut there = sqlx::SqliteConnection::connect(&self.base.url)
            .await
            .unwrap();
        let altered = sqlx::query(sql).execute(&mut there).await.unwrap();
        assert_eq!(altered.rows_affected(), 1, "{sql}");
    }
}

/// A database of the test's own.
pub(super) struct Base {
    pub(super) store: Store,
    url: String,
    _folder: tempfile::TempDir,
}

/// A database with nothing in it.
pub(super) async fn empty() -> Base {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    Base {
        store: Store::open(&url).await.unwrap(),
        url,
        _folder: folder,
    }
}

/// Commits events (when, kind, event) after a head.
pub(super) async fn commit_rows(
    store: &Store,
    previous: Option<HeadRow>,
    events: impl IntoIterator<Item = (u64, &str, serde_json::Value)>,
) -> HeadRow {
    let (mut seq, mut prev_hash) = previous
        .as_ref()
        .map_or((0, GENESIS), |head| (head.seq, head.hash));
    let mut rows = Vec::new();
    for (at_ms, kind, event) in events {
        seq += 1;
        let entry = Entry {
            vault: "main",
            seq,
            at_ms,
            kind,
            prev_hash,
        };
        let row = entry.seal(&event).unwrap();
        prev_hash = row.hash;
        rows.push(row);
    }
    let head = head_of(rows.last().unwrap());
    write(store, previous.as_ref(), head.clone(), rows, Vec::new()).await;
    head
}

/// Commits what rows up to a head are projected to.
pub(super) async fn commit(store: &Store, head: &HeadRow, projections: Vec<Projection>) {
    write(store, Some(head), head.clone(), Vec::new(), projections).await;
}

async fn write(
    store: &Store,
    previous: Option<&HeadRow>,
    head: HeadRow,
    rows: Vec<JournalRow>,
    projections: Vec<Projection>,
) {
    let batch = Batch {
        vault: "main".to_owned(),
        previous: previous.map(|head| (head.seq, head.hash)),
        rows,
        head,
        projections,
        taken: Vec::new(),
        outcomes: Vec::new(),
        points: Vec::new(),
        feed: Vec::new(),
    };
    store.commit(&batch).await.unwrap();
}

fn secret() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn head_of(row: &JournalRow) -> HeadRow {
    let digest = head_digest("main", row.seq, row.at_ms, &row.hash).unwrap();
    let signature: Signature = secret().sign_prehash(&digest).unwrap();
    let signature = signature.to_bytes().into();
    HeadRow::from_hsm("main", row.seq, row.at_ms, row.hash, &signature).unwrap()
}

/// Every row that the journal calls for.
async fn called_for(store: &Store, world: &World) -> Vec<Projection> {
    let mut walk = HistoryWalk::begin(store, "main").await.unwrap();
    let mut vault: Option<Vault> = None;
    for recorded in &world.journal {
        walk.see(vault.as_ref(), recorded);
        match &mut vault {
            Some(vault) => drop(vault.apply(recorded).unwrap()),
            None => vault = Some(Vault::create(recorded).unwrap()),
        }
    }
    let mut rows = rebuild(&world.vault).unwrap();
    rows.extend(walk.ended(&world.vault, world.now));
    rows
}

fn state(store: Store, world: &World, pulse: Arc<Pulse>, tokens: Tokens) -> AppState {
    let clock = Clock::system();
    let point = secret().verifying_key().to_encoded_point(true);
    AppState::from(Shared {
        vault: Some(Inquiries::of(world.vault.clone(), super::rooms::now(world))),
        console: Arc::new(Console::new(ConsoleConfig::default().lifetime())),
        standing: Standing::new(InForce::from(&world.vault)),
        intake: Intake::start(store.clone(), None, PATIENCE, clock.clone()),
        store,
        feed: Announcer::new(0).feed(),
        pulse: Some(pulse),
        hsm: Some(Arc::new(tokens)),
        journal_key: hex::encode(point.as_bytes()),
        clock,
        monitoring: Default::default(),
        max_skew_s: 300,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        replays: Arc::new(Replays::since(0)),
        admission: Arc::default(),
    })
}

/// The text of a page that was shown.
pub(super) async fn text(answer: Result<Response, Fault>) -> String {
    let body = to_bytes(answer.unwrap().into_body(), usize::MAX).await;
    String::from_utf8(body.unwrap().to_vec()).unwrap()
}
