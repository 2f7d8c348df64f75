//! A stolen session cookie: whoever has it can look, and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    bed::{House, ask_ether, ethereum_house, show, sql},
    stage::Stage,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_cookie_can_look_but_not_approve_freeze_enrol_change_export_or_download() {
    let (house, mut stage) = ethereum_house().await;
    let id = ask_ether(&house, "k1", "2").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);

    // Another machine: another browser, another authenticator.
    stage.person("thief");
    let cookies = stage.tell("thief", "steal", json!({ "from": "alice" }));
    let cookie = &cookies[0];
    assert_eq!(cookies.as_array().unwrap().len(), 1, "{cookies}");
    assert_eq!(cookie["name"], "__Host-custodyd");
    for (attribute, value) in [
        ("httpOnly", json!(true)),
        ("secure", json!(true)),
        ("sameSite", json!("Strict")),
        ("path", json!("/")),
    ] {
        assert_eq!(cookie[attribute], value, "{attribute}");
    }
    let (status, led) = stage.open_page("thief", "/console/queue");
    assert_eq!((status, led.as_str()), (200, "/console/queue"));
    let before = handed_in(&house);

    // By the page's own buttons: no passkey of Alice's is at hand.
    stage.press("thief", &format!("article[id=\"{id}\"] .approve"));
    stage.wait("thief", "#answer.failed");
    stage.open_page("thief", "/console/freeze");
    stage.fill(
        "thief",
        ".halt input[name=reason]",
        "to stop their business",
    );
    stage.press("thief", ".halt input[type=checkbox]");
    stage.press("thief", ".halt button");
    stage.wait("thief", ".answer.failed");

    // By requests of his own: whatever may be stated, unsigned or signed by a passkey that isn't Alice's.
    let acts = [
        json!({ "kind": "approval", "method": "POST", "target": format!("/v1/withdrawals/{id}/approvals") }),
        json!({ "kind": "approval", "method": "POST", "target": format!("/v1/withdrawals/{id}/rejections") }),
        json!({ "kind": "act", "method": "POST", "target": "/v1/freeze" }),
        json!({ "kind": "act", "method": "POST", "target": "/v1/proposals" }),
        json!({ "kind": "act", "method": "POST", "target": "/v1/withdrawals" }),
        json!({ "kind": "act", "method": "POST", "target": "/v1/cold/exports" }),
        json!({ "kind": "act", "method": "POST", "target": "/v1/cold/imports" }),
        json!({ "kind": "act", "method": "GET", "target": "/v1/cold/exports/ex_00000000000000000000000000000001/bundle" }),
        json!({ "kind": "act", "method": "GET", "target": "/console/journal/export?after=0&until=3" }),
    ];
    for asked in acts {
        forged(&mut stage, &asked);
    }
    // Straight at the API, and at places where things would be changed or taken without a signature.
    for (method, path, body) in [
        ("POST", "/v1/freeze", json!({})),
        ("POST", "/v1/enrolments", json!({ "operator": "alice" })),
        (
            "POST",
            "/v1/proposals",
            json!({ "vault": "main", "changes": [], "reason": "mine" }),
        ),
        ("GET", "/v1/journal", Value::Null),
        ("GET", "/v1/withdrawals", Value::Null),
        (
            "GET",
            "/v1/cold/exports/ex_00000000000000000000000000000001/bundle",
            Value::Null,
        ),
        (
            "GET",
            "/console/journal/export?after=0&until=3",
            Value::Null,
        ),
        (
            "POST",
            "/console/enrol/start",
            json!({ "secret": "A".repeat(43) }),
        ),
    ] {
        let mut asked = json!({ "method": method, "path": path });
        if !body.is_null() {
            asked["body"] = body;
        }
        let (status, document) = stage.fetch("thief", asked);
        assert!(
            (400..500).contains(&status),
            "{method} {path}: {status} {document}"
        );
    }
    let document = show(&house, &id).await;
    assert_eq!(document["state"], "awaiting_approval", "{document}");
    assert_eq!(document["approvals"], json!([]));
    assert_eq!(handed_in(&house), before, "something was written");

    // Alice signs out, and the copy is worth nothing.
    stage.press("alice", "form.out button");
    stage.tell("alice", "waitPath", json!({ "path": "/console/login" }));
    let (_, led) = stage.open_page("thief", "/console/queue");
    assert_eq!(led, "/console/login");
}

/// What may be stated is stated for whoever looks; without Alice's passkey none of it is taken.
fn forged(stage: &mut Stage, asked: &Value) {
    let prepare = json!({ "method": "POST", "path": "/console/acts/prepare", "body": asked });
    let (status, prepared) = stage.fetch("thief", prepare);
    if status != 200 {
        assert!((400..500).contains(&status), "{asked}: {status}");
        return;
    }
    let credential = &prepared["credentials"][0];
    let client_data = json!({
        "type": "webauthn.get", "challenge": prepared["challenge"], "origin": "http://localhost", "crossOrigin": false,
    });
    let assertions = [
        Value::Null,
        json!({}),
        json!({
            "credential": credential,
            "authenticator_data": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAQ",
            "client_data": base64url(&client_data),
            "signature": "MEUCIQDAAAAA",
        }),
    ];
    for assertion in assertions {
        let body = json!({ "stated": prepared["stated"], "body": "", "assertion": assertion });
        let (status, answer) = stage.fetch(
            "thief",
            json!({ "method": "POST", "path": "/console/acts", "body": body }),
        );
        assert!((400..500).contains(&status), "{asked}: {status} {answer}");
    }
}

fn base64url(client_data: &Value) -> String {
    URL_SAFE_NO_PAD.encode(client_data.to_string())
}

/// Requests that were ever handed to the engine.
fn handed_in(house: &House) -> String {
    sql(house, "SELECT count(*) FROM inbox;")
}
