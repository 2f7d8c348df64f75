//! Somebody who is told of events over HTTP: a real server that answers as it likes, and believes only what the reference
//! implementation of Standard Webhooks verifies.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use standardwebhooks::Webhook;

use crate::house::{House, LONG};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    /// HTTP 500 to everything.
    Fails,
    /// HTTP 500 to what is about this withdrawal.
    FailsAbout(String),
    /// HTTP 410.
    Gone,
}

/// A message as it came, whatever was answered.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) id: String,
    pub(super) body: Value,
    pub(super) taken: bool,
}

impl Heard {
    pub(super) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    pub(super) fn about(&self, id: &str) -> bool {
        self.body["data"]["id"] == id
    }
}

/// Somebody who is told of events, and believes only what is signed.
pub(super) struct Receiver {
    url: String,
    mood: Arc<Mutex<Mood>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    _secret: tempfile::NamedTempFile,
    secret: String,
}

impl Receiver {
    pub(super) fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Made with mode 0600.
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), SECRET).unwrap();
        let receiver = Self {
            url: format!("http://{}/hooks", listener.local_addr().unwrap()),
            mood: Arc::new(Mutex::new(mood)),
            heard: Arc::default(),
            secret: secret.path().display().to_string(),
            _secret: secret,
        };
        let (mood, heard) = (Arc::clone(&receiver.mood), Arc::clone(&receiver.heard));
        // Lives as long as the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, heard) = (Arc::clone(&mood), Arc::clone(&heard));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some((headers, body)) = request(&mut stream) {
                        let status = take(&headers, &body, &mood, &heard);
                        let head = "connection: close\r\ncontent-length: 0\r\n\r\n";
                        let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}");
                    }
                });
            }
        });
        receiver
    }

    pub(super) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Its lines in custodyd.toml.
    pub(super) fn config(&self, id: &str, more: &str) -> String {
        format!(
            "\n[[webhooks]]\nid = \"{id}\"\nurl = \"{}\"\nsecrets = [{{ file = \"{}\" }}]\n{more}\n",
            self.url, self.secret
        )
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The types of what it took about a withdrawal, in the order in which it came.
    pub(super) fn life_of(&self, id: &str) -> Vec<String> {
        let heard = self.heard();
        let about = heard.iter().filter(|heard| heard.taken && heard.about(id));
        about.map(|heard| heard.kind().to_owned()).collect()
    }

    pub(super) async fn until_life(&self, house: &House, id: &str, life: &[&str]) {
        let arrived = house.until("tell it", LONG, async || {
            self.life_of(id).len() >= life.len()
        });
        let arrived = arrived.await;
        assert_eq!(self.life_of(id), life, "{arrived:?}");
    }
}

fn request(stream: &mut TcpStream) -> Option<(http::HeaderMap, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert_eq!(line, "POST /hooks HTTP/1.1\r\n");
    let mut headers = http::HeaderMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let name: http::HeaderName = name.parse().unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

fn take(
    headers: &http::HeaderMap,
    body: &[u8],
    mood: &Mutex<Mood>,
    heard: &Mutex<Vec<Heard>>,
) -> &'static str {
    Webhook::new(SECRET).unwrap().verify(body, headers).unwrap();
    let body: Value = serde_json::from_slice(body).unwrap();
    let status = match &*mood.lock().unwrap() {
        Mood::Takes => "204 No Content",
        Mood::FailsAbout(id) if body["data"]["id"] != id.as_str() => "204 No Content",
        Mood::Fails | Mood::FailsAbout(_) => "500 No",
        Mood::Gone => "410 Gone",
    };
    heard.lock().unwrap().push(Heard {
        id: headers["webhook-id"].to_str().unwrap().to_owned(),
        body,
        taken: status.starts_with('2'),
    });
    status
}
