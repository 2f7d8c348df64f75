//! What must never be told is nowhere: a daemon that logs all it can, given requests good and bad, and then everything that it
//! wrote or answered is searched for every secret of the house.

mod signed_in;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use custodyd_client::KeyFile;
use custodyd_testbed::{Postgres, write_secret};
use custodyd_vault::Decision;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};

use crate::{
    governance::governed_policy,
    house::{House, LONG, Plan, SOMEBODY, ask, decide, fund_ether, house, id_of, pay, withdraw},
    wire::Speaker,
};

/// Secrets by what they are, each in the forms in which it could be written.
type Secrets = Vec<(String, Vec<String>)>;

fn forms(bytes: &[u8]) -> Vec<String> {
    vec![
        hex::encode(bytes),
        hex::encode_upper(bytes),
        STANDARD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        // As `Debug` writes bytes.
        format!("{bytes:?}").trim_matches(['[', ']']).to_owned(),
    ]
}

fn text_forms(text: &str) -> Vec<String> {
    let mut all = forms(text.as_bytes());
    all.push(text.to_owned());
    all
}

/// A secret of a webhook, in a file.
fn planted(folder: &std::path::Path, name: &str, byte: u8) -> (String, Vec<String>) {
    let bytes = [byte; 32];
    let text = format!("whsec_{}", STANDARD.encode(bytes));
    let file = write_secret(folder, name, &text).unwrap();
    let mut written = forms(&bytes);
    written.push(text);
    (file.display().to_string(), written)
}

fn secrets_of(house: &House) -> Secrets {
    let token = house.hsm.token().unwrap();
    let so_pin = fs::read_to_string(token.so_pin_file()).unwrap();
    let mut secrets = vec![
        ("the PIN".to_owned(), text_forms(&token.pin().unwrap())),
        ("the SO PIN".to_owned(), text_forms(so_pin.trim())),
    ];
    for who in [
        "operator/alice",
        "operator/bob",
        "operator/carol",
        "operator/dave",
        "client/exchange",
        "client/payroll",
    ] {
        let key = KeyFile::load(&house.key_file(who)).unwrap();
        secrets.push((format!("{who}'s key"), forms(&key.to_bytes())));
    }
    let cookie = house.litecoind.as_ref().unwrap().cookie_file();
    let cookie = fs::read_to_string(cookie).unwrap();
    let password = cookie.trim().split_once(':').unwrap().1;
    let mut of_node = text_forms(password);
    of_node.extend(text_forms(cookie.trim()));
    secrets.push(("the node's cookie".to_owned(), of_node));
    secrets
}

/// A session of the console, and an invitation's private half: nobody's, so that the daemon says why it takes neither.
const SESSION: [u8; 32] = [0xc5; 32];
const INVITATION: [u8; 32] = [0xd6; 32];

/// Sends to the console what a browser would.
fn browse(house: &House, method: &str, path: &str, body: &str) -> String {
    let origin = house.daemon.url().replace("127.0.0.1", "localhost");
    let host = origin.replace("http://", "");
    let session = URL_SAFE_NO_PAD.encode(SESSION);
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nsec-fetch-site: same-origin\r\n\
         cookie: __Host-custodyd={session}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Good requests and bad ones, and parts that fail: what was answered.
async fn a_busy_day(house: &mut House) -> Vec<String> {
    let client = house.client_as("client/exchange").unwrap();
    let mut answers = Vec::new();
    let paid = pay(house, &client, "k1", &ask("ETH", "0.1", SOMEBODY)).await;
    answers.push(paid.to_string());
    let asked = withdraw(&client, "k2", &ask("ETH", "2", SOMEBODY)).await;
    for operator in ["operator/alice", "operator/bob"] {
        let decided = decide(house, operator, id_of(&asked), Decision::Approve).await;
        answers.push(format!("{decided:?}"));
    }
    let refused = client
        .post_idempotent::<_, Value>("/v1/withdrawals", "k3", &ask("ETH", "no amount", SOMEBODY))
        .await;
    answers.push(format!("{refused:?}"));
    // Another's key, a stranger, a body that is none.
    let forged = Speaker::with_key(house, "operator/bob", "client/payroll");
    for (speaker, body) in [
        (&forged, &br#"{"reason":"x"}"#[..]),
        (&Speaker::of(house, "operator/alice"), &b"{"[..]),
        (
            &Speaker::of(house, "client/payroll"),
            &br#"{"reason":"x"}"#[..],
        ),
    ] {
        answers.push(format!("{:?}", speaker.post("/v1/freeze", None, body)));
    }
    let alice = house.client_as("operator/alice").unwrap();
    let body = json!({ "wallet": "hot-eth", "reason": "a test" });
    let frozen: Result<Value, _> = alice.post("/v1/freeze", &body).await;
    answers.push(format!("{frozen:?}"));
    house
        .until("tell that it is frozen", LONG, async || {
            house.daemon.log().unwrap().contains("\"alert\":\"frozen\"")
        })
        .await
        .unwrap();

    let secret = URL_SAFE_NO_PAD.encode(INVITATION);
    for (method, path, body) in [
        ("GET", "/console", String::new()),
        ("GET", "/console/session", String::new()),
        ("POST", "/console/acts", "{}".to_owned()),
        (
            "POST",
            "/console/enrol/start",
            json!({ "secret": secret }).to_string(),
        ),
        (
            "POST",
            "/console/enrol/start",
            json!({ "secret": format!("{secret}x"), "more": 1 }).to_string(),
        ),
    ] {
        let answer = browse(house, method, path, &body);
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        answers.push(answer);
    }

    // A token that lets nobody in any more, then its daemon's end.
    house.hsm.token().unwrap().lock().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_exit(LONG).unwrap();
    house.hsm.token().unwrap().unlock().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    for path in [
        "/metrics",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/console",
        "/v1/nothing",
    ] {
        answers.push(house.daemon.get(path).unwrap().body);
    }
    // From PostgreSQL too.
    assert!(
        answers
            .iter()
            .any(|page| page.contains("\ncustodyd_inbox_requests 0\n"))
    );
    let (_, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    answers.push(printed);
    let (_, printed) = house.custodyd(&["doctor"]).unwrap();
    for part in ["webhook shop", "alerts", "screening"] {
        assert!(printed.contains(&format!("ok   {part} ")), "{printed}");
    }
    answers.push(printed);
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_log_error_answer_argument_or_environment() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database("custodyd").unwrap();
    let password = database.split([':', '@']).nth(2).unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    // Nobody is there, so that deliveries fail and say so.
    let (alerts, of_alerts) = planted(folder.path(), "alerts.key", 0x41);
    let (shop, of_shop) = planted(folder.path(), "shop.key", 0x42);
    let (screening, of_screening) = planted(folder.path(), "screening.key", 0x43);
    let mut house = house(Plan {
        database: Some(database.clone()),
        policy: Some(governed_policy()),
        extra_config: format!(
            r#"[alerts]
url = "http://127.0.0.1:9/alerts"
secrets = [{{ file = "{alerts}" }}]
allow_private = true
every_s = 1

[[webhooks]]
id = "shop"
url = "http://127.0.0.1:9/shop"
secrets = [{{ file = "{shop}" }}]
allow_private = true

[screening]
url = "http://127.0.0.1:9/screening"
secrets = [{{ file = "{screening}" }}]

[log]
filter = "trace"
json = true
"#
        ),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let mut secrets = secrets_of(&house);
    secrets.extend([
        ("the database's password".to_owned(), text_forms(&password)),
        ("the secret of alerts".to_owned(), of_alerts),
        ("the secret of a webhook".to_owned(), of_shop),
        ("the secret of the screening".to_owned(), of_screening),
        ("a session's token".to_owned(), forms(&SESSION)),
        ("an invitation's secret".to_owned(), forms(&INVITATION)),
    ]);
    let mut answers = signed_in::a_visit(&house, &mut secrets).await;
    answers.extend(a_busy_day(&mut house).await);
    signed_in::over_tls(&mut house, &mut secrets).await;

    let log = house.daemon.log().unwrap();
    for line in [
        "\"level\":\"TRACE\"",
        "\"alert\":\"frozen\"",
        "custodyd::engine",
        "\"request\":",
    ] {
        assert!(log.contains(line), "it is a full log: {line}");
    }
    one_id_through_everything(&log);
    let mut searched = vec![("the log".to_owned(), log)];
    searched.extend(
        answers
            .into_iter()
            .map(|answer| ("an answer".to_owned(), answer)),
    );
    for pid in family(house.daemon.pid()) {
        for file in ["cmdline", "environ"] {
            let read = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&read).into_owned();
            searched.push((format!("{file} of {pid}"), text));
        }
    }
    assert!(searched.len() > 15);
    for (what, forms) in &secrets {
        for form in forms {
            assert!(form.len() >= 8, "{what} is too short to be searched for");
            for (place, text) in &searched {
                let found = text.find(form.as_str());
                let around = found.map(|at| {
                    let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
                    text[start..at].chars().take(300).collect::<String>()
                });
                assert_eq!(around, None, "{what} is in {place}");
            }
        }
    }
}

/// What the API and the engine log of one request carries the id under which its withdrawal is found.
fn one_id_through_everything(log: &str) {
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut target = line["target"].as_str().unwrap_or_default().split("::");
        let part = target.nth(1).unwrap_or_default().to_owned();
        for span in line["spans"].as_array().into_iter().flatten() {
            if let Some(request) = span["request"].as_str() {
                let parts = said.entry(request.to_owned()).or_default();
                parts.insert(part.clone());
            }
        }
    }
    let both = |parts: &&BTreeSet<String>| ["http", "engine"].iter().all(|p| parts.contains(*p));
    let through = said.values().filter(both).count();
    assert!(through >= 5, "{through} of {}", said.len());
}

/// A process and those that it started.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let found: Vec<u32> = children
            .flat_map(|list| {
                list.split_whitespace()
                    .map(|pid| pid.parse().unwrap())
                    .collect::<Vec<_>>()
            })
            .collect();
        all.extend(found);
        next += 1;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_leaves_no_core_file_where_another_program_does() {
    // As on a machine that keeps them.
    let most = getrlimit(Resource::Core).maximum;
    let kept = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Core, kept).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut other = Command::new("sleep")
        .arg("600")
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    abort(other.id());
    let keeps_cores = other.wait().unwrap().core_dumped();

    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    abort(house.daemon.pid());
    let ended = house.daemon.wait_exit(LONG).unwrap();
    assert_eq!(ended.signal(), Some(Signal::ABORT.as_raw()), "{ended}");
    if !keeps_cores {
        eprintln!("this machine keeps no core files, so that there is none shows little");
    }
    assert!(!ended.core_dumped());
}

fn abort(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::ABORT).unwrap();
}
