//! Shortcuts of the end-to-end tests: a house, and what one says to it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use custodyd_client::{Client, NewWithdrawal};
pub(crate) use custodyd_testbed::{House, Plan};
use custodyd_testbed::{Programs, project};
use custodyd_vault::Decision;
use serde_json::Value;

/// An account that is nobody's here.
pub(crate) const SOMEBODY: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// custodyd as built for this test run, and coldsign beside it when it is there.
pub(crate) fn programs() -> Programs {
    let custodyd = PathBuf::from(env!("CARGO_BIN_EXE_custodyd"));
    let coldsign = custodyd.with_file_name("coldsign");
    Programs {
        coldsign: coldsign.exists().then_some(coldsign),
        custodyd,
    }
}

pub(crate) async fn house(plan: Plan) -> House {
    House::build(programs(), plan).await.unwrap()
}

/// A house with an Ethereum wallet alone, that holds ten ether.
pub(crate) async fn ethereum_house() -> House {
    let house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    house
}

/// Ten ether for the hot wallet.
pub(crate) async fn fund_ether(house: &House) {
    let wei = "0x8ac7230489e80000";
    house.fund_ethereum("hot-eth", wei).await.unwrap();
}

pub(crate) fn ask(asset: &str, amount: &str, destination: &str) -> NewWithdrawal {
    NewWithdrawal {
        vault: "main".to_owned(),
        asset: asset.to_owned(),
        amount: amount.to_owned(),
        destination: destination.to_owned(),
        reference: "test".to_owned(),
        wallet: None,
    }
}

/// Asks for a withdrawal and gives the daemon's document.
pub(crate) async fn withdraw(client: &Client, key: &str, body: &NewWithdrawal) -> Value {
    client
        .post_idempotent("/v1/withdrawals", key, body)
        .await
        .unwrap()
}

/// The id in such a document.
pub(crate) fn id_of(document: &Value) -> &str {
    document["id"].as_str().unwrap()
}

pub(crate) async fn show(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/withdrawals/{id}")).await.unwrap()
}

/// Blocks on every chain there is.
pub(crate) fn mine(house: &House, blocks: u32) {
    if let Some(node) = &house.litecoind {
        node.mine(blocks).unwrap();
    }
    if let Some(node) = &house.anvil {
        node.mine(blocks.into()).unwrap();
    }
}

/// Waits for a state.
pub(crate) async fn until_state(
    house: &House,
    client: &Client,
    id: &str,
    state: &'static str,
) -> Value {
    house
        .until(state, LONG, async || {
            client
                .get::<Value>(&format!("/v1/withdrawals/{id}"))
                .await
                .is_ok_and(|w| w["state"] == state)
        })
        .await
        .unwrap();
    show(client, id).await
}

/// Brings a payout that nobody is asked about any more to its end, and gives its document.
pub(crate) async fn until_final(house: &House, client: &Client, id: &str) -> Value {
    all_final(house, client, [id]).await.swap_remove(0)
}

/// The same with several, whose blocks are mined once.
pub(crate) async fn all_final<'a>(
    house: &House,
    client: &Client,
    ids: impl IntoIterator<Item = &'a str> + Clone,
) -> Vec<Value> {
    for id in ids.clone() {
        until_state(house, client, id, "broadcast").await;
    }
    mine(house, 2);
    let mut paid = Vec::new();
    for id in ids {
        paid.push(until_state(house, client, id, "final").await);
    }
    paid
}

/// Asks for a payout that policy allows at once, and brings it to its end.
pub(crate) async fn pay(house: &House, client: &Client, key: &str, body: &NewWithdrawal) -> Value {
    let asked = withdraw(client, key, body).await;
    until_final(house, client, id_of(&asked)).await
}

/// An operator decides, as custodyctl does it.
pub(crate) async fn decide(
    house: &House,
    operator: &str,
    id: &str,
    decision: Decision,
) -> Result<Value, custodyd_client::ClientError> {
    let client = house.client_as(operator).unwrap();
    let document = client.get(&format!("/v1/withdrawals/{id}")).await?;
    let signed =
        custodyd_client::sign_decision(&document, decision, 3_600_000, client.identity().unwrap())?;
    let verb = match decision {
        Decision::Approve => "approvals",
        Decision::Reject => "rejections",
        Decision::Cancel => "cancellation",
    };
    client
        .post(&format!("/v1/withdrawals/{id}/{verb}"), &signed)
        .await
}

/// Two of those that policy asks approve.
pub(crate) async fn approve_by_two(house: &House, id: &str) {
    for operator in ["operator/alice", "operator/bob"] {
        decide(house, operator, id, Decision::Approve)
            .await
            .unwrap();
    }
}

/// A copy of the house's token as it is now, in a folder of this name, as a vendor's clone or cluster makes it: its softhsm2.conf.
pub(crate) fn copy_of_token(house: &House, name: &str) -> PathBuf {
    let conf = house.hsm.token().unwrap().conf_path();
    let (from, to) = (conf.parent().unwrap(), house.folder().join(name));
    let copied = Command::new("cp").arg("-a").arg(from).arg(&to).status();
    assert!(copied.unwrap().success());
    let text = fs::read_to_string(&conf).unwrap();
    let there = to.join("softhsm2.conf");
    let moved = text.replace(from.to_str().unwrap(), to.to_str().unwrap());
    fs::write(&there, moved).unwrap();
    there
}

/// Puts one more token with the house's label and PIN into the configuration of a daemon that has stopped.
pub(crate) fn add_token(house: &House, name: &str, module: &Path, environment: &[(&str, &Path)]) {
    let token = house.hsm.token().unwrap();
    let variables: Vec<String> = environment
        .iter()
        .map(|(variable, value)| format!("{variable} = \"{}\"", value.display()))
        .collect();
    let mut config = fs::read_to_string(house.daemon.config()).unwrap();
    config += &format!(
        r#"
[[hsm.tokens]]
name = "{name}"
profile = "{profile}"
token = "{label}"
module = "{module}"
environment = {{ {variables} }}
pin = {{ file = "{pin}" }}
workers = 2
"#,
        profile = project().join("hsm-config/softhsm.toml").display(),
        label = token.label(),
        module = module.display(),
        variables = variables.join(", "),
        pin = token.pin_file().display(),
    );
    fs::write(house.daemon.config(), config).unwrap();
}

/// What `/readyz` says: its status, and the document.
pub(crate) fn readyz(house: &House) -> (u16, Value) {
    let answer = house.daemon.get("/readyz").unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// The project's policy, to be changed in one place.
pub(crate) fn default_policy() -> String {
    fs::read_to_string(project().join("policies/default.toml")).unwrap()
}
