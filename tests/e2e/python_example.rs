//! examples/python against a real daemon, as its README has it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_testbed::{Plan, project, write_secret};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    house::{LONG, SOMEBODY, ask, ethereum_house, house, mine, show, withdraw},
    python,
};

#[tokio::test]
async fn the_python_example_asks_for_a_withdrawal_and_follows_it_to_its_end() {
    let house = ethereum_house().await;
    let withdraw = |order: &str, amount: &str, to: &str| {
        let mut command = python::program("python");
        command
            .arg(project().join("examples/python/withdraw.py"))
            .args(["--url", &house.daemon.url(), "--as", "client/exchange"])
            .arg("--key")
            .arg(house.key_file("client/exchange"))
            .args(["--asset", "ETH", "--amount", amount])
            .args(["--to", to, "--order", order])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let mut paying = withdraw("order-7", "0.25", SOMEBODY).spawn().unwrap();
    let mut printed = BufReader::new(paying.stdout.take().unwrap());
    let mut first = String::new();
    printed.read_line(&mut first).unwrap();
    let id = first.split_whitespace().next().unwrap().to_owned();
    let exchange = house.client_as("client/exchange").unwrap();
    house
        .until("be sent", LONG, async || {
            show(&exchange, &id).await["state"] == "broadcast"
        })
        .await
        .unwrap();
    mine(&house, 2);
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert!(paying.wait().unwrap().success(), "{first}{rest}");
    assert_eq!(rest.lines().last().unwrap().trim(), format!("{id} final"));
    let document = show(&exchange, &id).await;
    assert_eq!(document["amount"], "0.25");
    assert_eq!(document["reference"], "order-7");

    // The same order again is the same withdrawal, and nothing is paid twice.
    let again = withdraw("order-7", "0.25", SOMEBODY).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert_eq!(
        String::from_utf8_lossy(&again.stdout).trim(),
        format!("{id} final")
    );
    let refused = withdraw("order-8", "0.25", "0xnowhere").output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("urn:custodyd:problem:destination"), "{said}");
}

/// The example's receiver, until it is dropped.
struct Receiver {
    process: Child,
    address: String,
    printed: BufReader<std::process::ChildStdout>,
}

impl Receiver {
    fn start(secret: &Path) -> Self {
        let mut process = python::program("python")
            .arg(project().join("examples/python/receive.py"))
            .args(["--listen", "127.0.0.1:0", "--secret"])
            .arg(secret)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut receiver = Self {
            printed: BufReader::new(process.stdout.take().unwrap()),
            address: String::new(),
            process,
        };
        let listening = receiver.line();
        receiver.address = listening.strip_prefix("listening on ").unwrap().to_owned();
        receiver
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.printed.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a message as Standard Webhooks writes it; gives the status.
    fn send(&self, id: &str, at_s: u64, signature: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {at_s}\r\nwebhook-signature: v1,{signature}\r\nConnection: close\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_python_example_takes_a_message_once_and_only_as_it_was_signed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("webhook.secret");
    let key = [7_u8; 32];
    fs::write(&secret, format!("whsec_{}\n", STANDARD.encode(key))).unwrap();
    let mut receiver = Receiver::start(&secret);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_secs();
    // https://www.standardwebhooks.com: HMAC-SHA256 over "id.timestamp.body".
    let sign = |id: &str, at_s: u64, body: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{at_s}.{body}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let body = r#"{"type":"withdrawal.final","data":{"amount":"0.25"}}"#;
    let signature = sign("msg_1", now, body);
    let altered = body.replace("0.25", "2.5");
    assert_eq!(receiver.send("msg_1", now, &signature, &altered), 401);
    assert_eq!(receiver.send("msg_2", now, &signature, body), 401);
    let old = now - 3_600;
    assert_eq!(
        receiver.send("msg_1", old, &sign("msg_1", old, body), body),
        401
    );
    assert_eq!(receiver.send("msg_1", now, &signature, body), 204);
    assert_eq!(receiver.send("msg_1", now, &signature, body), 204);
    let last = r#"{"type":"withdrawal.denied","data":{}}"#;
    assert_eq!(
        receiver.send("msg_3", now, &sign("msg_3", now, last), last),
        204
    );
    assert!(receiver.line().contains("withdrawal.final"));
    assert!(receiver.line().contains("withdrawal.denied"), "each once");
}

#[tokio::test]
async fn the_python_example_hears_of_a_withdrawal_from_the_daemon_itself() {
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("whsec_{}", STANDARD.encode([9_u8; 32]));
    let secret = write_secret(folder.path(), "webhook.secret", &secret).unwrap();
    let mut receiver = Receiver::start(&secret);
    let house = house(Plan {
        litecoin: false,
        extra_config: format!(
            "[[webhooks]]\nid = \"python\"\nurl = \"http://{}\"\nsecrets = [{{ file = \"{}\" }}]\n\
             types = [\"withdrawal.denied\"]\n",
            receiver.address,
            secret.display()
        ),
        ..Plan::default()
    })
    .await;
    let exchange = house.client_as("client/exchange").unwrap();
    let denied = withdraw(&exchange, "k1", &ask("ETH", "50", SOMEBODY)).await;
    let heard: Value = serde_json::from_str(&receiver.line()).unwrap();
    assert_eq!(heard["type"], "withdrawal.denied");
    assert_eq!(heard["data"]["id"], denied["id"]);
}
