//! Crowds: connections without end, and those who never read. Everybody else is served.

use std::{net::SocketAddr, time::Duration};

use custodyd::http::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    edge::{ALICE, Asked, Edge, SHOP, WITHDRAWAL},
    wire::{Answer, connect_from, exchange_from, read_to_end},
};

/// So long that only room for others ends a connection.
const EVER: Duration = Duration::from_secs(3_600);

/// Raises this process's limit of descriptors, which holds both ends of each connection, as far as it goes.
fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    usize::try_from(limit.maximum.unwrap_or(u64::MAX)).unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = timeout(Duration::from_secs(20), stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// A connection of address number n, that says nothing, half a head, or nothing after a whole request.
async fn idle(address: SocketAddr, number: usize, said: &[&[u8]]) -> Option<TcpStream> {
    let [_, _, high, low] = u32::try_from(number / 250 + 1).unwrap().to_be_bytes();
    let mut stream = connect_from([127, 3, high, low], address).await.ok()?;
    let _ = stream.write_all(said[number % said.len()]).await;
    Some(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_of_many_addresses_keep_nobody_out() {
    const PLACES: usize = 400;
    let descriptors = raise_descriptors();
    assert!(descriptors > 10_000 + PLACES + 200, "{descriptors}");
    let edge = Edge::within(Limits {
        connections: PLACES,
        head_patience: EVER,
        longest_connection: EVER,
        ..Limits::default()
    })
    .await;
    let host = edge.authority();
    let half = format!("GET /v1/wallets HTTP/1.1\r\nhost: {host}\r\nsignature: sig1");
    let unsigned = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let slow_body = format!(
        "POST /v1/withdrawals HTTP/1.1\r\nhost: {host}\r\nsignature: a\r\nsignature-input: b\r\ncontent-length: 500\r\n\r\n{{"
    );
    let said: [&[u8]; 4] = [
        b"",
        half.as_bytes(),
        unsigned.as_bytes(),
        slow_body.as_bytes(),
    ];
    let before = open_files();
    let mut crowd = Vec::new();
    for number in 0..10_000 {
        crowd.extend(idle(edge.address, number, &said).await);
        if number % 500 == 0 {
            let answer = edge.get(ALICE, "/v1/wallets").await;
            assert_eq!(answer.status, 200, "{number}: {answer:?}");
        }
    }
    assert_eq!(crowd.len(), 10_000);
    let held = open_files() - before - crowd.len();
    assert!(held <= PLACES + 8, "{held} connections are held");
    assert!(
        held >= PLACES - 8,
        "those that there is room for stay: {held}"
    );
    let written = edge.post(SHOP, "/v1/withdrawals", WITHDRAWAL).await;
    assert_eq!(written.status, 202);
    assert_eq!(edge.inbox().await.len(), 1);
}

#[tokio::test]
async fn one_address_holds_its_share_of_connections_and_gets_them_back() {
    let edge = Edge::configured("[http]\n[http.limits]\nconnections_per_address = 20\n").await;
    let one = [127, 0, 0, 2];
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(connect_from(one, edge.address).await.unwrap());
    }
    // Accepted in their order: the last of them is counted before what follows.
    for _ in 0..30 {
        let mut stream = connect_from(one, edge.address).await.unwrap();
        assert!(is_closed(&mut stream).await);
    }
    assert_eq!(edge.get(ALICE, "/v1/wallets").await.status, 200);
    drop(held);
    let served = async {
        loop {
            let request = edge.signed(ALICE, &Asked::get("/v1/wallets")).bytes();
            let mut stream = connect_from(one, edge.address).await.unwrap();
            let _ = stream.write_all(&request).await;
            let answer = read_to_end(&mut stream).await;
            if !answer.is_empty() {
                return Answer::read(&answer).status;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), served).await, Ok(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_being_served_keeps_the_place_that_a_crowd_wants() {
    let edge = Edge::within(Limits {
        connections: 4,
        head_patience: EVER,
        ..Limits::default()
    })
    .await;
    // Nobody answers it, so it waits for as long as the intake does.
    let request = edge.signed(SHOP, &Asked::post("/v1/withdrawals", WITHDRAWAL));
    let bytes = request.bytes();
    let waiting = tokio::spawn(exchange_from_owned([127, 0, 0, 1], edge.address, bytes));
    while edge.inbox().await.is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    let mut crowd = Vec::new();
    for number in 0..40 {
        crowd.extend(idle(edge.address, number, &[b""]).await);
    }
    assert_eq!(waiting.await.unwrap().status, 202);
}

async fn exchange_from_owned(source: [u8; 4], address: SocketAddr, bytes: Vec<u8>) -> Answer {
    exchange_from(source, address, &bytes).await
}

#[tokio::test]
async fn who_never_reads_an_answer_is_given_up() {
    let edge = Edge::within(Limits {
        write_patience: Duration::from_millis(500),
        request_patience: EVER,
        head_patience: EVER,
        longest_connection: EVER,
        ..Limits::default()
    })
    .await;
    let before = open_files();
    let ask = format!(
        "GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n",
        edge.authority()
    );
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    // Far more than fits between the two, in answers of about 100 kB each.
    const ASKED: usize = 500;
    stream
        .write_all(ask.repeat(ASKED).as_bytes())
        .await
        .unwrap();
    // Both ends are in this process; its own stays.
    let given_up = async {
        while open_files() < before + 2 {
            sleep(Duration::from_millis(5)).await;
        }
        while open_files() > before + 1 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), given_up)
        .await
        .expect("given up");
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    let count = String::from_utf8_lossy(&answers)
        .matches("HTTP/1.1 200")
        .count();
    assert!(count < ASKED, "{count}");
    assert_eq!(edge.get(ALICE, "/v1/wallets").await.status, 200);
}
