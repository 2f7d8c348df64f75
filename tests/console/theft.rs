//! A stolen session cookie: whoever has it can look, and nothing else.

use serde_json::{Value, json};

use crate::{
    bed::{approvers, ask_ether, entry, ethereum_house, handed_in, show},
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
    stage.press("thief", &format!("{} .approve", entry(&id)));
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

    // By a passkey of his own, which nobody invited: under its own name, and under that of Alice's.
    let own = stage.tell("thief", "make", json!({ "rp": "localhost" }));
    for (asked, body) in acts(&id) {
        for hers in [false, true] {
            refused_with(&mut stage, &asked, &body, &own, hers);
        }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_signed_before_counts_once_whoever_says_it_again() {
    let (house, mut stage) = ethereum_house().await;
    let first = ask_ether(&house, "k1", "2").await;
    let second = ask_ether(&house, "k2", "3").await;
    let invited = house.invite(&["alice"]).await.unwrap();
    stage.enrolled("alice", &invited[0]);
    stage.tell("alice", "overhear", json!({ "path": "/console/acts" }));
    stage.press("alice", &format!("{} .approve", entry(&first)));
    stage.wait("alice", "#answer.done");
    stage.open_page("alice", "/console/journal");
    let file = house.folder().join("export.jsonl");
    let export = "form[data-target^='/console/journal/export'] button";
    stage.tell("alice", "download", json!({ "at": export, "file": file }));
    let said = stage.tell("alice", "overheard", json!({}));
    let said = said.as_array().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");

    stage.person("thief");
    stage.tell("thief", "steal", json!({ "from": "alice" }));
    stage.open_page("thief", "/console/queue");
    let given = approvers(&house, &first).await;
    let prepare = json!({
        "kind": "approval", "method": "POST", "target": format!("/v1/withdrawals/{second}/approvals"),
    });
    let asked = json!({ "method": "POST", "path": "/console/acts/prepare", "body": prepare });
    let (status, prepared) = stage.fetch("thief", asked);
    assert_eq!(status, 200, "{prepared}");
    for act in said {
        let mut elsewhere = act.clone();
        elsewhere["stated"] = prepared["stated"].clone();
        elsewhere["body"] = json!("");
        for again in [act, &elsewhere] {
            let asked = json!({ "method": "POST", "path": "/console/acts", "body": again });
            let (status, answer) = stage.fetch("thief", asked);
            assert!((400..500).contains(&status), "{status} {answer}");
        }
    }
    assert_eq!(approvers(&house, &first).await, given);
    assert!(approvers(&house, &second).await.is_empty());

    // None of it keeps Alice from what is hers.
    stage.open_page("alice", "/console/queue");
    stage.press("alice", &format!("{} .approve", entry(&second)));
    stage.wait("alice", "#answer.done");
    assert_eq!(approvers(&house, &second).await, ["alice"]);
}

/// One act of each kind, and its body.
fn acts(id: &str) -> Vec<(Value, Value)> {
    let act =
        |method: &str, target: &str| json!({ "kind": "act", "method": method, "target": target });
    let decision = |verb: &str| {
        let target = format!("/v1/withdrawals/{id}/{verb}");
        json!({ "kind": "approval", "method": "POST", "target": target })
    };
    let invite = json!({
        "vault": "main", "reason": "mine",
        "changes": [{ "change": "invite", "operator": "alice", "invitation": "d7".repeat(32), "until": 4_000_000_000_000_u64 }],
    });
    let bundle = "/v1/cold/exports/ex_00000000000000000000000000000001/bundle";
    vec![
        (decision("approvals"), Value::Null),
        (decision("rejections"), Value::Null),
        (decision("cancellation"), Value::Null),
        (
            act("POST", "/v1/freeze"),
            json!({ "reason": "to stop their business" }),
        ),
        (act("POST", "/v1/proposals"), invite),
        (act("POST", "/v1/cold/exports"), json!({})),
        (act("POST", "/v1/cold/imports"), json!({})),
        (act("GET", bundle), Value::Null),
        (
            act("GET", "/console/journal/export?after=0&until=3"),
            Value::Null,
        ),
    ]
}

/// Signs an act at the right place with a passkey of the thief's own, says whose it is, and is refused.
fn refused_with(stage: &mut Stage, asked: &Value, body: &Value, own: &Value, hers: bool) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut asked = asked.clone();
    if !body.is_empty() {
        asked["content_type"] = json!("application/json");
    }
    let act = json!({ "asked": asked, "body": body, "credential": own, "hers": hers });
    let answer = stage.tell("thief", "actWith", act);
    assert_eq!(answer["stated"], true, "{asked}: {answer}");
    assert_eq!(answer["status"], 401, "{asked}: {answer}");
}
