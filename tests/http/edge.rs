//! An edge of the test's own: keys, a database, a listener on a free port.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use custodyd::{
    clock::Clock,
    config::{ClientAccess, ConsoleConfig, Http, OperatorAccess},
    console::Console,
    directory::Directory,
    feed::{Announcer, FeedRow},
    http::{Admission, AppState, Entrance, Limits, Replays, Shared, serve},
    intake::Intake,
    journal::{Entry, GENESIS, HeadRow, head_digest},
    standing::{InForce, PolicyDocument, Standing},
    store::{Batch, InboxRow, Outcome, Projection, Store, Taken},
};
use custodyd_hsm::Health;
use custodyd_httpsig::{UnsignedRequest, sign};
use custodyd_policy::{ClientId, Timestamp};
use custodyd_vault::{Client, Scope};
use ed25519_dalek::SigningKey;
use metrics_exporter_prometheus::PrometheusBuilder;
use p256::ecdsa::{Signature, signature::hazmat::PrehashSigner as _};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    console,
    hsm::Tokens,
    wire::{Answer, Request, exchange},
};

pub(crate) const SHOP: &str = "client/shop";
pub(crate) const DESK: &str = "client/desk";
/// A client that may set prices and nothing else.
pub(crate) const FEED: &str = "client/feed";
pub(crate) const ALICE: &str = "operator/alice";
pub(crate) const MAX_SKEW_S: u64 = 300;

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) announcer: Announcer,
    /// How far the edge's clock is ahead of the system's, milliseconds.
    ahead_ms: Arc<AtomicU64>,
    _stop: watch::Sender<bool>,
    _server: JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

/// The sections of custodyd.toml that are about the edge.
#[derive(serde::Deserialize)]
struct Configured {
    http: Http,
    #[serde(default)]
    clients: BTreeMap<ClientId, ClientAccess>,
    #[serde(default)]
    operators: OperatorAccess,
}

pub(crate) fn key_of(keyid: &str) -> SigningKey {
    let byte = match keyid {
        SHOP => 1,
        DESK => 2,
        ALICE => 3,
        FEED => 4,
        _ => 99,
    };
    SigningKey::from_bytes(&[byte; 32])
}

pub(crate) fn now_s() -> u64 {
    Clock::system().now().as_seconds()
}

pub(crate) fn nonce() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn directory() -> Directory {
    let public = |keyid| key_of(keyid).verifying_key().into();
    let client = |keyid, scopes: &[Scope]| Client {
        key: public(keyid),
        scopes: scopes.iter().copied().collect(),
    };
    Directory::new(
        "main".parse().unwrap(),
        [
            ("shop".parse().unwrap(), client(SHOP, &Scope::ALL)),
            ("desk".parse().unwrap(), client(DESK, &Scope::ALL)),
            ("feed".parse().unwrap(), client(FEED, &[Scope::Prices])),
        ]
        .into(),
        [(
            "alice".parse().unwrap(),
            vec![public(ALICE).into(), console::alices_passkey()],
        )]
        .into(),
    )
    .with_console(console::party())
}

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::within(Limits::default()).await
    }

    pub(crate) async fn within(limits: Limits) -> Self {
        let entrance = Entrance::within(limits);
        Self::with(entrance, Admission::default(), Tokens(vec![Health::Up])).await
    }

    /// An edge of a daemon with this HSM.
    pub(crate) async fn before(hsm: Tokens) -> Self {
        Self::with(Entrance::default(), Admission::default(), hsm).await
    }

    /// An edge as these lines of custodyd.toml make it.
    pub(crate) async fn configured(lines: &str) -> Self {
        let lines = lines.replace("[http]", "[http]\nlisten = \"127.0.0.1:0\"");
        let configured: Configured = toml::from_str(&lines).unwrap();
        let http = &configured.http;
        let admission = Admission::new(
            http.tls.as_ref(),
            &configured.clients,
            &configured.operators,
        );
        let entrance = Entrance::open(http).unwrap();
        Self::with(entrance, admission, Tokens(vec![Health::Up])).await
    }

    async fn with(entrance: Entrance, admission: Admission, hsm: Tokens) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("custodyd.db").display());
        let store = Store::open(&url).await.unwrap();
        let patience = Duration::from_millis(200);
        let announcer = Announcer::new(0);
        let ahead_ms = Arc::<AtomicU64>::default();
        let ahead = Arc::clone(&ahead_ms);
        let clock = Clock::of(move || {
            let now = Clock::system().now().as_ms();
            Timestamp::from_ms(now + ahead.load(Ordering::Relaxed))
        });
        let state = AppState::from(Shared {
            vault: None,
            console: Arc::new(Console::new(ConsoleConfig::default().lifetime())),
            standing: Standing::new(InForce {
                directory: directory(),
                policy: PolicyDocument {
                    source: "version = 1".into(),
                    hash: "00".into(),
                },
            }),
            intake: Intake::start(store.clone(), None, patience, Clock::system()),
            store: store.clone(),
            feed: announcer.feed(),
            pulse: None,
            hsm: Some(Arc::new(hsm)),
            journal_key: String::new(),
            clock,
            monitoring: Default::default(),
            max_skew_s: MAX_SKEW_S,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            // As if it had been running for long.
            replays: Arc::new(Replays::since(0)),
            admission: Arc::new(admission),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(entrance, state, listener, stopped));
        Self {
            address,
            store,
            announcer,
            ahead_ms,
            _stop: stop,
            _server: server,
            _folder: folder,
        }
    }

    /// Time passes, for whatever asks the edge's clock.
    pub(crate) fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Signs a request at `created` and makes it ready to be sent, or spoilt.
    pub(crate) fn signed_at(&self, keyid: &str, created: u64, asked: &Asked<'_>) -> Request {
        let authority = self.authority();
        let unsigned = UnsignedRequest {
            method: asked.method,
            authority: &authority,
            target: asked.target,
            content_type: (!asked.body.is_empty()).then_some("application/json"),
            idempotency_key: asked.idempotency_key,
            body: asked.body,
        };
        let headers = sign(&unsigned, keyid, &nonce(), created, &key_of(keyid)).unwrap();
        let mut request = Request::new(asked.method, asked.target, asked.body);
        request.header("host", &authority);
        for (name, value) in headers.fields() {
            request.header(name, value);
        }
        request
    }

    pub(crate) fn signed(&self, keyid: &str, asked: &Asked<'_>) -> Request {
        self.signed_at(keyid, now_s(), asked)
    }

    pub(crate) async fn get(&self, keyid: &str, target: &str) -> Answer {
        self.send(&self.signed(keyid, &Asked::get(target))).await
    }

    pub(crate) async fn post(&self, keyid: &str, target: &str, body: &[u8]) -> Answer {
        self.send(&self.signed(keyid, &Asked::post(target, body)))
            .await
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        exchange(self.address, &request.bytes()).await
    }

    /// Commits an event of the feed and says so.
    pub(crate) async fn tell(&self, row: FeedRow) {
        let rows = vec![row];
        let before = rows[0].seq - 1;
        self.store.feed_mend("main", before, &rows).await.unwrap();
        self.announcer.announce(rows);
    }

    /// What got past the edge.
    pub(crate) async fn inbox(&self) -> Vec<InboxRow> {
        self.store.inbox_pending("main", 1_000).await.unwrap()
    }

    /// Writes projections and answers as the engine would, with one row in the journal.
    pub(crate) async fn commit(&self, projections: Vec<Projection>, outcomes: Vec<Outcome>) {
        self.write(projections, outcomes, Vec::new()).await;
    }

    /// Commits what was answered at once.
    pub(crate) async fn take(&self, taken: Vec<Taken>) {
        self.write(Vec::new(), Vec::new(), taken).await;
    }

    async fn write(&self, projections: Vec<Projection>, outcomes: Vec<Outcome>, taken: Vec<Taken>) {
        let entry = Entry {
            vault: "main",
            seq: 1,
            at_ms: 1_700_000_000_000,
            kind: "test",
            prev_hash: GENESIS,
        };
        let row = entry.seal(&serde_json::json!({})).unwrap();
        let digest = head_digest("main", 1, row.at_ms, &row.hash).unwrap();
        let signer = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let signature: Signature = signer.sign_prehash(&digest).unwrap();
        let head = HeadRow::from_hsm("main", 1, row.at_ms, row.hash, &signature.to_bytes().into());
        let batch = Batch {
            vault: "main".into(),
            previous: None,
            rows: vec![row],
            head: head.unwrap(),
            projections,
            taken,
            outcomes,
            points: Vec::new(),
            feed: Vec::new(),
        };
        self.store.commit(&batch).await.unwrap();
    }
}

/// What a test asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl<'a> Asked<'a> {
    pub(crate) fn get(target: &'a str) -> Self {
        Self {
            method: "GET",
            target,
            idempotency_key: None,
            body: b"",
        }
    }

    pub(crate) fn post(target: &'a str, body: &'a [u8]) -> Self {
        Self {
            method: "POST",
            target,
            idempotency_key: Some("order-1"),
            body,
        }
    }
}

/// A withdrawal that the edge takes.
pub(crate) const WITHDRAWAL: &[u8] = br#"{"vault":"main","asset":"LTC","amount":"0.5","destination":"rltc1q","reference":"order 1"}"#;
