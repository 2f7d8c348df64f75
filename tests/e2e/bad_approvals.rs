//! Approvals that must not count: by others, of something else, too late, or twice.

use std::time::Duration;

use custodyd_client::Withdrawal;
use custodyd_testbed::House;
use custodyd_vault::{APPROVAL_DOMAIN, Decision, StatedEffects, Statement};
use serde_json::{Value, json};

use crate::{
    house::{
        Plan, SOMEBODY, ask, decide, default_policy, fund_ether, house, id_of, show, until_state,
        withdraw,
    },
    wire::{Answer, Speaker},
};

/// The statement that approves this withdrawal, before it is signed.
async fn statement(house: &House, operator: &str, id: &str) -> Statement {
    let client = house.client_as("client/exchange").unwrap();
    let document: Withdrawal = client.get(&format!("/v1/withdrawals/{id}")).await.unwrap();
    let payout = document.payout.clone();
    Statement {
        domain: APPROVAL_DOMAIN.to_owned(),
        vault: "main".parse().unwrap(),
        withdrawal: id.parse().unwrap(),
        effects: StatedEffects {
            network: payout.network,
            wallet: document.wallet.clone(),
            destination: payout.destination,
            amount: payout.amount,
        },
        decision: Decision::Approve,
        policy: document.statement.unwrap().policy,
        expires_at: custodyd_policy::Timestamp::from_ms(u64::MAX >> 12),
        nonce: "0123456789abcdef0123456789abcdef".to_owned(),
        operator: operator.parse().unwrap(),
    }
}

/// `speaker` sends a statement that `signer` signed.
fn send(speaker: &Speaker, signer: &Speaker, path: &str, statement: &Statement) -> Answer {
    let key = signer.identity.key();
    let signature = key.sign_challenge(&statement.challenge()).unwrap();
    let body = json!({ "statement": statement, "signature": signature });
    speaker.post(path, None, body.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_only_for_what_it_states_and_by_whom_it_is_asked() {
    let house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let other = withdraw(&client, "k2", &ask("ETH", "3", SOMEBODY)).await;
    let (id, other) = (id_of(&asked), id_of(&other));
    let path = format!("/v1/withdrawals/{id}/approvals");
    let [alice, bob, dave] =
        ["alice", "bob", "dave"].map(|name| Speaker::of(&house, &format!("operator/{name}")));
    let good = statement(&house, "alice", id).await;

    type Spoil = fn(&mut Statement);
    let differing: [(&str, Spoil); 8] = [
        ("domain", |s| s.domain.push('x')),
        ("vault", |s| s.vault = "other".parse().unwrap()),
        ("network", |s| {
            s.effects.network = "eip155:1".parse().unwrap()
        }),
        ("wallet", |s| s.effects.wallet = "warm-eth".parse().unwrap()),
        ("destination", |s| {
            let other = "eip155:31337:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
            s.effects.destination = other.parse().unwrap();
        }),
        ("amount", |s| {
            s.effects.amount = "2.000000000000000001 ETH".parse().unwrap()
        }),
        ("policy", |s| {
            s.policy = serde_json::from_value(json!("00".repeat(32))).unwrap()
        }),
        ("nonce", |s| s.nonce = "once".to_owned()),
    ];
    for (field, spoil) in differing {
        let mut statement = good.clone();
        spoil(&mut statement);
        let answer = send(&alice, &alice, &path, &statement);
        answer.refuses(field, 409, "statement-differs");
        assert!(
            answer.body["detail"].as_str().unwrap().contains(field),
            "{answer:?}"
        );
    }
    let mut expired = good.clone();
    expired.expires_at = custodyd_policy::Timestamp::from_ms(1_700_000_000_000);
    send(&alice, &alice, &path, &expired).refuses("expired", 409, "statement-expired");
    let elsewhere = statement(&house, "alice", other).await;
    send(&alice, &alice, &path, &elsewhere).refuses("another withdrawal's", 400, "malformed");
    let mut disguised = elsewhere;
    disguised.withdrawal = good.withdrawal;
    let answer = send(&alice, &alice, &path, &disguised);
    answer.refuses("another withdrawal's effects", 409, "statement-differs");
    let mut rejecting = good.clone();
    rejecting.decision = Decision::Reject;
    send(&alice, &alice, &path, &rejecting).refuses("a rejection", 400, "malformed");

    send(&alice, &bob, &path, &good).refuses("signed by another", 403, "statement-signature");
    send(&bob, &alice, &path, &good).refuses("sent by another", 403, "statement-signature");
    let mut tampered = good.clone();
    tampered.nonce = "f".repeat(32);
    let signature = alice
        .identity
        .key()
        .sign_challenge(&good.challenge())
        .unwrap();
    let body = json!({ "statement": tampered, "signature": signature });
    let answer = alice.post(&path, None, body.to_string().as_bytes());
    answer.refuses("changed after signing", 403, "statement-signature");
    let mallory = Speaker::with_key(&house, "operator/mallory", "operator/alice");
    send(&mallory, &mallory, &path, &good).refuses("a stranger", 401, "unauthenticated");
    let initiator = Speaker::of(&house, "client/exchange");
    send(&initiator, &alice, &path, &good).refuses("the initiator", 403, "forbidden");
    let by_dave = statement(&house, "dave", id).await;
    send(&dave, &dave, &path, &by_dave).refuses("not in the group", 403, "not-eligible");
    let missing = format!("wd_{}", "0".repeat(32));
    let mut unknown = good.clone();
    unknown.withdrawal = missing.parse().unwrap();
    let answer = send(
        &alice,
        &alice,
        &format!("/v1/withdrawals/{missing}/approvals"),
        &unknown,
    );
    answer.refuses("no such withdrawal", 404, "unknown-withdrawal");
    assert_eq!(
        show(&client, id).await["approvals"],
        json!([]),
        "nothing counted"
    );

    assert_eq!(send(&alice, &alice, &path, &good).status, 200);
    send(&alice, &alice, &path, &good).refuses("one person twice", 409, "already-decided");
    let mut fresh = good.clone();
    fresh.nonce = "a".repeat(32);
    send(&alice, &alice, &path, &fresh).refuses(
        "one person with a fresh nonce",
        409,
        "already-decided",
    );
    let state = show(&client, id).await;
    assert_eq!(
        (
            &state["state"],
            state["approvals"].as_array().unwrap().len()
        ),
        (&json!("awaiting_approval"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_rejection_cancellation_or_expiry_an_approval_changes_nothing() {
    let policy = default_policy();
    let hasty = policy.replace("expire_after = \"24h\"", "expire_after = \"3s\"");
    assert_ne!(hasty, policy);
    let house = house(Plan {
        litecoin: false,
        policy: Some(hasty),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    let mut ended = Vec::new();
    for (key, end) in [
        ("k1", "rejected"),
        ("k2", "cancelled"),
        ("k3", "cancelled"),
        ("k4", "expired"),
    ] {
        let asked = withdraw(&client, key, &ask("ETH", "2", SOMEBODY)).await;
        let id = id_of(&asked).to_owned();
        // Shown and signed while it was open.
        let late = statement(&house, "bob", &id).await;
        decide(&house, "operator/alice", &id, Decision::Approve)
            .await
            .unwrap();
        match (key, end) {
            ("k1", _) => drop(
                decide(&house, "operator/carol", &id, Decision::Reject)
                    .await
                    .unwrap(),
            ),
            ("k2", _) => drop(
                client
                    .post_empty::<Value>(&format!("/v1/withdrawals/{id}/cancellation"))
                    .await
                    .unwrap(),
            ),
            ("k3", _) => drop(
                decide(&house, "operator/dave", &id, Decision::Cancel)
                    .await
                    .unwrap(),
            ),
            _ => {}
        }
        until_state(&house, &client, &id, end).await;
        ended.push((id, end, late));
    }
    let bob = Speaker::of(&house, "operator/bob");
    for (id, end, late) in &ended {
        let answer = send(&bob, &bob, &format!("/v1/withdrawals/{id}/approvals"), late);
        answer.refuses(end, 409, "not-now");
        assert!(
            answer.body["detail"].as_str().unwrap().contains(end),
            "{answer:?}"
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (id, end, _) in &ended {
        let document = show(&client, id).await;
        assert_eq!(
            (&document["state"], &document["transaction"]),
            (&json!(end), &Value::Null)
        );
    }
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}
