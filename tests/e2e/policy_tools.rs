//! The tools that are tried before a policy is proposed: what they say is what the daemon does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use custodyd_testbed::{House, project};
use custodyd_vault::{Change, Scope};
use serde_json::{Value, json};

use crate::{
    governance::{enact, governed_house, propose, until_meaning},
    house::programs,
};

const CLAIM: &str = "large-payments-take-two-of-treasury";
const TWO: &str = "above = \"5000 USD\", at_most = \"50000 USD\" } }\nrequire = [{ group = \"treasury\", quorum = 2 }]";

fn example(name: &str, file: &str) -> PathBuf {
    project().join("policies/examples").join(name).join(file)
}

/// A file of the small exchange, with the people, clients, wallets and asset of a house.
fn at_home(file: &str, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(example("small-exchange", file)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file}: {from}");
        text = text.replace(from, to);
    }
    text
}

fn policy_at_home() -> String {
    at_home(
        "policy.toml",
        &[
            ("[\"dave\", \"erin\"]", "[\"carol\", \"dave\"]"),
            ("client = [\"withdrawals\"]", "client = [\"exchange\"]"),
            ("floor = { people = 2, delay = \"1h\" }\n", ""),
            (
                "default = { require = [{ group = \"treasury\", quorum = 2 }, { group = \"security\", quorum = 1 }], delay = \"24h\" }",
                "default = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"2s\" }",
            ),
            ("max_amount = \"2 BTC\"", "max_amount = \"2 ETH\""),
        ],
    )
}

fn claims_at_home() -> String {
    let claims = at_home(
        "proofs.toml",
        &[("at_most = \"2 BTC\"", "at_most = \"2 ETH\"")],
    );
    let (world, rest) = claims.split_once("[[prove]]").unwrap();
    assert!(world.contains("[world]"));
    format!(
        r#"[world]
wallets = [{{ id = "hot-eth", tier = "hot", network = "eip155:31337" }}]
prices = {{ ETH = "3000 USD" }}

[[prove]]{rest}"#
    )
}

/// Runs `custodyd policy`: whether it succeeded, what it printed, what it complained of.
fn policy(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> (bool, String, String) {
    let mut command = Command::new(programs().custodyd);
    command.arg("policy");
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn json_of(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Value {
    let (ok, printed, complaint) = policy(arguments);
    assert!(ok, "{complaint}");
    serde_json::from_str(&printed).unwrap()
}

/// Ether is worth 3,000 dollars from now on. Whoever says so needs the scope.
async fn price_ether(house: &House) {
    let change = Change::SetClientScopes {
        id: "payroll".parse().unwrap(),
        scopes: BTreeSet::from([Scope::Prices, Scope::Read]),
    };
    enact(house, vec![change]).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let body = json!({
        "currency": "USD",
        "as_of": u64::try_from(now.as_millis()).unwrap(),
        "prices": { "ETH": "3000" },
    });
    let feed = house.client_as("client/payroll").unwrap();
    let _: Value = feed.put("/v1/prices", &body).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_weakened_policy_is_refuted_with_is_what_a_daemon_that_runs_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let source = policy_at_home();
    assert!(source.contains(TWO));
    let weakened = source.replace(TWO, &TWO.replace("quorum = 2", "quorum = 1"));
    fs::write(file("sound.toml"), &source).unwrap();
    fs::write(file("weak.toml"), &weakened).unwrap();
    fs::write(file("proofs.toml"), claims_at_home()).unwrap();

    let (ok, printed, complaint) = policy(&[&"prove", &file("sound.toml")]);
    assert!(ok, "{printed}{complaint}");
    assert_eq!(printed.matches("true  ").count(), 7, "{printed}");

    let shown = file("shown");
    let (ok, printed, complaint) =
        policy(&[&"prove", &file("weak.toml"), &"--json", &"--write", &shown]);
    assert!(!ok, "{printed}");
    assert!(
        complaint.contains("1 of 7 claims are not proven"),
        "{complaint}"
    );
    let proofs: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let refuted = proofs
        .iter()
        .find(|proof| proof["answer"] == "false")
        .unwrap();
    assert_eq!(refuted["id"], CLAIM);
    let step = &refuted["counterexample"]["steps"][0];
    let asks = &step["verdict"]["outcome"];
    assert!(asks.to_string().contains(r#""quorum":1"#), "{asks}");

    let house = governed_house(weakened).await;
    price_ether(&house).await;
    let body: Value =
        serde_json::from_slice(&fs::read(shown.join(format!("{CLAIM}.json"))).unwrap()).unwrap();
    let client = house.client_as(step["facts"]["initiator"].as_str().unwrap());
    let told: Value = client
        .unwrap()
        .post("/v1/withdrawals/simulate", &body)
        .await
        .unwrap();
    assert_eq!(told["verdict"]["outcome"], "allow", "{told}");
    assert_eq!(told["explanation"]["verdict"]["outcome"], *asks, "{told}");
    assert_eq!(told["facts"]["fiat"], step["facts"]["fiat"], "{told}");

    // Putting the line back is a change that says of itself what it means.
    let made = propose(&house, "dave", vec![Change::SetPolicy { source }])
        .await
        .unwrap();
    let shown = until_meaning(&house, made["id"].as_str().unwrap()).await;
    let changes = shown["policy_diff"]["verdicts"].as_array().unwrap();
    let stronger = changes.iter().find(|change| {
        let says = |side: &str| change[side].as_str().unwrap().to_owned();
        says("old").contains("1 of treasury") && says("new").contains("2 of treasury")
    });
    let example = &stronger.unwrap_or_else(|| panic!("{shown:#}"))["example"];
    assert_eq!(example["old"]["outcome"], "allow");
    assert!(
        example["case"]
            .as_str()
            .unwrap()
            .starts_with("[withdrawal]\n")
    );
    assert!(
        shown["diff"].as_str().unwrap().contains("quorum = 2"),
        "{shown}"
    );
}

/// `explain` says of a written example what the difference says of it.
fn confirm(written: &Path, policy: &Path, verdict: &Value) {
    let explained = json_of(&[&"explain", &policy, &written, &"--json"]);
    let case = fs::read_to_string(written).unwrap();
    assert_eq!(
        explained["verdict"],
        *verdict,
        "{}: {case}",
        policy.display()
    );
}

#[test]
fn each_request_that_two_policies_judge_differently_is_explained_as_it_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let old = example("small-exchange", "policy.toml");
    for other in ["institutional-custodian", "payroll"] {
        let new = example(other, "policy.toml");
        let cases = folder.path().join(other);
        let difference = json_of(&[&"diff", &old, &new, &"--json", &"--write", &cases]);
        let changes = ["verdicts", "limits"].map(|part| difference[part].as_array().unwrap());
        let examples: Vec<&Value> = changes
            .into_iter()
            .flatten()
            .map(|change| &change["example"])
            .filter(|example| !example.is_null())
            .collect();
        assert!(examples.len() >= 4, "{difference:#}");
        let after_others = |example: &&&Value| example["earlier"] != json!([]);
        assert!(
            examples.iter().any(|example| after_others(&example)),
            "{difference:#}"
        );
        assert_eq!(fs::read_dir(&cases).unwrap().count(), examples.len());
        for (number, example) in examples.iter().enumerate() {
            let written = cases.join(format!("{:02}.toml", number + 1));
            assert_ne!(example["old"]["outcome"], example["new"]["outcome"]);
            confirm(&written, &old, &example["old"]);
            confirm(&written, &new, &example["new"]);
        }
        let (ok, printed, _) = policy(&[&"diff", &old, &new]);
        assert!(ok);
        assert_eq!(printed.matches("  for example ").count(), examples.len());
    }
}

#[test]
fn two_spellings_of_one_policy_are_no_change() {
    let source = fs::read_to_string(example("small-exchange", "policy.toml")).unwrap();
    let (rules, limits) = source.split_once("[[limits]]").unwrap();
    let mut blocks: Vec<&str> = rules.split("[[rules]]").collect();
    // Rules in another order, under other names, with other ways to write the same.
    blocks[1..].reverse();
    let mut other = format!("{}\n[[limits]]{limits}", blocks.join("\n[[rules]]"));
    for (from, to) in [
        ("id = \"hot-small\"", "id = \"by-themselves\""),
        ("id = \"hot-day\"", "id = \"bad-day\""),
        ("\"24h\"", "\"1440m\""),
        ("\"1h\"", "\"3600s\""),
        ("\"5000 USD\"", "\"5000.00 USD\""),
        ("[\"known\", \"new\"]", "[\"new\", \"known\"]"),
        (
            "[\"alice\", \"bob\", \"carol\"]",
            "[\"carol\", \"alice\", \"bob\"]",
        ),
    ] {
        assert!(other.contains(from), "{from}");
        other = other.replace(from, to);
    }
    let folder = tempfile::tempdir().unwrap();
    let respelled = folder.path().join("respelled.toml");
    fs::write(&respelled, other).unwrap();
    let old = example("small-exchange", "policy.toml");
    let (ok, printed, complaint) = policy(&[&"diff", &old, &respelled]);
    assert!(ok, "{complaint}");
    assert_eq!(printed.trim(), "no change");
}
