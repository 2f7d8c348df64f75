//! Approvals by passkey that must not count: of something else, from elsewhere, too late, by copies, by others.

use custodyd::stored_request::Stated;
use custodyd_testbed::{ConsoleAnswer, ConsoleUser, Deed, base64url};
use custodyd_vault::{Change, Credential};
use serde_json::{Value, json};

use super::{approve, console_house, enrolled, refuses, stated};
use crate::{
    governance::{enact, governed_policy, verified},
    house::{SOMEBODY, ask, id_of, show, withdraw},
};

/// What is stated about a withdrawal, changed before it is signed.
async fn changed(
    user: &mut ConsoleUser,
    target: &str,
    change: impl Fn(&mut Value),
) -> ConsoleAnswer {
    let mut said = stated(user, &Deed::decision("approval", target)).await;
    change(&mut said["stated"]["approval"]);
    let read: Stated = serde_json::from_value(said["stated"].clone()).unwrap();
    said["challenge"] = json!(base64url(&read.challenge()));
    let act = user.signed(&said, b"").unwrap();
    user.post("/console/acts", &act).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkeys_approval_counts_only_for_what_it_states_and_by_whom_it_is_asked() {
    let house = console_house().await;
    let [mut alice, mut bob, mut dave] = enrolled(&house, ["alice", "bob", "dave"], 1).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let other = withdraw(&client, "k2", &ask("ETH", "3", SOMEBODY)).await;
    let (id, other) = (id_of(&asked), id_of(&other));
    let target = format!("/v1/withdrawals/{id}/approvals");
    let deed = Deed::decision("approval", &target);

    alice.passkey.verifies_user = false;
    refuses(
        "user not verified",
        &approve(&mut alice, id).await,
        401,
        "unauthenticated",
    );
    alice.passkey.verifies_user = true;
    let origin = std::mem::replace(&mut alice.passkey.origin, "https://evil.example".to_owned());
    refuses(
        "wrong origin",
        &approve(&mut alice, id).await,
        401,
        "unauthenticated",
    );
    alice.passkey.origin = origin;

    // An old challenge, and another withdrawal's.
    let (old, fresh) = (
        stated(&mut alice, &deed).await,
        stated(&mut alice, &deed).await,
    );
    let elsewhere = format!("/v1/withdrawals/{other}/approvals");
    let elsewhere = stated(&mut alice, &Deed::decision("approval", &elsewhere)).await;
    for (what, challenge) in [
        ("an old challenge", &old),
        ("another withdrawal's", &elsewhere),
    ] {
        let mut crossed = fresh.clone();
        crossed["challenge"] = challenge["challenge"].clone();
        let act = alice.signed(&crossed, b"").unwrap();
        let answer = alice.post("/console/acts", &act).await.unwrap();
        refuses(what, &answer, 401, "unauthenticated");
    }

    type Change = fn(&mut Value);
    let differing: [(&str, u16, &str, Change); 7] = [
        ("amount", 409, "statement-differs", |s| {
            s["effects"]["amount"] = json!("1 ETH")
        }),
        ("destination", 409, "statement-differs", |s| {
            s["effects"]["destination"] =
                json!("eip155:31337:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
        }),
        ("wallet", 409, "statement-differs", |s| {
            s["effects"]["wallet"] = json!("warm-eth")
        }),
        ("policy", 409, "statement-differs", |s| {
            s["policy"] = json!("00".repeat(32))
        }),
        ("domain", 409, "statement-differs", |s| {
            s["domain"] = json!("custodyd/act/v1")
        }),
        ("expired", 409, "statement-expired", |s| {
            s["expires_at"] = json!(1_700_000_000_000_u64)
        }),
        ("good for ever", 409, "statement-expired", |s| {
            s["expires_at"] = json!(u64::MAX >> 12)
        }),
    ];
    for (what, status, code, change) in differing {
        refuses(
            what,
            &changed(&mut alice, &target, change).await,
            status,
            code,
        );
    }
    // Bob's browser, and alice's word.
    let said = stated(&mut alice, &deed).await;
    let act = alice.signed(&said, b"").unwrap();
    let by_bob = bob.post("/console/acts", &act).await.unwrap();
    refuses("sent by another", &by_bob, 403, "forbidden");
    refuses(
        "not in the group",
        &approve(&mut dave, id).await,
        403,
        "not-eligible",
    );
    assert_eq!(
        show(&client, id).await["approvals"],
        json!([]),
        "nothing counted"
    );

    let right = alice.signed(&said, b"").unwrap();
    assert_eq!(
        alice.post("/console/acts", &right).await.unwrap().status,
        200
    );
    let again = alice.signed(&said, b"").unwrap();
    refuses(
        "replayed",
        &alice.post("/console/acts", &again).await.unwrap(),
        409,
        "replayed",
    );
    refuses(
        "one person twice",
        &approve(&mut alice, id).await,
        409,
        "already-decided",
    );

    // Whoever asked for it doesn't approve it, by passkey either.
    let own = house.client_as("operator/alice").unwrap();
    let own = withdraw(&own, "own", &ask("ETH", "2", SOMEBODY)).await;
    let answer = approve(&mut alice, id_of(&own)).await;
    refuses("the initiator", &answer, 403, "not-eligible");
    let approvals = show(&client, id).await["approvals"].clone();
    assert_eq!(approvals.as_array().unwrap().len(), 1);
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_a_second_and_a_revoked_passkey_add_nothing() {
    let house = console_house().await;
    let [mut alice, mut second] = enrolled(&house, ["alice", "alice"], 1).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let other = withdraw(&client, "k2", &ask("ETH", "3", SOMEBODY)).await;
    let (id, other) = (id_of(&asked), id_of(&other));

    let mut copy = alice.clone();
    assert_eq!(approve(&mut alice, id).await.status, 200);
    refuses(
        "a copy",
        &approve(&mut copy, other).await,
        403,
        "passkey-copied",
    );
    refuses(
        "a second one",
        &approve(&mut second, id).await,
        409,
        "already-decided",
    );

    let target = format!("/v1/withdrawals/{other}/approvals");
    let said = stated(&mut alice, &Deed::decision("approval", &target)).await;
    let act = alice.signed(&said, b"").unwrap();
    enact(
        &house,
        vec![Change::RevokeCredential {
            operator: "alice".parse().unwrap(),
            credential: Credential::Passkey(alice.passkey.public()),
        }],
    )
    .await;
    // The session that it began is over, and its word counts in no other.
    refuses(
        "its session",
        &alice.post("/console/acts", &act).await.unwrap(),
        401,
        "unauthenticated",
    );
    alice.cookie = second.cookie.clone();
    refuses(
        "its word",
        &alice.post("/console/acts", &act).await.unwrap(),
        401,
        "unauthenticated",
    );
    refuses(
        "to sign in",
        &alice.sign_in().await.unwrap(),
        401,
        "unauthenticated",
    );
    assert_eq!(show(&client, other).await["approvals"], json!([]));
    // The other one is as good as before.
    assert_eq!(approve(&mut second, other).await.status, 200);
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stated_under_another_policy_is_void() {
    let house = console_house().await;
    let [mut alice] = enrolled(&house, ["alice"], 1).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let id = id_of(&asked);
    let target = format!("/v1/withdrawals/{id}/approvals");
    let said = stated(&mut alice, &Deed::decision("approval", &target)).await;
    let source = governed_policy().replace("expire_after = \"24h\"", "expire_after = \"23h\"");
    enact(&house, vec![Change::SetPolicy { source }]).await;
    let act = alice.signed(&said, b"").unwrap();
    let answer = alice.post("/console/acts", &act).await.unwrap();
    refuses("another policy", &answer, 409, "statement-differs");
    assert_eq!(approve(&mut alice, id).await.status, 200);
    verified(&house);
}
