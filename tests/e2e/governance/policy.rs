//! The policy is changed like everything else, and what was approved under the old one is asked anew.

use custodyd_vault::{Change, Decision, GovernanceDecision};
use serde_json::Value;

use super::{
    enact, governed_house, governed_policy, proposal, propose, refusal, until_proposal, verified,
    vote,
};
use crate::house::{
    SOMEBODY, approve_by_two, ask, decide, id_of, show, until_final, until_state, withdraw,
};

const DAILY: &str = "id = \"hot-eth-daily\"\nper = \"wallet\"\nmax_amount = \"20 ETH\"";

fn with_daily(amount: &str) -> String {
    let policy = governed_policy();
    assert!(policy.contains(DAILY));
    policy.replace(DAILY, &DAILY.replace("20 ETH", amount))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_by_a_quorum_and_counts_what_was_paid_before() {
    let house = governed_house(with_daily("1 ETH")).await;
    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "k1", &ask("ETH", "0.9", SOMEBODY)).await;
    until_final(&house, &client, id_of(&first)).await;
    let more = withdraw(&client, "k2", &ask("ETH", "0.9", SOMEBODY)).await;
    assert_eq!(more["state"], "denied", "{more}");

    let made = propose(
        &house,
        "dave",
        vec![Change::SetPolicy {
            source: with_daily("1.5 ETH"),
        }],
    )
    .await
    .unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["kinds"], serde_json::json!(["limits"]));
    let diff = proposal(&house, id).await["diff"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        diff.contains("- max_amount = \"1 ETH\"") && diff.contains("+ max_amount = \"1.5 ETH\""),
        "{diff}"
    );
    for who in ["alice", "bob"] {
        vote(&house, who, id, GovernanceDecision::Approve)
            .await
            .unwrap();
    }
    let still = withdraw(&client, "k3", &ask("ETH", "0.5", SOMEBODY)).await;
    assert_eq!(
        still["state"], "denied",
        "before the delay is over: {still}"
    );
    until_proposal(&house, id, "enacted").await;

    let now = withdraw(&client, "k4", &ask("ETH", "0.5", SOMEBODY)).await;
    assert_eq!(now["verdict"]["outcome"], "allow", "{now}");
    until_final(&house, &client, id_of(&now)).await;
    let above = withdraw(&client, "k5", &ask("ETH", "0.2", SOMEBODY)).await;
    assert_eq!(above["state"], "denied", "{above}");
    let policy: Value = client.get("/v1/policy").await.unwrap();
    assert_eq!(policy["source"], with_daily("1.5 ETH"));
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_from_before_the_change_no_longer_counts() {
    let house = governed_house(governed_policy()).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let id = id_of(&asked);
    decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap();
    assert_eq!(
        show(&client, id).await["approvals"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    enact(
        &house,
        vec![Change::SetPolicy {
            source: with_daily("19 ETH"),
        }],
    )
    .await;
    let anew = until_state(&house, &client, id, "awaiting_approval").await;
    assert_eq!(anew["approvals"], serde_json::json!([]), "{anew}");
    assert_ne!(anew["verdict"]["policy"], asked["verdict"]["policy"]);
    let half = decide(&house, "operator/bob", id, Decision::Approve)
        .await
        .unwrap();
    assert_eq!(half["state"], "awaiting_approval", "{half}");
    decide(&house, "operator/alice", id, Decision::Approve)
        .await
        .unwrap();
    until_final(&house, &client, id).await;

    let other = withdraw(&client, "k2", &ask("ETH", "2", SOMEBODY)).await;
    approve_by_two(&house, id_of(&other)).await;
    until_final(&house, &client, id_of(&other)).await;
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_lock_everybody_out_or_lower_the_floor_is_refused_and_says_why() {
    let house = governed_house(governed_policy()).await;
    let policy = governed_policy();
    let ungoverned = policy.replace(
        "[governance.changes]\ndefault",
        "[governance.changes]\nrules",
    );
    assert_ne!(ungoverned, policy);
    let alone = policy.replace(
        "[governance.changes]",
        "floor = { people = 1 }\n[governance.changes]",
    );
    for (source, why) in [
        (ungoverned, "nobody could change"),
        (alone, "floor"),
        (policy.replace("version = 1", "version = 2"), "version"),
        (policy.clone(), "in force already"),
    ] {
        let refused = refusal(propose(&house, "alice", vec![Change::SetPolicy { source }]).await);
        assert!(
            refused.contains("problem:change") && refused.contains(why),
            "{why}: {refused}"
        );
    }
    let leave = ["carol", "bob"].map(|id| Change::RemoveOperator {
        id: id.parse().unwrap(),
    });
    let refused = refusal(propose(&house, "alice", leave.to_vec()).await);
    assert!(refused.contains("can't give"), "{refused}");
    let alice = house.client_as("operator/alice").unwrap();
    let list: Value = alice.get("/v1/proposals").await.unwrap();
    assert_eq!(list["items"], serde_json::json!([]));
}
