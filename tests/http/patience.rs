//! Those who are slow, silent or many. Times are bounds that a broken limit can't meet, not measurements.

use std::time::{Duration, Instant};

use custodyd::http::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    edge::{ALICE, Asked, Edge, SHOP, WITHDRAWAL},
    wire::{Answer, read_to_end},
};

fn impatient() -> Limits {
    Limits {
        connections: 32,
        head_patience: Duration::from_millis(300),
        request_patience: Duration::from_secs(1),
        longest_connection: Duration::from_secs(60),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off() {
    let edge = Edge::within(impatient()).await;
    let head = edge.signed(SHOP, &Asked::get("/v1/wallets")).head();
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let dripping = async {
        for byte in head.bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    // The whole head would take 50 ms for each of its several hundred bytes.
    assert!(head.len() > 200);
    timeout(Duration::from_secs(8), dripping)
        .await
        .expect("cut off");
}

#[tokio::test]
async fn a_body_that_drips_in_is_given_up() {
    let edge = Edge::within(impatient()).await;
    let bytes = edge
        .signed(SHOP, &Asked::post("/v1/withdrawals", WITHDRAWAL))
        .bytes();
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(&bytes[..bytes.len() - 20]).await.unwrap();
    Answer::read(&read_to_end(&mut stream).await).is_problem(408, "timeout");
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_quiet_connection_is_closed() {
    let edge = Edge::within(impatient()).await;
    let mut silent = TcpStream::connect(edge.address).await.unwrap();
    assert!(read_to_end(&mut silent).await.is_empty());
    // Also one that was used before.
    let request = edge.signed(ALICE, &Asked::get("/v1/wallets"));
    let mut used = TcpStream::connect(edge.address).await.unwrap();
    used.write_all(format!("{}\r\n", request.head()).as_bytes())
        .await
        .unwrap();
    assert_eq!(Answer::read(&read_to_end(&mut used).await).status, 200);
}

#[tokio::test]
async fn a_connection_ends_after_its_longest_time_between_two_requests() {
    let edge = Edge::within(Limits {
        longest_connection: Duration::from_millis(500),
        head_patience: Duration::from_secs(60),
        ..impatient()
    })
    .await;
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    let began = Instant::now();
    let mut answers = 0;
    while began.elapsed() < Duration::from_secs(10) {
        let head = edge.signed(ALICE, &Asked::get("/v1/wallets")).head();
        if stream
            .write_all(format!("{head}\r\n").as_bytes())
            .await
            .is_err()
        {
            break;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(length @ 1..) => answers += usize::from(part[..length].starts_with(b"HTTP/1.1 200")),
            _ => break,
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        answers > 1 && began.elapsed() < Duration::from_secs(10),
        "{answers}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_idle_connections_hold_few_places_and_keep_nobody_out_for_long() {
    let edge = Edge::within(impatient()).await;
    let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(edge.address).await.unwrap());
    }
    // The clients' ends are in this process too.
    let held = open_files() - before - idle.len();
    assert!(
        held <= impatient().connections + 8,
        "{held} connections are held"
    );
    assert_eq!(edge.get(ALICE, "/v1/wallets").await.status, 200);
}

#[tokio::test]
async fn a_fifth_bundle_waits_until_one_of_four_is_in() {
    let edge = Edge::start().await;
    let mut coming = Vec::new();
    for _ in 0..4 {
        let import = edge.signed(ALICE, &Asked::post("/v1/cold/imports", b"tar"));
        let bytes = import.bytes();
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
        coming.push(stream);
    }
    let turned_away = async {
        loop {
            let answer = edge
                .send(&edge.signed(ALICE, &Asked::post("/v1/cold/imports", b"tar")))
                .await;
            if answer.status == 503 {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = timeout(Duration::from_secs(10), turned_away).await.unwrap();
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(coming);
    let let_in = async {
        while edge.post(ALICE, "/v1/cold/imports", b"tar").await.status != 202 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), let_in)
        .await
        .expect("places come free");
}
