//! Signing in to the console: by passkey alone, once for each challenge, telling nothing to those who guess.

use serde_json::{Value, json};

use crate::{
    console::{alice, signed_in, stranger},
    edge::Edge,
};

#[tokio::test]
async fn a_passkey_signs_in_and_its_session_lets_one_look() {
    let edge = Edge::start().await;
    let mut user = alice(&edge);
    let answer = user.get("/console/session").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console/login?to=/console/session"))
    );
    let answer = user.sign_in().await.unwrap();
    assert_eq!(answer.json(), json!({ "operator": "alice" }));
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(pair.len(), "__Host-custodyd=".len() + 43);
    let answer = user.get("/console/session").await.unwrap();
    assert_eq!(answer.json(), json!({ "operator": "alice" }));
    assert_eq!(user.get("/console/login").await.unwrap().status, 303);
}

#[tokio::test]
async fn a_session_ends_when_its_operator_signs_out() {
    let edge = Edge::start().await;
    let mut user = signed_in(&edge).await;
    let kept = user.cookie.clone();
    let answer = user.post("/console/logout", &json!({})).await.unwrap();
    assert_eq!(answer.status, 303);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(user.cookie, None);
    user.cookie = kept;
    assert_eq!(user.get("/console/session").await.unwrap().status, 303);
}

#[tokio::test]
async fn signing_in_gives_a_new_token_whatever_the_browser_had_before() {
    let edge = Edge::start().await;
    let mut user = alice(&edge);
    // Somebody planted a token of their choice.
    let planted = format!("__Host-custodyd={}", "A".repeat(43));
    user.cookie = Some(planted.clone());
    user.sign_in().await.unwrap();
    let first = user.cookie.clone().unwrap();
    assert_ne!(first, planted);
    user.sign_in().await.unwrap();
    assert_ne!(user.cookie.as_ref(), Some(&first));
    for old in [planted, first] {
        let mut thief = stranger(&edge);
        thief.cookie = Some(old);
        assert_eq!(thief.get("/console/session").await.unwrap().status, 303);
    }
}

#[tokio::test]
async fn a_challenge_is_taken_once_and_only_with_a_verified_user_at_this_console() {
    let edge = Edge::start().await;
    let mut user = alice(&edge);
    let attempt = async |user: &mut custodyd_testbed::ConsoleUser| -> Value {
        let options = user
            .post("/console/login/options", &json!({}))
            .await
            .unwrap()
            .json();
        let challenge = custodyd_testbed::from_base64url(&options["challenge"]).unwrap();
        json!({ "nonce": options["nonce"], "assertion": user.passkey.assert(&challenge) })
    };
    let body = attempt(&mut user).await;
    assert_eq!(
        user.post("/console/login", &body).await.unwrap().status,
        200
    );
    let again = user.post("/console/login", &body).await.unwrap();
    assert_eq!(
        (again.status, again.problem().as_str()),
        (401, "unauthenticated")
    );

    let mut spoilt = alice(&edge);
    spoilt.passkey.counter = 10;
    spoilt.passkey.verifies_user = false;
    assert_eq!(spoilt.sign_in().await.unwrap().status, 401);
    spoilt.passkey.verifies_user = true;
    spoilt.passkey.origin = "http://localhost:8081".to_owned();
    assert_eq!(spoilt.sign_in().await.unwrap().status, 401);
    spoilt.passkey.origin = "http://localhost:8080".to_owned();
    spoilt.passkey.rp_id = "evil.example".to_owned();
    assert_eq!(spoilt.sign_in().await.unwrap().status, 401);
    assert_eq!(spoilt.cookie, None);
    let mut other = attempt(&mut spoilt).await;
    let body = attempt(&mut spoilt).await;
    other["assertion"] = body["assertion"].clone();
    assert_eq!(
        spoilt.post("/console/login", &other).await.unwrap().status,
        401
    );
}

#[tokio::test]
async fn nobody_learns_whose_names_or_passkeys_are_known() {
    let edge = Edge::start().await;
    let mut user = alice(&edge);
    let mut offered = async |name: &str| {
        let asked = json!({ "operator": name });
        let answer = user.post("/console/login/options", &asked).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
        answer.json()["credentials"].as_array().unwrap().clone()
    };
    assert_eq!(offered("alice").await.len(), 1);
    for name in ["nobody", "client/shop", "../alice", ""] {
        let first = offered(name).await;
        assert!((1..=2).contains(&first.len()), "{name}: {first:?}");
        assert_eq!(offered(name).await, first, "{name}");
    }
    assert_ne!(offered("nobody").await, offered("noone").await);

    // A passkey that is not known, and a known one's name with another's signature.
    let unknown = stranger(&edge).sign_in().await.unwrap();
    let options = user
        .post("/console/login/options", &json!({}))
        .await
        .unwrap()
        .json();
    let challenge = custodyd_testbed::from_base64url(&options["challenge"]).unwrap();
    let mut assertion = stranger(&edge).passkey.assert(&challenge);
    assertion.credential = user.passkey.public().id;
    let body = json!({ "nonce": options["nonce"], "assertion": assertion });
    let known = user.post("/console/login", &body).await.unwrap();
    assert_eq!((unknown.status, unknown.json()), (401, known.json()));
}

#[tokio::test]
async fn a_copied_passkey_signs_nobody_in() {
    let edge = Edge::start().await;
    let mut user = signed_in(&edge).await;
    let mut copy = user.clone();
    copy.cookie = None;
    assert_eq!(user.sign_in().await.unwrap().status, 200);
    let refused = copy.sign_in().await.unwrap();
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (403, "passkey-copied")
    );
    assert_eq!(copy.cookie, None);
}

#[tokio::test]
async fn failures_in_one_name_are_slowed_down_alike_whether_it_is_known_or_not() {
    for who in [alice, stranger] {
        let edge = Edge::start().await;
        let mut user = who(&edge);
        user.passkey.verifies_user = false;
        let mut failed = 0;
        let refused = loop {
            let answer = user.sign_in().await.unwrap();
            if answer.status != 401 {
                break answer;
            }
            failed += 1;
            assert!(failed <= 50, "nothing slows it down");
        };
        assert_eq!(failed, 10);
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (429, "too-many-requests")
        );
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=15).contains(&wait), "{wait}");
    }
}
