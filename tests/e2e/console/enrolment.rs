//! Invited, enrolled, signed in, and what a person with a passkey then does, to the journal.

use std::time::Duration;

use custodyd_testbed::{ConsoleUser, Deed, base64url};
use custodyd_vault::Change;
use serde_json::{Value, json};

use super::{AN_HOUR, approve, console_house, enrolled, invite, refuses, secret, stated, visitor};
use crate::{
    governance::{enact, proposal, propose, until_proposal, verified},
    house::{SOMEBODY, ask, id_of, until_final, withdraw},
};

#[tokio::test(flavor = "multi_thread")]
async fn people_who_were_invited_enrol_and_approve_a_withdrawal_which_is_paid() {
    let house = console_house().await;
    let [mut alice, mut bob] = enrolled(&house, ["alice", "bob"], 1).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let id = id_of(&asked);

    let page = alice.get("/console/queue").await.unwrap();
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    let target = format!("/v1/withdrawals/{id}/approvals");
    let said = stated(&mut alice, &Deed::decision("approval", &target)).await;
    let code = said["code"].as_str().unwrap();
    assert!(page.contains(id) && page.contains(code), "{page}");

    let first = approve(&mut alice, id).await;
    assert_eq!(
        (first.status, &first.json()["state"]),
        (200, &json!("awaiting_approval"))
    );
    let second = approve(&mut bob, id).await;
    assert_eq!(second.status, 200, "{:?}", second.json());
    until_final(&house, &client, id).await;

    // The evidence holds for whoever reads the journal, and an export holds what the API gives.
    let export = Deed::download("/console/journal/export?after=0&until=100000");
    let export = alice.act(&export).await.unwrap();
    assert_eq!(export.header("content-type"), Some("application/jsonl"));
    let lines = String::from_utf8(export.body).unwrap();
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "enrolled").count(), 2);
    assert!(kinds.contains(&"passkey_counted"));
    let approved = rows.iter().find(|row| row["kind"] == "approved").unwrap();
    let evidence = approved["event"].to_string();
    assert!(evidence.contains("authenticator_data"), "{evidence}");
    let operator = house.client_as("operator/alice").unwrap();
    let journal: Value = operator.get("/v1/journal?limit=3").await.unwrap();
    assert_eq!(journal["rows"].as_array().unwrap()[..], rows[..3]);
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_good_once_for_one_person_and_until_its_time() {
    let house = console_house().await;
    let short = Duration::from_secs(8);
    let changes = vec![
        invite("alice", 1, AN_HOUR),
        invite("erin", 2, AN_HOUR),
        invite("bob", 3, short),
    ];
    enact(&house, changes).await;
    let link = |seed| base64url(&secret(seed));
    let start = async |user: &mut ConsoleUser, seed| {
        let body = json!({ "secret": link(seed) });
        user.post("/console/enrol/start", &body).await.unwrap()
    };
    let mut alice = visitor(&house);
    let started = start(&mut alice, 1).await;
    assert_eq!(started.json()["operator"], "alice");
    assert_eq!(started.json()["exclude"], json!([]));
    refuses("unknown", &start(&mut alice, 9).await, 403, "not-invited");
    let torn = json!({ "secret": link(1)[..40] });
    let torn = alice.post("/console/enrol/start", &torn).await.unwrap();
    refuses("not whole", &torn, 400, "malformed");

    // Made for another place, or without its user.
    let mut spoilt = visitor(&house);
    spoilt.passkey.verifies_user = false;
    refuses(
        "no user",
        &spoilt.enrol(&link(1)).await.unwrap(),
        422,
        "registration",
    );
    spoilt.passkey.verifies_user = true;
    spoilt.passkey.origin = "https://evil.example".to_owned();
    refuses(
        "elsewhere",
        &spoilt.enrol(&link(1)).await.unwrap(),
        422,
        "registration",
    );
    // A challenge given to one invitation is none for another, and is good once.
    let (mine, other) = (
        start(&mut alice, 1).await.json(),
        start(&mut alice, 2).await.json(),
    );
    let challenge = custodyd_testbed::from_base64url(&mine["challenge"]).unwrap();
    let registration = alice.passkey.register(&challenge);
    let body = |nonce: &Value, seed| json!({ "nonce": nonce, "secret": link(seed), "registration": registration });
    let crossed = alice
        .post("/console/enrol", &body(&other["nonce"], 1))
        .await
        .unwrap();
    refuses("another's challenge", &crossed, 401, "unauthenticated");
    let right = body(&mine["nonce"], 1);
    let answer = alice.post("/console/enrol", &right).await.unwrap();
    assert_eq!(
        (answer.status, &answer.json()["operator"]),
        (201, &json!("alice"))
    );
    let again = alice.post("/console/enrol", &right).await.unwrap();
    refuses("twice", &again, 401, "unauthenticated");
    assert_eq!(alice.sign_in().await.unwrap().status, 200);

    // Erin is nobody yet; the same authenticator is alice's already.
    let mut erin = visitor(&house);
    erin.passkey = alice.passkey.clone();
    refuses(
        "alice's passkey",
        &erin.enrol(&link(2)).await.unwrap(),
        409,
        "taken",
    );
    erin = visitor(&house);
    assert_eq!(erin.enrol(&link(2)).await.unwrap().status, 201);
    assert_eq!(erin.sign_in().await.unwrap().json()["operator"], "erin");

    tokio::time::sleep(short).await;
    refuses(
        "too late",
        &visitor(&house).enrol(&link(3)).await.unwrap(),
        403,
        "not-invited",
    );
    let log = house.daemon.log().unwrap();
    assert!(
        !log.contains(&link(1)) && !log.contains(&hex::encode(secret(1))),
        "the secret is in the log"
    );
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_passkey_one_proposes_votes_freezes_and_goes_on() {
    let house = console_house().await;
    let [mut alice, mut bob, mut dave] = enrolled(&house, ["alice", "bob", "dave"], 1).await;
    let client = Change::AddClient {
        id: "feed".parse().unwrap(),
        key: crate::governance::key(77),
        scopes: [custodyd_vault::Scope::Prices].into(),
    };
    let body =
        json!({ "vault": "main", "changes": [client], "reason": "a price feed" }).to_string();
    let made = dave
        .act(&Deed::post("/v1/proposals", body.as_bytes()))
        .await
        .unwrap();
    assert_eq!(made.status, 201, "{:?}", made.json());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    let target = format!("/v1/proposals/{id}/approvals");
    let own = dave
        .act(&Deed::decision("governance", &target))
        .await
        .unwrap();
    refuses("their own", &own, 403, "not-eligible");
    for user in [&mut alice, &mut bob] {
        let answer = user
            .act(&Deed::decision("governance", &target))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.json());
    }
    until_proposal(&house, id, "enacted").await;

    let second = propose(
        &house,
        "dave",
        vec![Change::RemoveClient {
            id: "feed".parse().unwrap(),
        }],
    )
    .await
    .unwrap();
    let second = second["id"].as_str().unwrap();
    let target = format!("/v1/proposals/{second}/vetoes");
    let vetoed = alice
        .act(&Deed::decision("governance", &target))
        .await
        .unwrap();
    assert_eq!(vetoed.status, 200, "{:?}", vetoed.json());
    assert_eq!(proposal(&house, second).await["state"], "vetoed");

    let reason = br#"{"reason":"something is wrong"}"#;
    let frozen = dave.act(&Deed::post("/v1/freeze", reason)).await.unwrap();
    assert_eq!(frozen.status, 200, "{:?}", frozen.json());
    let page = bob.get("/console/freeze").await.unwrap();
    assert!(
        String::from_utf8(page.body)
            .unwrap()
            .contains("something is wrong")
    );
    for user in [&mut alice, &mut bob, &mut dave] {
        let answer = user.act(&Deed::post("/v1/unfreeze", b"{}")).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.json());
    }
    let paid = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&paid, "k1", &ask("ETH", "0.1", SOMEBODY)).await;
    until_final(&house, &paid, id_of(&asked)).await;
    verified(&house);
}
