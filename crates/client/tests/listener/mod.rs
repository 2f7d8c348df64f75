//! A listener that stands at the daemon's end of the wire: it reads requests byte by byte, verifies their signatures as the
//! daemon does, and gives the answers it was told to give.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use custodyd_httpsig::{SignedRequest, SigningKey};

/// An answer to give.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn problem(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/problem+json",
            body: body.to_string().into_bytes(),
        }
    }
}

/// A listener with its answers, one a connection.
pub(crate) struct Listener {
    pub(crate) url: String,
    requests: JoinHandle<Vec<SignedRequest>>,
}

impl Listener {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let requests = std::thread::spawn(move || {
            let serve = |answer| answer_one(socket.accept().unwrap().0, &answer);
            answers.into_iter().map(serve).collect()
        });
        Self { url, requests }
    }

    /// What was asked, after the last answer was given. Every request was signed by `key`, just now.
    pub(crate) fn requests(self, key: &SigningKey) -> Vec<SignedRequest> {
        let requests = self.requests.join().unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        for request in &requests {
            request.verify(&key.verifying_key(), now, 60).unwrap();
        }
        requests
    }

    /// What was asked, unverified.
    #[allow(dead_code, reason = "not every test binary asks without a key")]
    pub(crate) fn unsigned_requests(self) -> Vec<SignedRequest> {
        self.requests.join().unwrap()
    }
}

fn answer_one(mut stream: TcpStream, answer: &Answer) -> SignedRequest {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut start = line.split_whitespace();
    let (method, target) = (start.next().unwrap(), start.next().unwrap());
    let mut request = SignedRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        authority: String::new(),
        content_digest: None,
        content_type: None,
        idempotency_key: None,
        signature_input: String::new(),
        signature: String::new(),
        body: Vec::new(),
    };
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).unwrap();
        let Some((name, value)) = field.trim_end().split_once(": ") else {
            break;
        };
        let value = value.to_owned();
        match name {
            "host" => request.authority = value,
            "content-digest" => request.content_digest = Some(value),
            "content-type" => request.content_type = Some(value),
            "idempotency-key" => request.idempotency_key = Some(value),
            "signature-input" => request.signature_input = value,
            "signature" => request.signature = value,
            "content-length" => request.body = vec![0; value.parse().unwrap()],
            _ => {}
        }
    }
    reader.read_exact(&mut request.body).unwrap();
    write!(
        stream,
        "HTTP/1.1 {} X\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    )
    .unwrap();
    stream.write_all(&answer.body).unwrap();
    request
}
