//! A policy that has payouts screened: a daemon that asks a real server on loopback, which passes, refuses, or says nothing.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    governance::verified,
    house::{
        House, LONG, Plan, SOMEBODY, ask, default_policy, fund_ether, house, id_of, readyz,
        until_final, until_state, withdraw,
    },
    typed::ctl,
};

/// How the service answers whatever it is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Passes,
    Refuses,
    /// Takes the question and says nothing.
    Silent,
}

/// A screening service, and what it was asked.
struct Service {
    url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            url: format!("http://{}/payouts", listener.local_addr().unwrap()),
            mood: Arc::new(Mutex::new(mood)),
            asked: Arc::default(),
        };
        let (mood, asked) = (Arc::clone(&service.mood), Arc::clone(&service.asked));
        // Lives as long as the test's process.
        std::thread::spawn(move || {
            let mut kept_waiting = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(question) = question(&mut stream) else {
                    continue;
                };
                let id = question["withdrawal"].clone();
                asked.lock().unwrap().push(question);
                let answer = match *mood.lock().unwrap() {
                    Mood::Passes => json!({ "withdrawal": id, "decision": "pass" }),
                    Mood::Refuses => {
                        json!({ "withdrawal": id, "decision": "refuse", "reason": "on list X since May" })
                    }
                    Mood::Silent => {
                        kept_waiting.push(stream);
                        continue;
                    }
                };
                let body = answer.to_string();
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
                let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
            }
        });
        service
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked about a payout.
    fn times_asked(&self, id: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|q| q["withdrawal"] == id).count()
    }
}

/// What is asked; nothing by a daemon that is killed while it asks.
fn question(stream: &mut TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(written) = line.strip_prefix("content-length:") {
            length = written.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A house whose policy wants payouts to new destinations screened, by this service.
async fn screened_house(service: &Service, deadline: &str) -> House {
    let policy = default_policy();
    let screening = format!(
        "cool_off = \"24h\"\nscreening = {{ required_for = [\"new\"], deadline = \"{deadline}\" }}"
    );
    assert!(policy.contains("cool_off = \"24h\""));
    let house = house(Plan {
        litecoin: false,
        policy: Some(policy.replace("cool_off = \"24h\"", &screening)),
        extra_config: format!(
            "[screening]\nurl = \"{}\"\ndeadline_ms = 60000",
            service.url
        ),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_screening_passes_is_paid_and_what_it_refuses_or_leaves_unanswered_is_denied() {
    let service = Service::start(Mood::Passes);
    let house = screened_house(&service, "2s").await;
    let client = house.client_as("client/exchange").unwrap();
    let passed = withdraw(&client, "passed", &ask("ETH", "0.3", SOMEBODY)).await;
    until_final(&house, &client, id_of(&passed)).await;
    let asked = service.asked.lock().unwrap()[0].clone();
    assert_eq!(
        (&asked["amount"], &asked["destination"], &asked["initiator"]),
        (&json!("0.3"), &json!(SOMEBODY), &json!("client/exchange"))
    );
    // A pass is no approval: people are asked as ever.
    let large = withdraw(&client, "large", &ask("ETH", "1.2", SOMEBODY)).await;
    until_state(&house, &client, id_of(&large), "awaiting_approval").await;

    service.becomes(Mood::Refuses);
    let refused = withdraw(&client, "refused", &ask("ETH", "0.3", SOMEBODY)).await;
    let refused = until_state(&house, &client, id_of(&refused), "denied").await;
    let why = refused["state_detail"].as_str().unwrap();
    assert!(why.contains("on list X since May"), "{refused}");

    service.becomes(Mood::Silent);
    let late = withdraw(&client, "late", &ask("ETH", "0.3", SOMEBODY)).await;
    let late = until_state(&house, &client, id_of(&late), "denied").await;
    let why = late["state_detail"].as_str().unwrap();
    assert!(why.contains("no answer in time"), "{late}");
    // Other payouts go on, and whoever looks after the daemon is told until somebody answers again.
    let told = readyz(&house);
    assert_eq!(
        (told.0, &told.1["degraded"]),
        (200, &json!(["screening"])),
        "{told:?}"
    );
    service.becomes(Mood::Refuses);
    let again = withdraw(&client, "again", &ask("ETH", "0.3", SOMEBODY)).await;
    until_state(&house, &client, id_of(&again), "denied").await;
    house
        .until("be well again", LONG, async || {
            readyz(&house).1["degraded"].is_null()
        })
        .await
        .unwrap();
    // None of them counts towards a limit any more.
    let limits: Value = client.get("/v1/limits").await.unwrap();
    let mut daily = limits["limits"].as_array().unwrap().iter();
    let daily = daily.find(|l| l["limit"] == "hot-eth-daily").unwrap();
    assert_eq!(daily["used"], "1.5 ETH", "{limits}");
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_waits_for_the_screening_the_daemon_asks_again() {
    let service = Service::start(Mood::Silent);
    let mut house = screened_house(&service, "60s").await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "asked", &ask("ETH", "0.3", SOMEBODY)).await;
    let id = id_of(&asked);
    let shown = ctl(&house, "client/exchange", &["show", id]);
    assert!(
        shown.done().row("state").starts_with("screening: "),
        "what a person sees meanwhile"
    );
    house
        .until("ask the screening", LONG, async || {
            service.times_asked(id) == 1
        })
        .await
        .unwrap();
    house.daemon.kill9().unwrap();
    service.becomes(Mood::Passes);
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    until_final(&house, &client, id).await;
    assert_eq!(service.times_asked(id), 2);
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_back_after_the_deadline_the_daemon_denies() {
    let service = Service::start(Mood::Silent);
    let mut house = screened_house(&service, "2s").await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "asked", &ask("ETH", "0.3", SOMEBODY)).await;
    house.daemon.kill9().unwrap();
    // Whoever would have passed it is asked too late.
    service.becomes(Mood::Passes);
    let deadline = asked["created_at"].as_u64().unwrap() + 2_000;
    let over = async || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_millis() > u128::from(deadline)
    };
    house.until("pass the deadline", LONG, over).await.unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let denied = until_state(&house, &client, id_of(&asked), "denied").await;
    let why = denied["state_detail"].as_str().unwrap();
    assert!(why.contains("no answer in time"), "{denied}");
    assert_eq!(
        readyz(&house).1["degraded"],
        Value::Null,
        "nobody was asked"
    );
    verified(&house);
}
