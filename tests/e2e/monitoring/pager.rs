//! Whoever is told of alerts: a real server on loopback that verifies each message as Standard Webhooks has it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_testbed::write_secret;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::house::{House, LONG};

/// What messages are signed with.
const SECRET: [u8; 32] = [0x5a; 32];

/// A pager, and what it was told.
pub(crate) struct Pager {
    address: String,
    told: Arc<Mutex<Vec<Value>>>,
    asleep: Arc<AtomicBool>,
    secret_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Pager {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let secret = format!("whsec_{}", STANDARD.encode(SECRET));
        let pager = Self {
            address: listener.local_addr().unwrap().to_string(),
            told: Arc::default(),
            asleep: Arc::default(),
            secret_file: write_secret(folder.path(), "pager.key", &secret).unwrap(),
            _folder: folder,
        };
        let (told, asleep) = (Arc::clone(&pager.told), Arc::clone(&pager.asleep));
        // Lives as long as the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(message) = message(&mut stream) else {
                    continue;
                };
                let word = if asleep.load(Ordering::SeqCst) {
                    "503 Service Unavailable"
                } else {
                    told.lock().unwrap().push(message);
                    "204 No Content"
                };
                let _ = write!(stream, "HTTP/1.1 {word}\r\nconnection: close\r\n\r\n");
            }
        });
        pager
    }

    /// The lines of custodyd.toml that name it, with thresholds that a test can wait for.
    pub(crate) fn config(&self, more: &str) -> String {
        format!(
            "[alerts]\nurl = \"http://{}/alerts\"\nsecrets = [{{ file = \"{}\" }}]\nallow_private = true\n\
             patience_s = 1\ncalm_s = 1\nevery_s = 1\n{more}\n",
            self.address,
            self.secret_file.display()
        )
    }

    /// Whether it refuses what it is told.
    pub(crate) fn sleeps(&self, asleep: bool) {
        self.asleep.store(asleep, Ordering::SeqCst);
    }

    /// What it was told of this kind.
    pub(crate) fn told(&self, phase: &str, kind: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        let of_kind = told
            .iter()
            .filter(|message| message["type"] == phase && message["data"]["kind"] == kind);
        of_kind.map(|message| message["data"].clone()).collect()
    }

    /// Waits until it was told, and gives what.
    pub(crate) async fn until(&self, house: &House, phase: &str, kind: &str) -> Value {
        house
            .until("send the alert", LONG, async || {
                !self.told(phase, kind).is_empty()
            })
            .await
            .unwrap_or_else(|e| panic!("{phase} {kind}: {e}"));
        self.told(phase, kind).swap_remove(0)
    }
}

/// What is sent, its signature verified; nothing by a daemon that goes away meanwhile.
fn message(stream: &mut TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut headers = std::collections::BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = vec![0; headers["content-length"].parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let [id, at, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| &headers[name]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(*signature, expected);
    assert!(id.starts_with("alert_"), "{id}");
    Some(serde_json::from_slice(&body).unwrap())
}
