//! Somebody who is signed in to the console and acts there, and a daemon that speaks TLS: what only they have joins the secrets.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_testbed::{ConsoleUser, Deed, Signal, base64url, from_base64url};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::{Secrets, forms, text_forms};
use crate::{
    console::{enrolled, secret},
    edge_tls::{authority, caller, until_served, write_papers},
    house::{House, LONG},
};

/// Alice's invitation.
const INVITED: u8 = 0xe7;

const FREEZE: Deed<'_> = Deed {
    kind: "act",
    method: "POST",
    target: "/v1/freeze",
    body: br#"{"wallet":"hot-ltc","reason":"a test asks for it"}"#,
};

/// A passkey's word: its signature, as it is sent and as bytes.
fn of_word(what: &str, assertion: &Value) -> (String, Vec<String>) {
    let signature = from_base64url(&assertion["signature"]).unwrap();
    assert!(signature.len() > 60, "{assertion}");
    (what.to_owned(), forms(&signature))
}

/// The token of a living session, as it is sent and as bytes.
fn of_session(user: &ConsoleUser) -> (String, Vec<String>) {
    let (_, token) = user.cookie.as_ref().unwrap().split_once('=').unwrap();
    let bytes = from_base64url(&json!(token)).unwrap();
    assert_eq!(bytes.len(), 32, "{token}");
    let mut written = text_forms(token);
    written.extend(forms(&bytes));
    ("a living session's token".to_owned(), written)
}

/// Alice signs in, looks around, and acts, once in vain: what was answered.
pub(super) async fn a_visit(house: &House, secrets: &mut Secrets) -> Vec<String> {
    let [mut alice] = enrolled(house, ["alice"], INVITED).await;
    secrets.push(("alice's invitation".to_owned(), forms(&secret(INVITED))));
    secrets.push(of_session(&alice));
    // Once more, by hand, to have what her passkey says.
    let options = alice.post("/console/login/options", &json!({})).await;
    let options = options.unwrap().json();
    let challenge = from_base64url(&options["challenge"]).unwrap();
    let assertion = json!(alice.passkey.assert(&challenge));
    let body = json!({ "nonce": options["nonce"], "assertion": assertion });
    let answer = alice.post("/console/login", &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    secrets.push(of_session(&alice));
    secrets.push(of_word("a passkey's word at the door", &assertion));

    let mut answers = Vec::new();
    for page in ["/console/queue", "/console/journal", "/console/session"] {
        let answer = alice.get(page).await.unwrap();
        assert_eq!(answer.status, 200, "{page}: {answer:?}");
        answers.push(String::from_utf8_lossy(&answer.body).into_owned());
    }
    for (what, spoilt, status) in [
        ("a passkey's word on an act", false, 200),
        ("a passkey's word that is spoilt", true, 401),
    ] {
        let prepared = alice.prepare(&FREEZE).await.unwrap();
        let mut act = alice.signed(&prepared.json(), FREEZE.body).unwrap();
        if spoilt {
            let mut signature = from_base64url(&act["assertion"]["signature"]).unwrap();
            *signature.last_mut().unwrap() ^= 1;
            act["assertion"]["signature"] = json!(base64url(&signature));
        }
        let answer = alice.post("/console/acts", &act).await.unwrap();
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        answers.push(String::from_utf8_lossy(&answer.body).into_owned());
        secrets.push(of_word(what, &act["assertion"]));
    }
    answers
}

/// The daemon starts anew with a TLS key, is asked, takes a new one, and refuses one that is none.
pub(super) async fn over_tls(house: &mut House, secrets: &mut Secrets) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let issuer = authority();
    let folder = house.folder().to_owned();
    let mut keep = |what: &str| {
        let pem = fs::read_to_string(folder.join("server.key")).unwrap();
        secrets.push((what.to_owned(), of_key(&pem)));
    };
    write_papers(&folder, &issuer, 2998);
    keep("the TLS key");
    let mut config = fs::read_to_string(house.daemon.config()).unwrap();
    config += "\n[http.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    fs::write(house.daemon.config(), config).unwrap();
    house.daemon.restart().unwrap();
    let url = house.daemon.url().replace("http://", "https://");
    let visitor = caller(&issuer, None);
    until_served(house, &visitor, &url).await;
    assert!(house.daemon.get("/healthz").is_err(), "plain HTTP");

    write_papers(&folder, &issuer, 2999);
    keep("the new TLS key");
    until_logged(house, "certificates were read again").await;
    // Another certificate's key.
    let pem = KeyPair::generate().unwrap().serialize_pem();
    fs::write(folder.join("server.key"), pem).unwrap();
    keep("a TLS key that doesn't fit");
    until_logged(house, "the certificates can't be used").await;
    until_served(house, &visitor, &url).await;
}

/// Has the certificates read again until the log says so.
async fn until_logged(house: &mut House, line: &str) {
    house.daemon.process().signal(Signal::HUP).unwrap();
    let said = async || house.daemon.log().unwrap().contains(line);
    house
        .until("read its certificates", LONG, said)
        .await
        .unwrap();
}

/// A PEM file of PKCS#8: as it is, each of its lines, and the scalar in it.
fn of_key(pem: &str) -> Vec<String> {
    let lines: Vec<&str> = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(lines.concat()).unwrap();
    // ECPrivateKey's privateKey: an OCTET STRING of 32 bytes (RFC 5915).
    let at = der.windows(2).position(|two| two == [0x04, 0x20]).unwrap() + 2;
    let mut written = forms(&der);
    written.extend(forms(&der[at..at + 32]));
    written.extend(lines.iter().map(|line| (*line).to_owned()));
    written.push("PRIVATE KEY-----".to_owned());
    written
}
