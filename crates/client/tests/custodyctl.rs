//! The program as a person or a script runs it: what it prints, and its exit codes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use custodyd_client::KeyFile;
use custodyd_httpsig::SigningKey;
use serde_json::{Value, json};

mod document;
mod listener;
use document::awaiting_approval;
use listener::{Answer, Listener};

const ID: &str = "wd_00112233445566778899aabbccddeeff";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        KeyFile::generate(&folder.path().join("key.pem")).unwrap();
        Self { folder }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn key(&self) -> SigningKey {
        KeyFile::load(&self.key_file()).unwrap()
    }

    fn run(&self, url: &str, principal: &str, line: &str) -> Output {
        let mut command = bare();
        command
            .args(line.split_whitespace())
            .args(["--url", url, "--as", principal, "--key"])
            .arg(self.key_file())
            .current_dir(self.folder.path());
        command.output().unwrap()
    }
}

/// The program without anything from this environment.
fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custodyctl"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn keygen_prints_the_public_key_and_nothing_of_the_secret() {
    let desk = Desk::new();
    let path = desk.folder.path().join("bob.pem");
    let made = bare()
        .args(["keygen", "--out"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(0));
    let public = KeyFile::load(&path).unwrap().verifying_key();
    assert_eq!(out(&made).trim(), hex::encode(public.as_bytes()));
    assert_eq!(err(&made), "");
    let again = bare()
        .args(["keygen", "--out"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(err(&again).lines().count(), 1);
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let desk = Desk::new();
    let url = "http://127.0.0.1:9";
    for output in [
        bare().args(["show", "wd_1"]).output().unwrap(),
        bare().args(["frobnicate"]).output().unwrap(),
        bare()
            .args(["withdraw", "--asset", "LTC"])
            .output()
            .unwrap(),
        bare().args(["wallets"]).output().unwrap(),
        bare().args(["wallets", "--url", url]).output().unwrap(),
        desk.run("http://custody.example", "client/exchange", "wallets"),
        desk.run(url, "exchange", "wallets"),
        desk.run(url, "client/exchange", "wallets --key absent.pem"),
    ] {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(err(&output).lines().count(), 1, "{output:?}");
        assert!(err(&output).starts_with("custodyctl: "), "{output:?}");
        assert_eq!(out(&output), "");
    }
}

#[test]
fn nobody_there_is_exit_code_3_and_says_how_to_repeat_safely() {
    let desk = Desk::new();
    let line = "withdraw --vault main --asset LTC --amount 1 --to rltc1q --reference r --idempotency-key k-1";
    let output = desk.run("http://127.0.0.1:9", "client/exchange", line);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(err(&output).lines().count(), 1);
    assert!(err(&output).contains("--idempotency-key k-1"));
}

#[test]
fn a_fault_of_the_daemon_says_how_to_repeat_safely() {
    let desk = Desk::new();
    let line = "withdraw --vault main --asset LTC --amount 1 --to rltc1q --reference r --idempotency-key k-1";
    let garbled = Answer {
        status: 200,
        content_type: "application/json",
        body: b"{}".to_vec(),
    };
    let unavailable = Answer::problem(503, &json!({"title": "Unavailable"}));
    for answer in [garbled, unavailable] {
        let listener = Listener::start(vec![answer]);
        let output = desk.run(&listener.url, "client/exchange", line);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(err(&output).contains("--idempotency-key k-1"), "{output:?}");
    }
}

#[test]
fn a_refusal_is_one_line_and_exit_code_1() {
    let desk = Desk::new();
    let problem =
        json!({"title": "Amount", "detail": "amount: 1e18 is\nnot a decimal number \u{1b}[2J"});
    let listener = Listener::start(vec![Answer::problem(422, &problem)]);
    let line = "withdraw --vault main --asset LTC --amount 1e18 --to rltc1q --reference r";
    let output = desk.run(&listener.url, "client/exchange", line);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "custodyctl: Amount: amount: 1e18 is not a decimal number \\u{1b}[2J\n"
    );
    let request = &listener.requests(&desk.key())[0];
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({"vault": "main", "asset": "LTC", "amount": "1e18", "destination": "rltc1q", "reference": "r"})
    );
    assert!(request.idempotency_key.is_some());
}

#[test]
fn an_approval_shows_the_effects_and_signs_them() {
    let desk = Desk::new();
    let listener = Listener::start(vec![
        Answer::json(&awaiting_approval()),
        Answer::json(&json!({"state": "approved"})),
    ]);
    let output = desk.run(
        &listener.url,
        "operator/alice",
        &format!("approve {ID} --yes"),
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(out(&output), "state: approved\n");
    let shown = err(&output);
    for part in [
        "1.5 LTC",
        "rltc 1qw5 08d6",
        "litecoin-regtest",
        "wallet warm-ltc (warm) of vault main",
        "rule warm-needs-two asks for 2 of treasury",
        "2 of treasury",
        "approve by bob",
        "good until",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let requests = listener.requests(&desk.key());
    assert_eq!(requests[0].target, format!("/v1/withdrawals/{ID}"));
    assert_eq!(
        requests[1].target,
        format!("/v1/withdrawals/{ID}/approvals")
    );
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    let statement: custodyd_vault::Statement =
        serde_json::from_value(body["statement"].clone()).unwrap();
    let signature: custodyd_vault::RawSignature =
        serde_json::from_value(body["signature"].clone()).unwrap();
    assert!(statement.is_signed_by(
        &[desk.key().verifying_key().into()],
        None,
        &signature.into()
    ));
    assert_eq!(statement.operator.to_string(), "alice");
}

#[test]
fn without_a_terminal_an_approval_needs_yes_and_sends_nothing() {
    let desk = Desk::new();
    let listener = Listener::start(vec![Answer::json(&awaiting_approval())]);
    let output = desk.run(&listener.url, "operator/alice", &format!("approve {ID}"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(listener.requests(&desk.key()).len(), 1);
}

#[test]
fn a_daemon_that_proposes_other_effects_gets_no_signature() {
    let desk = Desk::new();
    let mut document = awaiting_approval();
    document["statement"]["effects"]["amount"] = json!("15 LTC");
    let listener = Listener::start(vec![Answer::json(&document)]);
    let output = desk.run(
        &listener.url,
        "operator/alice",
        &format!("approve {ID} --yes"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("different amount"), "{output:?}");
    assert_eq!(listener.requests(&desk.key()).len(), 1);
}

#[test]
fn another_withdrawals_document_is_refused() {
    let desk = Desk::new();
    let listener = Listener::start(vec![Answer::json(&awaiting_approval())]);
    let other = "wd_ffffffffffffffffffffffffffffffff";
    let output = desk.run(
        &listener.url,
        "operator/alice",
        &format!("approve {other} --yes"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(listener.requests(&desk.key()).len(), 1);
}

#[test]
fn waiting_goes_on_until_the_state_is_reached_and_a_denial_is_exit_code_1() {
    let desk = Desk::new();
    let in_state = |state: &str| {
        let mut document = awaiting_approval();
        document["state"] = json!(state);
        Answer::json(&document)
    };
    let line = "withdraw --vault main --asset LTC --amount 1.5 --to rltc1q --reference r --wait broadcast --json";
    let listener = Listener::start(vec![
        in_state("awaiting_approval"),
        in_state("signing"),
        in_state("confirmed"),
    ]);
    let output = desk.run(&listener.url, "client/exchange", line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["state"], "confirmed");

    let listener = Listener::start(vec![in_state("received"), in_state("denied")]);
    let output = desk.run(&listener.url, "client/exchange", line);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("is denied: rule warm-needs-two"),
        "{output:?}"
    );
}

#[test]
fn the_vault_is_the_daemons_only_one_unless_named() {
    let desk = Desk::new();
    let line = "withdraw --asset LTC --amount 1.5 --to rltc1q --reference r";
    let wallets = |vaults: &[&str]| {
        let items: Vec<Value> = vaults.iter().map(|vault| json!({"vault": vault})).collect();
        Answer::json(&json!({"items": items}))
    };
    let listener = Listener::start(vec![
        wallets(&["main", "main"]),
        Answer::json(&awaiting_approval()),
    ]);
    let output = desk.run(&listener.url, "client/exchange", line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let body: Value = serde_json::from_slice(&listener.requests(&desk.key())[1].body).unwrap();
    assert_eq!(body["vault"], "main");

    for vaults in [vec![], vec!["main", "other"]] {
        let listener = Listener::start(vec![wallets(&vaults)]);
        let output = desk.run(&listener.url, "client/exchange", line);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_client_cancels_without_a_statement_and_an_operator_with_one() {
    let desk = Desk::new();
    let cancelled = || Answer::json(&json!({"state": "cancelled"}));
    let listener = Listener::start(vec![
        cancelled(),
        Answer::json(&awaiting_approval()),
        cancelled(),
    ]);
    let url = listener.url.clone();
    for principal in ["client/exchange", "operator/alice"] {
        let output = desk.run(&url, principal, &format!("cancel {ID}"));
        assert_eq!(out(&output), "state: cancelled\n", "{output:?}");
    }
    let requests = listener.requests(&desk.key());
    let target = format!("/v1/withdrawals/{ID}/cancellation");
    assert_eq!((&requests[0].target, requests[0].body.len()), (&target, 0));
    assert_eq!(requests[2].target, target);
    let body: Value = serde_json::from_slice(&requests[2].body).unwrap();
    assert_eq!(body["statement"]["decision"], "cancel");
}

#[test]
fn lists_are_read_to_their_end() {
    let desk = Desk::new();
    let listener = Listener::start(vec![
        Answer::json(&json!({"items": [awaiting_approval()], "next": "a/b"})),
        Answer::json(&json!({"items": [awaiting_approval()], "next": null})),
    ]);
    let output = desk.run(
        &listener.url,
        "client/exchange",
        "list --state awaiting_approval",
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(out(&output).lines().count(), 2);
    let requests = listener.requests(&desk.key());
    assert_eq!(
        requests[1].target,
        "/v1/withdrawals?state=awaiting_approval&cursor=a%2Fb"
    );
}

#[test]
fn a_bundle_goes_to_a_new_folder_once_it_is_built_and_comes_back() {
    let desk = Desk::new();
    let source = desk.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("manifest.json"), "{}").unwrap();
    let tar = custodyd_client::pack(&source).unwrap();
    let listener = Listener::start(vec![
        Answer::json(&json!({"id": "ex_00112233445566778899aabbccddeeff"})),
        Answer::problem(409, &json!({"title": "Not built yet"})),
        Answer {
            status: 200,
            content_type: "application/x-tar",
            body: tar.clone(),
        },
        Answer::json(&json!({"state": "imported"})),
    ]);
    let url = listener.url.clone();
    let exported = desk.run(
        &url,
        "operator/alice",
        "export --wallet cold-ltc --out bundle",
    );
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    let manifest = desk.folder.path().join("bundle/manifest.json");
    assert_eq!(std::fs::read(manifest).unwrap(), b"{}");
    let again = desk.run(
        &url,
        "operator/alice",
        "export --wallet cold-ltc --out bundle",
    );
    assert_eq!(again.status.code(), Some(2));
    let imported = desk.run(&url, "operator/alice", "import bundle");
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");

    let requests = listener.requests(&desk.key());
    assert_eq!(requests[0].body, br#"{"wallet":"cold-ltc"}"#);
    assert_eq!(requests[3].body, tar);
}

#[test]
fn health_needs_no_key() {
    let listener = Listener::start(vec![
        Answer::json(&json!({"status": "alive"})),
        Answer::problem(
            503,
            &json!({"title": "Not ready", "detail": "node litecoin-regtest is down"}),
        ),
    ]);
    let output = bare()
        .args(["health", "--url", &listener.url])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("node litecoin-regtest is down"));
    assert_eq!(listener.unsigned_requests()[0].signature, "");
}

#[test]
fn the_tokens_are_a_table_that_says_which_one_is_out_and_why() {
    let desk = Desk::new();
    let token = |name: &str, health: &str, reason: Option<&str>| {
        json!({
            "name": name, "health": health, "reason": reason, "device": {"serial": "0a1b"},
            "signatures": 1200, "failures": 3, "missing_keys": 0, "restarts": 1,
        })
    };
    let listener = Listener::start(vec![Answer::json(&json!({"tokens": [
        token("hsm-a", "up", None),
        token("hsm-b", "out", Some("C_Sign failed with CKR_DEVICE_REMOVED\u{1b}[2J")),
    ]}))]);
    let output = desk.run(&listener.url, "operator/alice", "hsm");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = out(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 4, "{printed}");
    assert!(
        lines[1].starts_with("hsm-a ") && lines[1].contains(" up ") && lines[1].contains("0a1b")
    );
    assert!(lines[2].starts_with("hsm-b ") && lines[2].contains(" out "));
    assert!(lines[3].contains("CKR_DEVICE_REMOVED") && !printed.contains('\u{1b}'));
    assert_eq!(listener.requests(&desk.key())[0].target, "/v1/hsm");
}
