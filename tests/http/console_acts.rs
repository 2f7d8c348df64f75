//! Acts at the console: a passkey's word does it, and nothing else; a session that was stolen only looks.

use custodyd::stored_request::{Stated, StoredRequest};
use custodyd_testbed::{ConsoleAnswer, ConsoleUser, Deed, base64url};
use serde_json::{Value, json};

use crate::{
    console::{ORIGIN, signed_in, stranger},
    edge::Edge,
};

const FREEZE: Deed<'_> = Deed {
    kind: "act",
    method: "POST",
    target: "/v1/freeze",
    body: br#"{"reason":"a test asks for it"}"#,
};

/// Everything that an operator does from the console and that needs no engine to be stated.
const DEEDS: [Deed<'_>; 8] = [
    FREEZE,
    Deed {
        kind: "act",
        method: "POST",
        target: "/v1/unfreeze",
        body: b"{}",
    },
    Deed {
        kind: "act",
        method: "POST",
        target: "/v1/proposals",
        body: br#"{"vault":"main","changes":[],"reason":"x"}"#,
    },
    Deed {
        kind: "act",
        method: "POST",
        target: "/v1/wallets/hot/addresses",
        body: b"",
    },
    Deed {
        kind: "act",
        method: "POST",
        target: "/v1/cold/exports",
        body: b"{}",
    },
    Deed {
        kind: "act",
        method: "POST",
        target: "/v1/cold/imports",
        body: b"tar",
    },
    Deed {
        kind: "act",
        method: "GET",
        target: "/v1/cold/exports/ex_00000000000000000000000000000001/bundle",
        body: b"",
    },
    Deed {
        kind: "act",
        method: "GET",
        target: "/console/journal/export?after=0&until=9",
        body: b"",
    },
];

async fn prepared(user: &mut ConsoleUser, deed: &Deed<'_>) -> Value {
    let answer = user.prepare(deed).await.unwrap();
    assert_eq!(answer.status, 200, "{deed:?}: {answer:?}");
    answer.json()
}

#[track_caller]
fn refuses(answer: &ConsoleAnswer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (status, code),
        "{:?}",
        answer.json()
    );
}

/// What somebody does to a statement before it is signed.
type SpoilAt = fn(&mut Value, u64);

#[tokio::test]
async fn an_act_is_stored_with_the_word_that_carries_it() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let answer = alice.act(&FREEZE).await.unwrap();
    assert_eq!(answer.status, 202, "no engine answers here: {answer:?}");
    let inbox = edge.inbox().await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(
        (inbox[0].principal.as_str(), inbox[0].kind.as_str()),
        ("operator/alice", "freeze")
    );
    let StoredRequest::Passkey(stored) = StoredRequest::parse(&inbox[0].request).unwrap() else {
        panic!("not a passkey's");
    };
    assert_eq!(stored.body, FREEZE.body);
    let challenge = stored.stated.challenge();
    let passkey = alice.passkey.public();
    assert!(
        stored
            .assertion
            .verify(&passkey, &crate::console::party(), &challenge)
            .is_ok()
    );
    // Its answer is there for who asked, and for nobody else.
    let place = answer.header("location").unwrap().to_owned();
    assert_eq!(alice.get(&place).await.unwrap().status, 202);
    assert_eq!(stranger(&edge).get(&place).await.unwrap().status, 303);
    let other = place.replace(|c: char| c.is_ascii_digit(), "0");
    refuses(&alice.get(&other).await.unwrap(), 404, "not-found");
}

#[tokio::test]
async fn an_act_is_taken_once() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let stated = prepared(&mut alice, &FREEZE).await;
    let act = alice.signed(&stated, FREEZE.body).unwrap();
    assert_eq!(alice.post("/console/acts", &act).await.unwrap().status, 202);
    // Byte for byte the counter gives it away; signed once more it is the nonce.
    refuses(
        &alice.post("/console/acts", &act).await.unwrap(),
        403,
        "passkey-copied",
    );
    let again = alice.signed(&stated, FREEZE.body).unwrap();
    refuses(
        &alice.post("/console/acts", &again).await.unwrap(),
        409,
        "replayed",
    );
    assert_eq!(edge.inbox().await.len(), 1);

    let journal = DEEDS[7];
    let stated = prepared(&mut alice, &journal).await;
    let act = alice.signed(&stated, b"").unwrap();
    assert_eq!(alice.post("/console/acts", &act).await.unwrap().status, 200);
    let again = alice.signed(&stated, b"").unwrap();
    refuses(
        &alice.post("/console/acts", &again).await.unwrap(),
        409,
        "replayed",
    );
}

#[tokio::test]
async fn an_act_is_about_what_was_signed_and_nothing_else() {
    type Spoil = fn(&mut Value);
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let after_signing: [(&str, u16, &str, Spoil); 8] = [
        ("another body", 409, "act-differs", |a| {
            a["body"] = json!("e30=")
        }),
        ("another target", 401, "unauthenticated", |a| {
            a["stated"]["act"]["target"] = json!("/v1/unfreeze")
        }),
        ("another method", 401, "unauthenticated", |a| {
            a["stated"]["act"]["method"] = json!("PUT")
        }),
        ("another operator", 403, "forbidden", |a| {
            a["stated"]["act"]["operator"] = json!("bob")
        }),
        ("another vault", 409, "act-differs", |a| {
            a["stated"]["act"]["vault"] = json!("other")
        }),
        ("another domain", 409, "act-differs", |a| {
            a["stated"]["act"]["domain"] = json!("custodyd/login/v1")
        }),
        ("another nonce", 401, "unauthenticated", |a| {
            a["stated"]["act"]["nonce"] = json!("0".repeat(32))
        }),
        ("one member more", 400, "malformed", |a| {
            a["stated"]["act"]["more"] = json!(1)
        }),
    ];
    for (what, status, code, spoil) in after_signing {
        let stated = prepared(&mut alice, &FREEZE).await;
        let mut act = alice.signed(&stated, FREEZE.body).unwrap();
        spoil(&mut act);
        let answer = alice.post("/console/acts", &act).await.unwrap();
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{what}: {:?}",
            answer.json()
        );
    }
    // The passkey itself signs what the console would never state.
    let now = |stated: &Value| stated["act"]["created_at"].as_u64().unwrap();
    let before_signing: [(&str, u16, &str, SpoilAt); 6] = [
        ("expired", 409, "statement-expired", |s, now| {
            s["act"]["expires_at"] = json!(now - 1)
        }),
        ("good for a day", 409, "statement-expired", |s, now| {
            s["act"]["expires_at"] = json!(now + 86_400_000)
        }),
        ("from the future", 409, "statement-expired", |s, now| {
            s["act"]["created_at"] = json!(now + 600_000);
            s["act"]["expires_at"] = json!(now + 900_000);
        }),
        ("not on the list", 403, "forbidden", |s, _| {
            s["act"]["target"] = json!("/v1/enrolments")
        }),
        ("prices", 403, "forbidden", |s, _| {
            s["act"]["method"] = json!("PUT");
            s["act"]["target"] = json!("/v1/prices");
        }),
        ("a nonce of another form", 409, "act-differs", |s, _| {
            s["act"]["nonce"] = json!("once")
        }),
    ];
    for (what, status, code, spoil) in before_signing {
        let mut stated = prepared(&mut alice, &FREEZE).await;
        let at = now(&stated["stated"]);
        spoil(&mut stated["stated"], at);
        let read: Stated = serde_json::from_value(stated["stated"].clone()).unwrap();
        stated["challenge"] = json!(base64url(&read.challenge()));
        let act = alice.signed(&stated, FREEZE.body).unwrap();
        let answer = alice.post("/console/acts", &act).await.unwrap();
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{what}: {:?}",
            answer.json()
        );
    }
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_passkeys_word_counts_only_from_a_verified_user_at_this_console() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    alice.passkey.verifies_user = false;
    refuses(&alice.act(&FREEZE).await.unwrap(), 401, "unauthenticated");
    alice.passkey.verifies_user = true;
    for elsewhere in ["https://evil.example", "http://localhost:8081", "null"] {
        alice.passkey.origin = elsewhere.to_owned();
        refuses(&alice.act(&FREEZE).await.unwrap(), 401, "unauthenticated");
    }
    alice.passkey.origin = ORIGIN.to_owned();
    alice.passkey.rp_id = "evil.example".to_owned();
    refuses(&alice.act(&FREEZE).await.unwrap(), 401, "unauthenticated");
    alice.passkey.rp_id = "localhost".to_owned();
    assert!(edge.inbox().await.is_empty());
    assert_eq!(alice.act(&FREEZE).await.unwrap().status, 202);
}

#[tokio::test]
async fn a_word_given_to_sign_in_is_none_to_act() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let options = alice
        .post("/console/login/options", &json!({}))
        .await
        .unwrap()
        .json();
    let mut stated = prepared(&mut alice, &FREEZE).await;
    stated["challenge"] = options["challenge"].clone();
    let act = alice.signed(&stated, FREEZE.body).unwrap();
    refuses(
        &alice.post("/console/acts", &act).await.unwrap(),
        401,
        "unauthenticated",
    );
    // Nor the other way round.
    let stated = prepared(&mut alice, &FREEZE).await;
    let act = alice.signed(&stated, FREEZE.body).unwrap();
    let body = json!({ "nonce": options["nonce"], "assertion": act["assertion"] });
    refuses(
        &alice.post("/console/login", &body).await.unwrap(),
        401,
        "unauthenticated",
    );
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn a_stolen_session_does_nothing_and_takes_nothing_out() {
    let edge = Edge::start().await;
    let mut thief = stranger(&edge);
    thief.cookie = signed_in(&edge).await.cookie;
    assert_eq!(
        thief.get("/console/session").await.unwrap().status,
        200,
        "it looks"
    );
    for deed in &DEEDS {
        // What would be signed is no secret. Without alice's passkey it is worth nothing.
        let stated = prepared(&mut thief, deed).await;
        let act = thief.signed(&stated, deed.body).unwrap();
        refuses(
            &thief.post("/console/acts", &act).await.unwrap(),
            401,
            "unauthenticated",
        );
        let mut forged = act.clone();
        forged["assertion"]["credential"] = stated["credentials"][0].clone();
        refuses(
            &thief.post("/console/acts", &forged).await.unwrap(),
            401,
            "unauthenticated",
        );
        let mut bare = act;
        bare.as_object_mut().unwrap().remove("assertion");
        refuses(
            &thief.post("/console/acts", &bare).await.unwrap(),
            400,
            "malformed",
        );
        // The API itself knows no sessions.
        let target = deed
            .target
            .replace("/console/journal/export", "/v1/journal");
        let method = deed.method.parse().unwrap();
        let answer = thief.send(method, &target, None).await.unwrap();
        refuses(&answer, 401, "unauthenticated");
    }
    for target in [
        "/console/journal/export?after=0&until=9",
        "/console/cold/exports/ex_00000000000000000000000000000001/bundle",
    ] {
        let answer = thief.get(target).await.unwrap();
        assert!(answer.status >= 400, "{target}: {answer:?}");
    }
    // No operation of the API knows sessions, whatever it is.
    let description = thief.get("/openapi.json").await.unwrap().json();
    let mut operations = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let target = path.replace("{id}", &format!("wd_{}", "0".repeat(32)));
        for method in methods.as_object().unwrap().keys() {
            let open = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
            if open.contains(&path.as_str()) {
                continue;
            }
            let body = (method != "get").then(|| json!({}));
            let method = method.to_uppercase().parse().unwrap();
            let answer = thief.send(method, &target, body.as_ref()).await.unwrap();
            assert!([401, 404].contains(&answer.status), "{path}: {answer:?}");
            operations += 1;
        }
    }
    assert!(operations > 20, "{operations}");
    let secret = base64url(&[7; 32]);
    let answer = thief
        .post("/console/enrol/start", &json!({ "secret": secret }))
        .await
        .unwrap();
    refuses(&answer, 403, "not-invited");
    assert!(edge.inbox().await.is_empty());
}

#[tokio::test]
async fn without_a_session_nothing_is_stated_or_taken() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let stated = prepared(&mut alice, &FREEZE).await;
    let act = alice.signed(&stated, FREEZE.body).unwrap();
    let kept = alice.cookie.take();
    refuses(
        &alice.prepare(&FREEZE).await.unwrap(),
        401,
        "unauthenticated",
    );
    refuses(
        &alice.post("/console/acts", &act).await.unwrap(),
        401,
        "unauthenticated",
    );
    assert!(edge.inbox().await.is_empty());
    alice.cookie = kept;
    assert_eq!(alice.post("/console/acts", &act).await.unwrap().status, 202);
}

#[tokio::test]
async fn what_is_asked_for_badly_is_not_stated() {
    let edge = Edge::start().await;
    let mut alice = signed_in(&edge).await;
    let asked = |more: Value| {
        let mut asked = json!({ "kind": "act", "method": "POST", "target": "/v1/freeze" });
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        asked
    };
    for (more, status) in [
        (json!({ "target": "/v1/freeze?x=1" }), 403),
        (json!({ "target": "/v1/enrolments" }), 403),
        (
            json!({ "target": format!("/v1/{}", "x".repeat(3_000)) }),
            400,
        ),
        (json!({ "method": "DELETE" }), 403),
        (json!({ "kind": "approval" }), 404),
        (
            json!({ "kind": "governance", "target": "/v1/withdrawals/x/approvals" }),
            404,
        ),
        (json!({ "kind": "anything" }), 400),
        (json!({ "body_sha256": "00" }), 400),
        (json!({ "idempotency_key": "" }), 400),
        (json!({ "content_type": "x".repeat(1_000) }), 400),
        (json!({ "operator": "bob" }), 400),
    ] {
        let answer = alice
            .post("/console/acts/prepare", &asked(more.clone()))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{more}: {:?}", answer.json());
    }
}
