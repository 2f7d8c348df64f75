//! An outbox before a real server on loopback.

use custodyd_hsm::PinSource;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::config::{Recipient, parsed_url};

/// A server that takes everything, and what it was sent: ids, as they came.
async fn server() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let (heard, ids) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.ends_with('}') {
                let mut chunk = [0; 4_096];
                let count = stream.read(&mut chunk).await.unwrap();
                assert!(count > 0, "an incomplete request: {text}");
                text.push_str(&String::from_utf8_lossy(&chunk[..count]));
            }
            let id = text
                .lines()
                .find_map(|line| line.strip_prefix("webhook-id: "));
            heard.send(id.unwrap().to_owned()).unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    (url, ids)
}

#[tokio::test]
async fn what_finds_no_room_is_sent_from_the_spool_once_there_is_some() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (url, mut ids) = server().await;
    // Made with mode 0600.
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let courier = Courier::new(Recipient {
        id: "alerts".to_owned(),
        url: parsed_url(&url).unwrap(),
        secrets: vec![PinSource::File(secret.path().to_owned())],
        timeout: Duration::from_secs(20),
        allow_private: false,
    });
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path().to_owned()).unwrap();
    let letter = |number: u32| Letter {
        message: Message {
            id: format!("alert_{number:03}"),
            body: r#"{"type":"alert.firing","timestamp":1,"data":{}}"#.to_owned(),
        },
        raised: Timestamp::from_ms(1),
    };
    // More than are read at once: only the first was handed in, the others found no room.
    for number in 0..300 {
        spool.keep(&letter(number).message).await;
    }
    let overflow = Arc::new(AtomicBool::new(true));
    let outbox = Outbox {
        courier: courier.unwrap(),
        clock: Clock::of(|| Timestamp::from_ms(1)),
        pulse: Arc::default(),
        give_up: Duration::from_secs(60),
        spool: Some(spool.clone()),
        overflow: Arc::clone(&overflow),
    };
    let (out, letters) = mpsc::channel(1);
    out.send(letter(0)).await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let running = tokio::spawn(outbox.run(Vec::new(), letters, stopped));
    for number in 0..300 {
        let id = tokio::time::timeout(Duration::from_secs(60), ids.recv()).await;
        assert_eq!(id.unwrap().unwrap(), format!("alert_{number:03}"));
    }
    drop(out);
    running.await.unwrap();
    assert!(spool.left().letters.is_empty());
    assert!(!overflow.load(Ordering::Relaxed));
}
