//! Messages to a real server on loopback that answers as it likes.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp::from_ms(1_614_265_330_000);

/// A server that answers everything with these bytes, and its log of what it was sent. Without bytes it stays silent.
async fn server(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/sesame", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = whole_request(&mut stream).await;
            log.lock().unwrap().push(request);
            let _ = stream.write_all(answer).await;
            if answer.is_empty() {
                open.push(stream);
            }
        }
    });
    (url, heard)
}

async fn whole_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).await.unwrap();
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if text.ends_with('}') {
            return text;
        }
        assert!(count > 0, "an incomplete request: {text}");
    }
}

struct Sent {
    outcome: Result<(), DeliveryFault>,
    _secret: tempfile::NamedTempFile,
}

async fn send(url: &str, timeout_ms: u64) -> Sent {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Made with mode 0600.
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let courier = Courier::new(Recipient {
        id: "shop".to_owned(),
        url: crate::config::parsed_url(url).unwrap(),
        secrets: vec![custodyd_hsm::PinSource::File(secret.path().to_owned())],
        timeout: Duration::from_millis(timeout_ms),
        allow_private: false,
    });
    let message = Message {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
        body: r#"{"test": 2432232314}"#.to_owned(),
    };
    Sent {
        outcome: courier.unwrap().deliver(&message, NOW).await,
        _secret: secret,
    }
}

#[tokio::test]
async fn a_message_carries_the_headers_of_standard_webhooks_and_2xx_is_success() {
    let (url, heard) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    send(&url, 20_000).await.outcome.unwrap();
    let heard = heard.lock().unwrap();
    let [request] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"test": 2432232314}"#);
    for line in [
        "POST /hooks/sesame HTTP/1.1",
        "content-type: application/json",
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}\n{head}");
    }
}

#[tokio::test]
async fn whatever_is_not_2xx_is_a_fault_that_says_neither_url_nor_secret() {
    for (answer, outcome) in [
        (
            b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n".as_slice(),
            "gone",
        ),
        (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "refused"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
            "refused",
        ),
        (b"220 smtp\r\n\r\n", "unreachable"),
        (b"", "late"),
    ] {
        let (url, heard) = server(answer).await;
        let patience = if answer.is_empty() { 100 } else { 20_000 };
        let fault = send(&url, patience).await.outcome.unwrap_err();
        assert_eq!(fault.outcome(), outcome, "{fault}");
        let said = format!("{fault} {fault:?}");
        assert!(!said.contains("sesame") && !said.contains("MfKQ"), "{said}");
        // No redirect was followed, nothing was tried again.
        assert_eq!(heard.lock().unwrap().len(), 1, "{outcome}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let fault = send(&url, 20_000).await.outcome.unwrap_err();
    assert_eq!(fault.outcome(), "unreachable", "{fault}");
}

#[tokio::test]
async fn an_endless_answer_is_read_to_a_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let endless = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        whole_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // Until the other side has enough.
        while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
    });
    send(&url, 20_000).await.outcome.unwrap();
    endless.await.unwrap();
}

#[test]
fn a_url_of_a_private_address_needs_a_permission() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let courier = |url: &str, allow_private| {
        Courier::new(Recipient {
            id: "shop".to_owned(),
            url: crate::config::parsed_url(url).unwrap(),
            secrets: vec![],
            timeout: CONNECT,
            allow_private,
        })
        .map(|courier| courier.id().to_owned())
    };
    for inside in [
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[fd00::1]/",
    ] {
        courier(inside, false).unwrap_err();
        courier(inside, true).unwrap();
    }
    courier("https://127.0.0.1/", false).unwrap();
}
