//! How a session goes on and ends, over real sockets and by a clock that the test moves.

use std::time::Duration;

use custodyd_testbed::ConsoleUser;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    time::timeout,
};

use crate::{
    console::{HOST, signed_in},
    edge::Edge,
    events::row,
};

const ROTATION: Duration = Duration::from_secs(301);
/// Longer than a former token is good once the new one was shown.
const GRACE: Duration = Duration::from_secs(11);

async fn status(user: &mut ConsoleUser) -> u16 {
    user.get("/console/session").await.unwrap().status
}

/// A page that listens, with the cookie that its browser has now.
struct Page(Lines<BufReader<TcpStream>>);

impl Page {
    async fn open(edge: &Edge, user: &ConsoleUser) -> Self {
        let cookie = user.cookie.as_ref().unwrap();
        let request = format!(
            "GET /console/events HTTP/1.1\r\nhost: {HOST}\r\naccept: text/event-stream\r\ncookie: {cookie}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = Self(BufReader::new(stream).lines());
        assert_eq!(page.line().await.as_deref(), Some("HTTP/1.1 200 OK"));
        page.hears("retry:").await;
        page
    }

    async fn line(&mut self) -> Option<String> {
        let line = timeout(Duration::from_secs(20), self.0.next_line()).await;
        line.expect("something is heard").ok().flatten()
    }

    async fn hears(&mut self, beginning: &str) {
        while let Some(line) = self.line().await {
            if line.starts_with(beginning) {
                return;
            }
        }
        panic!("the stream ended before {beginning}");
    }

    async fn ends(&mut self) {
        while let Some(line) = self.line().await {
            assert!(!line.starts_with("event:"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_token_is_exchanged_on_the_way_and_the_former_one_soon_opens_nothing() {
    let edge = Edge::start().await;
    let mut user = signed_in(&edge).await;
    let first = user.cookie.clone();
    assert_eq!(status(&mut user).await, 200);
    assert_eq!(user.cookie, first);
    edge.pass(ROTATION);
    assert_eq!(status(&mut user).await, 200);
    assert_ne!(user.cookie, first);
    assert_eq!(status(&mut user).await, 200);
    edge.pass(GRACE);
    let mut thief = user.clone();
    thief.cookie = first;
    assert_eq!(status(&mut thief).await, 303);
    assert_eq!(status(&mut user).await, 303, "two had a token of it");
}

#[tokio::test]
async fn a_page_that_stays_open_while_its_token_is_exchanged_signs_nobody_out() {
    let edge = Edge::start().await;
    let mut user = signed_in(&edge).await;
    let mut page = Page::open(&edge, &user).await;
    for seq in 1..=3 {
        edge.pass(ROTATION);
        assert_eq!(status(&mut user).await, 200);
        assert_eq!(status(&mut user).await, 200);
        edge.pass(GRACE);
        edge.tell(row(seq, None)).await;
        page.hears("event: change").await;
        assert_eq!(status(&mut user).await, 200);
    }
    user.post("/console/logout", &serde_json::json!({}))
        .await
        .unwrap();
    edge.tell(row(4, None)).await;
    page.ends().await;
}

#[tokio::test]
async fn a_page_left_open_keeps_no_session_alive_and_hears_nothing_once_it_ended() {
    let edge = Edge::start().await;
    let mut user = signed_in(&edge).await;
    let mut page = Page::open(&edge, &user).await;
    edge.pass(Duration::from_secs(14 * 60));
    edge.tell(row(1, None)).await;
    page.hears("event: change").await;
    edge.pass(Duration::from_secs(2 * 60));
    edge.tell(row(2, None)).await;
    page.ends().await;
    assert_eq!(status(&mut user).await, 303);
}

#[tokio::test]
async fn who_ignores_every_exchange_is_signed_out() {
    let edge = Edge::start().await;
    let mut owner = signed_in(&edge).await;
    let mut thief = owner.clone();
    let stolen = thief.cookie.clone();
    for _ in 0..2 {
        edge.pass(ROTATION);
        assert_eq!(status(&mut thief).await, 200);
        thief.cookie.clone_from(&stolen);
    }
    edge.pass(ROTATION);
    assert_eq!(status(&mut thief).await, 200);
    thief.cookie = stolen;
    assert_eq!(status(&mut thief).await, 303);
    assert_eq!(status(&mut owner).await, 303);
}
