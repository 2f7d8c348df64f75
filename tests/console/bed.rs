//! A house to look at and decide in, and what its services and operators say to it beside the browser.

use std::{path::PathBuf, process::Command, time::Duration};

use custodyd_client::{Client, NewWithdrawal, Proposal, sign_governance};
pub(crate) use custodyd_testbed::{House, Plan};
use custodyd_testbed::{Programs, project};
use custodyd_vault::{Decision, GovernanceDecision};
use serde_json::{Value, json};

use crate::stage::Stage;

/// An account that is nobody's here.
pub(crate) const SOMEBODY: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The project's policy, whose changes take two of the treasury and a second.
pub(crate) fn quick_policy() -> String {
    let policy = std::fs::read_to_string(project().join("policies/default.toml")).unwrap();
    let (before, rest) = policy.split_once("\n[governance]\n").unwrap();
    let (_, after) = rest.split_once("\n[tiers]\n").unwrap();
    format!(
        r#"{before}
[governance]
unfreeze = [{{ group = "treasury", quorum = 2 }}, {{ group = "security", quorum = 1 }}]

[governance.changes]
default = {{ require = [{{ group = "treasury", quorum = 2 }}], delay = "1s" }}

[tiers]
{after}"#
    )
}

/// A house with ten ether, and a browser for its console.
pub(crate) async fn ethereum_house() -> (House, Stage) {
    let plan = Plan {
        litecoin: false,
        policy: Some(quick_policy()),
        ..Plan::default()
    };
    let (house, stage) = house(plan).await;
    let wei = "0x8ac7230489e80000";
    house.fund_ethereum("hot-eth", wei).await.unwrap();
    (house, stage)
}

pub(crate) async fn house(plan: Plan) -> (House, Stage) {
    let custodyd = PathBuf::from(env!("CARGO_BIN_EXE_custodyd"));
    let coldsign = custodyd.with_file_name("coldsign");
    let programs = Programs {
        coldsign: coldsign.exists().then_some(coldsign),
        custodyd,
    };
    let house = House::build(programs, plan).await.unwrap();
    let stage = Stage::open(&house.console());
    (house, stage)
}

/// An address that begins and ends like another one.
pub(crate) fn alike(address: &str) -> String {
    let (head, tail) = (&address[..8], &address[address.len() - 6..]);
    format!("{head}{}{tail}", "a".repeat(address.len() - 14)).to_lowercase()
}

/// Where a payout stands in the queue.
pub(crate) fn entry(id: &str) -> String {
    format!("article[id=\"{id}\"]")
}

/// The exchange asks for ether, and gets an id.
pub(crate) async fn ask_ether(house: &House, key: &str, amount: &str) -> String {
    ask(house, key, "ETH", amount, SOMEBODY, None).await
}

/// The exchange asks for a payout, and gets an id.
pub(crate) async fn ask(
    house: &House,
    key: &str,
    asset: &str,
    amount: &str,
    destination: &str,
    wallet: Option<&str>,
) -> String {
    let body = NewWithdrawal {
        vault: "main".to_owned(),
        asset: asset.to_owned(),
        amount: amount.to_owned(),
        destination: destination.to_owned(),
        reference: format!("invoice {key}"),
        wallet: wallet.map(str::to_owned),
    };
    let client = house.client_as("client/exchange").unwrap();
    let document: Value = client
        .post_idempotent("/v1/withdrawals", key, &body)
        .await
        .unwrap();
    document["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn show(house: &House, id: &str) -> Value {
    let alice = house.client_as("operator/alice").unwrap();
    alice.get(&format!("/v1/withdrawals/{id}")).await.unwrap()
}

/// The state of a payout.
pub(crate) async fn state(house: &House, id: &str) -> String {
    show(house, id).await["state"].as_str().unwrap().to_owned()
}

/// Who approved it so far.
pub(crate) async fn approvers(house: &House, id: &str) -> Vec<String> {
    let document = show(house, id).await;
    let approvals = document["approvals"].as_array().cloned();
    let names = approvals.unwrap_or_default();
    let names = names.iter().map(|each| each["operator"].as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

/// An operator approves at their command line.
pub(crate) async fn approve(house: &House, operator: &str, id: &str) {
    let client: Client = house.client_as(operator).unwrap();
    let document = client.get(&format!("/v1/withdrawals/{id}")).await.unwrap();
    let signer = client.identity().unwrap();
    let signed =
        custodyd_client::sign_decision(&document, Decision::Approve, 3_600_000, signer).unwrap();
    let path = format!("/v1/withdrawals/{id}/approvals");
    let _: Value = client.post(&path, &signed).await.unwrap();
}

/// The id of the proposal to whose page somebody is led.
pub(crate) fn led_to_proposal(stage: &mut Stage, who: &str) -> String {
    let page = "/console/governance/pr_";
    stage.tell(who, "waitPath", json!({ "begins": page }));
    let at = stage.tell(who, "where", json!({}));
    let (_, id) = at.as_str().unwrap().rsplit_once('/').unwrap();
    id.to_owned()
}

/// An operator agrees to a proposal at their command line.
pub(crate) async fn agree(house: &House, operator: &str, id: &str) {
    let client = house.client_as(operator).unwrap();
    let path = format!("/v1/proposals/{id}");
    let proposal: Proposal = client.get(&path).await.unwrap();
    let signer = client.identity().unwrap();
    let signed = sign_governance(&proposal, GovernanceDecision::Approve, 600_000, signer).unwrap();
    let path = format!("{path}/approvals");
    let _: Value = client.post(&path, &signed).await.unwrap();
}

/// Waits until a proposal is in that state.
pub(crate) async fn until_proposal(house: &House, id: &str, state: &str) {
    let bob = house.client_as("operator/bob").unwrap();
    house
        .until("decide on the proposal", LONG, async || {
            let now: Value = bob.get(&format!("/v1/proposals/{id}")).await.unwrap();
            now["state"] == state
        })
        .await
        .unwrap();
}

/// Mines until a payout is final.
pub(crate) async fn until_final(house: &House, id: &str) -> Value {
    house
        .until("final", LONG, async || {
            if let Some(node) = &house.anvil {
                node.mine(1).unwrap();
            }
            if let Some(node) = &house.litecoind {
                node.mine(1).unwrap();
            }
            state(house, id).await == "final"
        })
        .await
        .unwrap();
    show(house, id).await
}

/// Runs SQL on the house's database, under the running daemon.
pub(crate) fn sql(house: &House, statements: &str) -> String {
    let output = Command::new("sqlite3")
        .arg("-cmd")
        .arg(".timeout 5000")
        .arg(house.folder().join("custodyd.db"))
        .arg(statements)
        .output()
        .unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", printed(&output.stderr));
    printed(&output.stdout)
}

/// Requests that were ever handed to the engine.
pub(crate) fn handed_in(house: &House) -> String {
    sql(house, "SELECT count(*) FROM inbox;")
}

/// 42 LTC in the hot wallet and 105 in the warm one, in several coins each.
pub(crate) async fn fund_hot_and_warm(house: &House) {
    // 50 LTC a block, which can be paid out a hundred blocks later.
    house.litecoind.as_ref().unwrap().mine(20).unwrap();
    for (wallet, coins) in [
        ("hot-ltc", ["14", "16", "12"].as_slice()),
        ("warm-ltc", &["60", "45"]),
    ] {
        house.fund_litecoin(wallet, coins).await.unwrap();
    }
}
