//! Who may speak is changed by a quorum, counts from the commit on, and what was signed before stays good.

use custodyd_client::{Client, Identity, KeyFile};
use custodyd_testbed::House;
use custodyd_vault::{Change, GovernanceDecision, Scope};
use serde_json::{Value, json};

use super::{
    enact, governed_house, governed_policy, key, proposal, propose, refusal, until_proposal,
    verified, vote,
};
use crate::house::{SOMEBODY, ask};

/// Somebody whose key the house's genesis doesn't know.
fn newcomer(house: &House, principal: &str) -> (Client, custodyd_vault::Ed25519Key) {
    let file = house
        .folder()
        .join(format!("{}.pem", principal.replace('/', "-")));
    let public = KeyFile::generate(&file).unwrap();
    let identity = Identity::load(principal.parse().unwrap(), &file).unwrap();
    (
        Client::new(&house.daemon.url(), identity).unwrap(),
        public.into(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_added_by_a_quorum_after_its_delay_and_one_removed_is_refused_at_once() {
    let mut house = governed_house(governed_policy()).await;
    let (erin, public) = newcomer(&house, "operator/erin");
    let made = propose(
        &house,
        "dave",
        vec![Change::AddOperator {
            id: "erin".parse().unwrap(),
            credentials: vec![public.into()],
        }],
    )
    .await
    .unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (made["state"].as_str(), made["kinds"][0].as_str()),
        (Some("voting"), Some("operators"))
    );
    assert_eq!(
        made["summary"][0],
        format!("add operator erin with key {public}")
    );

    let own = vote(&house, "dave", id, GovernanceDecision::Approve).await;
    assert!(refusal(own).contains("not-eligible"));
    let first = vote(&house, "alice", id, GovernanceDecision::Approve)
        .await
        .unwrap();
    assert_eq!(first["state"], "voting");
    let again = vote(&house, "alice", id, GovernanceDecision::Approve).await;
    assert!(refusal(again).contains("already-decided"));
    let second = vote(&house, "bob", id, GovernanceDecision::Approve)
        .await
        .unwrap();
    assert_eq!(second["state"], "delaying");
    let early = erin.get::<Value>("/v1/proposals").await;
    assert!(early.unwrap_err().to_string().contains("not known"));
    until_proposal(&house, id, "enacted").await;
    let list: Value = erin.get("/v1/proposals").await.unwrap();
    assert_eq!(list["items"][0]["id"], id);

    // Dave signed the proposals of before; from the commit on his key says nothing any more.
    let dave = house.client_as("operator/dave").unwrap();
    let _: Value = dave.get("/v1/wallets").await.unwrap();
    let leave = Change::RemoveOperator {
        id: "dave".parse().unwrap(),
    };
    enact(&house, vec![leave]).await;
    for attempt in [
        dave.get::<Value>("/v1/wallets").await,
        dave.post("/v1/freeze", &json!({ "reason": "still me" }))
            .await,
    ] {
        assert!(attempt.unwrap_err().to_string().contains("not known"));
    }
    verified(&house);
    house.daemon.terminate(crate::house::LONG).unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(crate::house::LONG).unwrap();
    let _: Value = erin.get("/v1/wallets").await.unwrap();
    assert!(dave.get::<Value>("/v1/wallets").await.is_err());
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_what_its_scopes_name_as_soon_as_they_are_in_force() {
    let house = governed_house(governed_policy()).await;
    let (desk, public) = newcomer(&house, "client/desk");
    let desk_id: custodyd_policy::ClientId = "desk".parse().unwrap();
    enact(
        &house,
        vec![Change::AddClient {
            id: desk_id.clone(),
            key: public,
            scopes: [Scope::Read].into(),
        }],
    )
    .await;
    let wallets: Value = desk.get("/v1/wallets").await.unwrap();
    assert_eq!(wallets["items"].as_array().unwrap().len(), 1);
    let pay = ask("ETH", "0.1", SOMEBODY);
    let refused = refusal(desk.post_idempotent("/v1/withdrawals", "k1", &pay).await);
    assert!(refused.contains("urn:custodyd:problem:scope"), "{refused}");
    enact(
        &house,
        vec![Change::SetClientScopes {
            id: desk_id.clone(),
            scopes: [Scope::Withdraw].into(),
        }],
    )
    .await;
    let asked: Value = desk
        .post_idempotent("/v1/withdrawals", "k1", &pay)
        .await
        .unwrap();
    assert_eq!(asked["verdict"]["outcome"], "allow", "{asked}");
    let refused = refusal(desk.get("/v1/wallets").await);
    assert!(refused.contains("urn:custodyd:problem:scope"), "{refused}");
    enact(&house, vec![Change::RemoveClient { id: desk_id }]).await;
    assert!(desk.get::<Value>("/v1/withdrawals").await.is_err());
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_those_who_are_asked_vetoes_until_it_takes_effect_and_nobody_else() {
    let house = governed_house(governed_policy()).await;
    let add = |seed: u8| {
        let id = format!("operator-{seed}").parse().unwrap();
        vec![Change::AddOperator {
            id,
            credentials: vec![key(seed).into()],
        }]
    };
    let made = propose(&house, "alice", add(1)).await.unwrap();
    let id = made["id"].as_str().unwrap();
    for who in ["bob", "carol"] {
        vote(&house, who, id, GovernanceDecision::Approve)
            .await
            .unwrap();
    }
    let stranger = vote(&house, "dave", id, GovernanceDecision::Veto).await;
    assert!(refusal(stranger).contains("not-eligible"));
    let ended = vote(&house, "carol", id, GovernanceDecision::Veto)
        .await
        .unwrap();
    assert_eq!(
        (ended["state"].as_str(), ended["state_detail"].as_str()),
        (Some("vetoed"), Some("vetoed by carol"))
    );
    let late = vote(&house, "bob", id, GovernanceDecision::Veto).await;
    assert!(refusal(late).contains("not-now"));

    let made = propose(&house, "alice", add(2)).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let back = vote(&house, "alice", id, GovernanceDecision::Veto)
        .await
        .unwrap();
    assert_eq!(back["state"], "withdrawn");
    tokio::time::sleep(super::DELAY).await;
    assert_eq!(proposal(&house, id).await["state"], "withdrawn");
    verified(&house);
}
