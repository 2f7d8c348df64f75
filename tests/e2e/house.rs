//! Shortcuts of the end-to-end tests: a house, and what one says to it.

use std::{path::PathBuf, time::Duration};

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

/// The project's policy, to be changed in one place.
pub(crate) fn default_policy() -> String {
    std::fs::read_to_string(project().join("policies/default.toml")).unwrap()
}
