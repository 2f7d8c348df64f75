//! Streams of events over real sockets.

use std::time::Duration;

use custodyd::feed::FeedRow;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::timeout,
};

use crate::edge::{ALICE, Asked, DESK, Edge, FEED, SHOP};

pub(crate) fn row(seq: u64, client: Option<&str>) -> FeedRow {
    FeedRow {
        seq,
        journal_seq: seq,
        at_ms: 1_700_000_000_000 + seq,
        kind: match client {
            Some(_) => "withdrawal.final".to_owned(),
            None => "freeze.set".to_owned(),
        },
        subject: format!("wd_{seq}"),
        withdrawal: client.map(|_| format!("wd_{seq}")),
        client: client.map(str::to_owned),
        document: "{}".to_owned(),
    }
}

/// Somebody who listens.
struct Ear {
    lines: Lines<BufReader<OwnedReadHalf>>,
    _keeps_open: tokio::net::tcp::OwnedWriteHalf,
}

impl Ear {
    async fn open(edge: &Edge, who: &str, target: &str, last: Option<u64>) -> Self {
        let mut request = edge.signed(who, &Asked::get(target));
        if let Some(last) = last {
            request.header("last-event-id", &last.to_string());
        }
        request.header("connection", "close");
        let stream = TcpStream::connect(edge.address).await.unwrap();
        let (read, mut write) = stream.into_split();
        let head = request.head() + "\r\n";
        write.write_all(head.as_bytes()).await.unwrap();
        let mut ear = Self {
            lines: BufReader::new(read).lines(),
            _keeps_open: write,
        };
        assert_eq!(ear.line().await.unwrap(), "HTTP/1.1 200 OK");
        let mut kind = None;
        // The stream's first words say that it follows from here on.
        loop {
            let line = ear.line().await.unwrap();
            if line.starts_with("content-type") {
                kind = Some(line);
            } else if line.starts_with("retry:") {
                break;
            }
        }
        assert_eq!(kind.as_deref(), Some("content-type: text/event-stream"));
        ear
    }

    async fn line(&mut self) -> Option<String> {
        let line = timeout(Duration::from_secs(20), self.lines.next_line()).await;
        line.expect("something is heard").ok().flatten()
    }

    /// The next event's id; none at the end of the stream.
    async fn next(&mut self) -> Option<u64> {
        loop {
            let line = self.line().await?;
            if let Some(id) = line.strip_prefix("id: ") {
                return id.parse().ok();
            }
        }
    }
}

#[tokio::test]
async fn an_operator_hears_all_a_client_its_own_and_a_client_of_other_scopes_nothing() {
    let edge = Edge::start().await;
    let mut alice = Ear::open(&edge, ALICE, "/v1/events", None).await;
    let mut shop = Ear::open(&edge, SHOP, "/v1/events", None).await;
    let mut desk = Ear::open(&edge, DESK, "/v1/events?type=freeze.set", None).await;
    for (seq, client) in [
        (1, Some("shop")),
        (2, Some("desk")),
        (3, None),
        (4, Some("shop")),
    ] {
        edge.tell(row(seq, client)).await;
    }
    for id in 1..=4 {
        assert_eq!(alice.next().await, Some(id));
    }
    assert_eq!([shop.next().await, shop.next().await], [Some(1), Some(4)]);
    // The freeze is nobody's withdrawal, so no client hears of it: the engine's end is the next that desk hears.
    drop(edge.announcer);
    assert_eq!(desk.next().await, None);
    assert_eq!(alice.next().await, None);
}

#[tokio::test]
async fn a_client_without_a_scope_for_it_or_with_a_bad_place_is_refused() {
    let edge = Edge::start().await;
    edge.tell(row(1, None)).await;
    edge.get(FEED, "/v1/events").await.is_problem(403, "scope");
    edge.get(ALICE, "/v1/events?after=x")
        .await
        .is_problem(400, "malformed");
    edge.get(ALICE, "/v1/events?since=1")
        .await
        .is_problem(400, "malformed");
    edge.get(ALICE, "/v1/events?after=18446744073709551615")
        .await
        .is_problem(400, "malformed");
    edge.get(ALICE, "/v1/events?after=2")
        .await
        .is_problem(409, "events-ahead");
    let unsigned = crate::wire::Request::new("GET", "/v1/events", b"");
    let answer = edge.send(&unsigned).await;
    assert!([400, 401].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn who_comes_back_with_the_last_id_misses_nothing() {
    let edge = Edge::start().await;
    for seq in 1..=300 {
        edge.tell(row(seq, Some("shop"))).await;
    }
    // The header counts where nothing was signed, as who comes back sends it by itself.
    let mut shop = Ear::open(&edge, SHOP, "/v1/events", Some(297)).await;
    let mut alice = Ear::open(&edge, ALICE, "/v1/events?after=298", None).await;
    edge.tell(row(301, Some("shop"))).await;
    for id in 298..=301 {
        assert_eq!(shop.next().await, Some(id));
    }
    for id in 299..=301 {
        assert_eq!(alice.next().await, Some(id));
    }
}

#[tokio::test]
async fn a_header_that_nobody_signed_does_not_go_against_the_place_that_was_signed() {
    let edge = Edge::start().await;
    for seq in 1..=9 {
        edge.tell(row(seq, Some("shop"))).await;
    }
    for last in ["7", "1", "0"] {
        let mut request = edge.signed(SHOP, &Asked::get("/v1/events?after=5"));
        request.header("last-event-id", last);
        let detail = edge.send(&request).await.is_problem(400, "malformed");
        assert!(detail.contains("not signed"), "{detail}");
    }
    let mut shop = Ear::open(&edge, SHOP, "/v1/events?after=5", Some(5)).await;
    assert_eq!(shop.next().await, Some(6));
}

#[tokio::test]
async fn what_is_pruned_cannot_be_followed_and_the_refusal_says_what_is_left() {
    let edge = Edge::start().await;
    for seq in 1..=9 {
        edge.tell(row(seq, Some("shop"))).await;
    }
    edge.store.feed_prune("main", 5).await.unwrap();
    let answer = edge.get(SHOP, "/v1/events?after=4").await;
    let detail = answer.is_problem(410, "events-gone");
    assert!(detail.contains("oldest is 6"), "{detail}");
    let mut shop = Ear::open(&edge, SHOP, "/v1/events?after=5", None).await;
    assert_eq!(shop.next().await, Some(6));
}

#[tokio::test]
async fn a_stream_outlives_the_time_limit_of_a_request() {
    let limits = custodyd::http::Limits {
        request_patience: Duration::from_millis(100),
        ..Default::default()
    };
    let edge = Edge::within(limits).await;
    let mut shop = Ear::open(&edge, SHOP, "/v1/events", None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    edge.tell(row(1, Some("shop"))).await;
    assert_eq!(shop.next().await, Some(1));
}
