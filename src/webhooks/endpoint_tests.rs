//! An endpoint between a real database and a real server on loopback.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use custodyd_hsm::PinSource;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    clock::Clock,
    config::{Recipient, parsed_url},
    engine::Pulse,
    feed::{Announcer, FeedRow},
    store::Store,
    webhooks::{Which, replay},
};

struct Bed {
    store: Store,
    announcer: Announcer,
    pulse: Arc<Pulse>,
    url: String,
    status: Arc<AtomicU16>,
    /// What was answered, and the number of the event.
    sent: Arc<Mutex<Vec<(u16, u64)>>>,
    secret: tempfile::NamedTempFile,
    _folder: tempfile::TempDir,
}

fn row(seq: u64) -> FeedRow {
    FeedRow {
        seq,
        journal_seq: seq,
        at_ms: 1_700_000_000_000,
        kind: "withdrawal.final".to_owned(),
        subject: format!("wd_{}", seq % 3),
        withdrawal: Some(format!("wd_{}", seq % 3)),
        client: None,
        document: "{}".to_owned(),
    }
}

impl Bed {
    async fn new(status: u16) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        // Made with mode 0600.
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bed = Self {
            store: Store::open(&url).await.unwrap(),
            announcer: Announcer::new(0),
            pulse: Arc::default(),
            url: format!("http://{}/", listener.local_addr().unwrap()),
            status: Arc::new(AtomicU16::new(status)),
            sent: Arc::default(),
            secret,
            _folder: folder,
        };
        let (status, sent) = (Arc::clone(&bed.status), Arc::clone(&bed.sent));
        // Lives as long as the test's process.
        std::thread::spawn(move || serve(&listener, &status, &sent));
        bed
    }

    async fn tell(&self, seqs: std::ops::RangeInclusive<u64>) {
        let rows: Vec<FeedRow> = seqs.map(row).collect();
        self.store
            .feed_mend("main", rows[0].seq - 1, &rows)
            .await
            .unwrap();
        self.announcer.announce(rows);
    }

    /// A process that delivers; ends when the sender says so.
    async fn start(&self, give_up: Duration) -> (watch::Sender<bool>, JoinHandle<()>) {
        let parts = Parts {
            store: self.store.clone(),
            vault: "main".to_owned(),
            feed: self.announcer.feed(),
            pulse: Arc::clone(&self.pulse),
            clock: Clock::system(),
            chance: || 0,
        };
        let courier = Courier::new(Recipient {
            id: "shop".to_owned(),
            url: parsed_url(&self.url).unwrap(),
            secrets: vec![PinSource::File(self.secret.path().to_owned())],
            timeout: Duration::from_secs(20),
            allow_private: false,
        });
        let endpoint = Endpoint::open(parts, courier.unwrap(), Audience::default(), give_up);
        let (stop, stopped) = watch::channel(false);
        (stop, tokio::spawn(endpoint.await.unwrap().run(stopped)))
    }

    async fn owed(&self, owed: Owed) -> Vec<u64> {
        let rows = self.store.deliveries("main", "shop", owed, 0, 100).await;
        rows.unwrap().iter().map(|row| row.seq).collect()
    }

    /// Events that were answered so, in the order in which they came.
    fn answered(&self, status: u16) -> Vec<u64> {
        let sent = self.sent.lock().unwrap();
        let so = sent.iter().filter(|(answer, _)| *answer == status);
        so.map(|(_, seq)| *seq).collect()
    }
}

fn serve(listener: &TcpListener, status: &AtomicU16, sent: &Mutex<Vec<(u16, u64)>>) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        // A process that ends breaks off what it was sending.
        let Some(seq) = request(&mut stream) else {
            continue;
        };
        let status = status.load(Ordering::SeqCst);
        sent.lock().unwrap().push((status, seq));
        let head = "connection: close\r\ncontent-length: 0\r\n\r\n";
        let _ = write!(stream, "HTTP/1.1 {status} x\r\n{head}");
    }
}

fn request(stream: &mut TcpStream) -> Option<u64> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
    body["seq"].as_u64()
}

/// Polls until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let polling = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let polled = tokio::time::timeout(Duration::from_secs(30), polling).await;
    polled.unwrap_or_else(|_| panic!("{what}"));
}

/// Those of one withdrawal, in the order in which they came.
fn of(sent: &[u64], lane: u64) -> Vec<u64> {
    sent.iter().copied().filter(|seq| seq % 3 == lane).collect()
}

#[tokio::test]
async fn what_is_given_up_is_kept_for_a_replay_and_nothing_is_told_twice_after_a_restart() {
    let bed = Bed::new(500).await;
    let (stop, running) = bed.start(Duration::ZERO).await;
    bed.tell(1..=6).await;
    until("all are given up", async || {
        bed.owed(Owed::GivenUp).await.len() == 6
    })
    .await;
    assert_eq!(bed.answered(500).len(), 6, "each was tried once");
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(bed.store.endpoints("main").await.unwrap()[0].taken, 6);

    bed.status.store(200, Ordering::SeqCst);
    let (stop, running) = bed.start(Duration::ZERO).await;
    let all = Audience::default();
    let count = replay(&bed.store, "main", "shop", &all, &Which::GivenUp, 0).await;
    assert_eq!(count.unwrap(), 6);
    until("all are told", async || {
        bed.answered(200).len() == 6 && bed.owed(Owed::Due).await.is_empty()
    })
    .await;
    for lane in 0..3 {
        assert!(of(&bed.answered(200), lane).is_sorted());
    }
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(bed.owed(Owed::GivenUp).await, [0; 0]);

    let (stop, running) = bed.start(Duration::ZERO).await;
    bed.tell(7..=7).await;
    until("the next is told", async || bed.answered(200).len() >= 7).await;
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(bed.answered(200)[6..], [7]);
}

#[tokio::test]
async fn what_failed_is_tried_again_by_the_next_process_in_order() {
    let bed = Bed::new(503).await;
    let (stop, running) = bed.start(Duration::from_secs(60)).await;
    bed.tell(1..=6).await;
    until("something failed", async || bed.answered(503).len() >= 3).await;
    stop.send_replace(true);
    running.await.unwrap();
    bed.status.store(204, Ordering::SeqCst);
    let (stop, running) = bed.start(Duration::from_secs(60)).await;
    until("all are told", async || {
        bed.answered(204).len() >= 6 && bed.owed(Owed::Due).await.is_empty()
    })
    .await;
    for lane in 0..3 {
        let mut told = of(&bed.answered(204), lane);
        // The first process may have sent one that it did not live to see taken.
        told.dedup();
        assert!(told.is_sorted() && told.len() == 2, "{told:?}");
    }
    stop.send_replace(true);
    running.await.unwrap();
}

#[tokio::test]
async fn an_event_that_was_pruned_meanwhile_holds_nothing_up() {
    let bed = Bed::new(200).await;
    bed.store.begin_endpoint("main", "shop", 0).await.unwrap();
    bed.tell(1..=6).await;
    let row = |seq: u64, failures| DeliveryRow {
        seq,
        lane: format!("wd_{}", seq % 3),
        owed: Owed::Due,
        failures,
        since_ms: 0,
        next_ms: 0,
        fault: None,
    };
    let settled = Settled {
        taken: Some(6),
        delivered: vec![],
        kept: vec![row(2, 3), row(5, 0), row(6, 0)],
    };
    bed.store
        .settle_deliveries("main", "shop", &settled)
        .await
        .unwrap();
    bed.store.feed_prune("main", 4).await.unwrap();
    // As after a restart: nothing is in memory.
    let bed = Bed {
        announcer: Announcer::new(6),
        ..bed
    };
    let (stop, running) = bed.start(Duration::from_secs(60)).await;
    until("what is left is told", async || {
        bed.answered(200).len() >= 2 && bed.owed(Owed::Due).await.is_empty()
    })
    .await;
    stop.send_replace(true);
    running.await.unwrap();
    let mut told = bed.answered(200);
    told.sort_unstable();
    assert_eq!(told, [5, 6]);
}
