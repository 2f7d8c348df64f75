//! A daemon in a crowd: ten thousand connections that say nothing, and withdrawals that go on.

use std::{net::SocketAddr, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::{
    bad_inputs::PAY,
    house::{Plan, house},
    wire::Speaker,
};

const CROWD: usize = 10_000;

/// Connection number n, of an address that has 400 of them; what it says is no request yet.
async fn idle(address: SocketAddr, number: usize) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let low = u8::try_from(number / 400 + 1).ok()?;
    socket.bind(SocketAddr::from(([127, 4, 0, low], 0))).ok()?;
    let connecting = tokio::time::timeout(Duration::from_secs(20), socket.connect(address));
    let mut stream = connecting.await.ok()?.ok()?;
    let _ = stream
        .write_all(b"POST /v1/withdrawals HTTP/1.1\r\nhost: ")
        .await;
    Some(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_go_on_while_ten_thousand_connections_idle() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let house = house(Plan {
        litecoin: false,
        extra_config: "[http.limits]\nconnections = 1000\n".to_owned(),
        ..Plan::default()
    })
    .await;
    let address = house.daemon.url().replace("http://", "").parse().unwrap();
    let exchange = Speaker::of(&house, "client/exchange");
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        crowd.extend(idle(address, number).await);
        if number % 1_000 == 500 {
            // More than any rule allows: taken, judged, and nothing goes out.
            let body = crate::bad_inputs::spoilt("amount", "\"11\"");
            let key = format!("crowd-{number}");
            let answer = exchange.post(PAY, Some(&key), &body);
            assert_eq!(answer.status, 201, "{number}: {answer:?}");
        }
    }
    assert_eq!(crowd.len(), CROWD);
    let files = format!("/proc/{}/fd", house.daemon.pid());
    let held = std::fs::read_dir(files).unwrap().count();
    assert!(held < 1_200, "{held} descriptors are open");
    let ready = house.daemon.get("/readyz").unwrap();
    assert_eq!(ready.status, 200);
    drop(crowd);
}
