//! A proposal survives kill -9 at each of its steps, and takes effect once.

use custodyd_vault::{Change, GovernanceDecision};
use serde_json::Value;

use super::{governed_house, governed_policy, key, propose, until_proposal, verified, vote};
use crate::{faults::failpoints, house::LONG};

/// Commits of a proposal on its way, before and after each.
const STEPS: [&str; 10] = [
    "inbox-stored",
    "request-taken",
    "committing:proposed",
    "committed:proposed",
    "committing:proposal_approved",
    "committed:proposal_approved",
    "committing:proposal_passed",
    "committed:proposal_passed",
    "committing:proposal_enacted",
    "committed:proposal_enacted",
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_a_proposal_takes_effect_exactly_once() {
    let mut house = governed_house(governed_policy()).await;
    for (number, step) in STEPS.into_iter().enumerate() {
        house.daemon.terminate(LONG).unwrap();
        house
            .daemon
            .set_environment("FAILPOINTS", Some(&failpoints(step)));
        house.daemon.restart().unwrap();
        house.daemon.wait_ready(LONG).unwrap();
        let name = format!("person-{number}");
        let change = Change::AddOperator {
            id: name.parse().unwrap(),
            credentials: vec![key(u8::try_from(number).unwrap() + 1).into()],
        };
        let mut id = made(propose(&house, "dave", vec![change.clone()]).await);
        for who in ["alice", "bob"] {
            if let Some(id) = &id {
                let _ = vote(&house, who, id, GovernanceDecision::Approve).await;
            }
        }
        let began = std::time::Instant::now();
        while house.daemon.process().exited().unwrap().is_none() {
            assert!(began.elapsed() < LONG, "{step} was never passed");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        house.daemon.set_environment("FAILPOINTS", None);
        house.daemon.restart().unwrap();
        house.daemon.wait_ready(LONG).unwrap();
        // Whoever got no answer looks what there is, and asks again for what is not.
        id = id.or(found(&house, &name).await);
        if id.is_none() {
            id = made(propose(&house, "dave", vec![change]).await);
        }
        let id = id.unwrap();
        for who in ["alice", "bob", "carol"] {
            let _ = vote(&house, who, &id, GovernanceDecision::Approve).await;
        }
        until_proposal(&house, &id, "enacted").await;
        let journal = house.custodyd(&["journal", "export"]).unwrap().1;
        let times = |kind: &str| {
            let of_this =
                |line: &&str| line.contains(&format!("\"kind\":\"{kind}\"")) && line.contains(&id);
            journal.lines().filter(of_this).count()
        };
        assert_eq!(
            (
                times("proposed"),
                times("proposal_passed"),
                times("proposal_enacted")
            ),
            (1, 1, 1),
            "{step}"
        );
    }
    verified(&house);
}

fn made(answer: Result<Value, custodyd_client::ClientError>) -> Option<String> {
    answer.ok()?["id"].as_str().map(str::to_owned)
}

async fn found(house: &custodyd_testbed::House, name: &str) -> Option<String> {
    let alice = house.client_as("operator/alice").unwrap();
    let list: Value = alice.get("/v1/proposals").await.unwrap();
    let items = list["items"].as_array().unwrap();
    let of_this = items.iter().find(|p| p["changes"][0]["id"] == name)?;
    of_this["id"].as_str().map(str::to_owned)
}
