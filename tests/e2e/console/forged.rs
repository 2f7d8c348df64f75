//! A passkey's word that somebody writes into the inbox behind the console's back is verified by the engine itself.

use custodyd::stored_request::{PasskeyRequest, StoredRequest};
use custodyd_testbed::{ConsoleUser, Deed};
use serde_json::{Value, json};

use super::{
    stated,
    told::{subjects, watched_console},
};
use crate::{
    governance::verified,
    house::{SOMEBODY, ask, id_of, show, withdraw},
    tampering::slip_in,
};

const FREEZE: Deed<'_> = Deed {
    kind: "act",
    method: "POST",
    target: "/v1/freeze",
    body: br#"{"wallet":"hot-eth","reason":"nobody asked"}"#,
};

/// What their passkey signed for this deed, as the console would store it.
async fn signed(user: &mut ConsoleUser, deed: &Deed<'_>) -> PasskeyRequest {
    let said = stated(user, deed).await;
    let request = user.signed(&said, deed.body).unwrap();
    serde_json::from_value(request).unwrap()
}

/// The same with one bit of its signature turned over.
fn flipped(mut request: PasskeyRequest) -> PasskeyRequest {
    *request.assertion.signature.last_mut().unwrap() ^= 1;
    request
}

fn text(request: PasskeyRequest) -> String {
    let request = StoredRequest::Passkey(Box::new(request));
    request.to_text().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkeys_word_forged_in_the_inbox_does_nothing_and_is_told() {
    let (pager, house, mut alice) = watched_console().await;
    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "k1", &ask("ETH", "2", SOMEBODY)).await;
    let second = withdraw(&client, "k2", &ask("ETH", "3", SOMEBODY)).await;
    let [first, second] = [id_of(&first), id_of(&second)];
    let [of_first, of_second] = [first, second].map(|id| format!("/v1/withdrawals/{id}/approvals"));
    let [of_first, of_second] =
        [&of_first, &of_second].map(|target| Deed::decision("approval", target));

    let another = signed(&mut alice, &of_second).await.assertion;
    let mut elsewhere = signed(&mut alice, &of_first).await;
    elsewhere.assertion = another.clone();
    let mut freeze_elsewhere = signed(&mut alice, &FREEZE).await;
    freeze_elsewhere.assertion = another;
    let forgeries = [
        ("another challenge", "decide", elsewhere),
        (
            "a bit",
            "decide",
            flipped(signed(&mut alice, &of_second).await),
        ),
        ("another challenge of an act", "freeze", freeze_elsewhere),
        (
            "a bit of an act",
            "freeze",
            flipped(signed(&mut alice, &FREEZE).await),
        ),
    ];
    for (number, (what, kind, forged)) in forgeries.into_iter().enumerate() {
        let from = ("operator/alice", kind);
        let outcome = slip_in(&house, number, from, &text(forged)).await;
        let answer: Value = serde_json::from_str(outcome["body"].as_str().unwrap()).unwrap();
        assert_eq!(outcome["status"], 401, "{what}: {answer}");
    }
    for id in [first, second] {
        let shown = show(&client, id).await;
        assert_eq!(shown["approvals"], json!([]), "{shown}");
        assert_eq!(shown["state"], "awaiting_approval", "{shown}");
    }
    let wallet: Value = client.get("/v1/wallets/hot-eth").await.unwrap();
    assert_eq!(wallet["state"], "active", "{wallet}");
    let told = subjects(&pager, &house, "request_forged", 3).await;
    assert_eq!(
        told,
        [
            format!("operator/alice /v1/withdrawals/{first}"),
            format!("operator/alice /v1/withdrawals/{second}"),
            "operator/alice /v1/freeze".to_owned(),
        ]
    );
    let alert = pager.told("alert.firing", "request_forged").swap_remove(0);
    assert_eq!(alert["severity"], "critical", "{alert}");

    // Nothing but their assertions was wrong with them: her own word counts from there too.
    let genuine = text(signed(&mut alice, &of_first).await);
    let outcome = slip_in(&house, 9, ("operator/alice", "decide"), &genuine).await;
    assert_eq!(outcome["status"], 200, "{outcome}");
    let approvals = show(&client, first).await["approvals"].clone();
    assert_eq!(approvals.as_array().unwrap().len(), 1, "{approvals}");
    assert_eq!(pager.told("alert.firing", "request_forged").len(), 3);
    verified(&house);
}
