//! A vault is changed by proposals alone: each with its quorum and its delay, on real parts.

mod faults;
mod people;
mod policy;
mod scopes;

use std::time::Duration;

use custodyd_client::{ClientError, NewProposal, Proposal, sign_governance};
use custodyd_testbed::House;
use custodyd_vault::{Change, Ed25519Key, GovernanceDecision};
use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::house::{LONG, Plan, default_policy, fund_ether, house};

/// Long enough to look in between, short enough to wait for.
pub(crate) const DELAY: Duration = Duration::from_secs(3);

/// The project's policy, whose changes take two of the treasury and a short delay.
pub(crate) fn governed_policy() -> String {
    let policy = default_policy();
    let (before, rest) = policy.split_once("\n[governance]\n").unwrap();
    let (_, after) = rest.split_once("\n[tiers]\n").unwrap();
    format!(
        r#"{before}
[governance]
unfreeze = [{{ group = "treasury", quorum = 2 }}, {{ group = "security", quorum = 1 }}]

[governance.changes]
default = {{ require = [{{ group = "treasury", quorum = 2 }}], delay = "{}s" }}

[tiers]
{after}"#,
        DELAY.as_secs(),
    )
}

/// A house with ether, governed like that.
pub(crate) async fn governed_house(policy: String) -> House {
    governed_house_with(policy, String::new()).await
}

/// The same with these lines more in custodyd.toml.
pub(crate) async fn governed_house_with(policy: String, extra_config: String) -> House {
    let house = house(Plan {
        litecoin: false,
        policy: Some(policy),
        extra_config,
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    house
}

pub(crate) async fn propose(
    house: &House,
    who: &str,
    changes: Vec<Change>,
) -> Result<Value, ClientError> {
    let body = NewProposal {
        vault: "main".to_owned(),
        changes,
        reason: "a test asks for it".to_owned(),
    };
    let client = house.client_as(&format!("operator/{who}")).unwrap();
    client.post("/v1/proposals", &body).await
}

pub(crate) async fn vote(
    house: &House,
    who: &str,
    id: &str,
    decision: GovernanceDecision,
) -> Result<Value, ClientError> {
    let client = house.client_as(&format!("operator/{who}")).unwrap();
    let proposal: Proposal = client.get(&format!("/v1/proposals/{id}")).await?;
    let body = sign_governance(&proposal, decision, 3_600_000, client.identity().unwrap())?;
    let verb = match decision {
        GovernanceDecision::Approve => "approvals",
        GovernanceDecision::Veto => "vetoes",
    };
    client
        .post(&format!("/v1/proposals/{id}/{verb}"), &body)
        .await
}

pub(crate) async fn proposal(house: &House, id: &str) -> Value {
    let alice = house.client_as("operator/alice").unwrap();
    alice.get(&format!("/v1/proposals/{id}")).await.unwrap()
}

pub(crate) async fn until_proposal(house: &House, id: &str, state: &'static str) -> Value {
    let alice = house.client_as("operator/alice").unwrap();
    let path = format!("/v1/proposals/{id}");
    house
        .until(state, LONG, async || {
            let now: Result<Value, _> = alice.get(&path).await;
            now.is_ok_and(|proposal| proposal["state"] == state)
        })
        .await
        .unwrap();
    proposal(house, id).await
}

/// The proposal, once the policy in it was compared with the one in force.
pub(crate) async fn until_meaning(house: &House, id: &str) -> Value {
    let alice = house.client_as("operator/alice").unwrap();
    let path = format!("/v1/proposals/{id}");
    house
        .until("compare the policies", LONG, async || {
            let now: Result<Value, _> = alice.get(&path).await;
            now.is_ok_and(|proposal| !proposal["policy_diff"].is_null())
        })
        .await
        .unwrap();
    proposal(house, id).await
}

/// Dave proposes, two of the treasury agree, and the delay passes.
pub(crate) async fn enact(house: &House, changes: Vec<Change>) -> Value {
    let made = propose(house, "dave", changes).await.unwrap();
    let id = made["id"].as_str().unwrap();
    for who in ["alice", "bob"] {
        vote(house, who, id, GovernanceDecision::Approve)
            .await
            .unwrap();
    }
    until_proposal(house, id, "enacted").await
}

pub(crate) fn key(seed: u8) -> Ed25519Key {
    SigningKey::from_bytes(&[seed; 32]).verifying_key().into()
}

pub(crate) fn verified(house: &House) {
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

/// The refusal's problem, as `type: detail`.
pub(crate) fn refusal(answer: Result<Value, ClientError>) -> String {
    match answer.unwrap_err() {
        ClientError::Refused(problem) => format!("{problem:?}"),
        other => panic!("no refusal: {other}"),
    }
}
