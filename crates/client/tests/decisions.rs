//! What an operator signs is what the withdrawal's document says, or nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use custodyd_client::{
    ClientError, DecisionError, Identity, Withdrawal, sign_decision, stated_effects,
};
use custodyd_httpsig::{Principal, SigningKey};
use custodyd_vault::Decision;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

mod document;
use document::awaiting_approval;

const DAY_MS: u64 = 86_400_000;

fn alice() -> Identity {
    Identity::new(
        Principal::Operator("alice".to_owned()),
        SigningKey::from_bytes(&[5; 32]),
    )
}

fn read(document: &Value) -> Withdrawal {
    serde_json::from_value(document.clone()).unwrap()
}

#[test]
fn the_signed_bytes_are_the_sha_256_of_the_statements_canonical_json() {
    let document = awaiting_approval();
    let body = sign_decision(&read(&document), Decision::Approve, DAY_MS, &alice()).unwrap();
    let sent = serde_json::to_value(&body).unwrap();
    let statement = &sent["statement"];

    // RFC 8785 by hand: members in order of their names, no spaces.
    let canonical = format!(
        concat!(
            r#"{{"decision":"approve","domain":"custodyd/approval/v1","effects":{{"amount":"1.5 LTC","#,
            r#""destination":{destination},"network":"litecoin-regtest","wallet":"warm-ltc"}},"#,
            r#""expires_at":{expires},"nonce":{nonce},"operator":"alice","policy":{policy},"#,
            r#""vault":"main","withdrawal":"wd_00112233445566778899aabbccddeeff"}}"#
        ),
        destination = document["statement"]["effects"]["destination"],
        expires = statement["expires_at"],
        nonce = statement["nonce"],
        policy = document["verdict"]["policy"],
    );
    assert_eq!(
        serde_json_canonicalizer::to_string(statement).unwrap(),
        canonical
    );
    let challenge = Sha256::digest(&canonical);
    let signature = hex::decode(sent["signature"].as_str().unwrap()).unwrap();
    SigningKey::from_bytes(&[5; 32])
        .verifying_key()
        .verify_strict(&challenge, &signature.as_slice().try_into().unwrap())
        .unwrap();
    assert_eq!(sent.as_object().unwrap().len(), 2);
}

#[test]
fn two_decisions_never_have_one_nonce() {
    let document = read(&awaiting_approval());
    let sign = || sign_decision(&document, Decision::Reject, DAY_MS, &alice()).unwrap();
    let (one, two) = (sign(), sign());
    assert_ne!(one.statement.nonce, two.statement.nonce);
    assert_eq!(one.statement.nonce.len(), 32);
    assert!(one.statement.expires_at.as_ms() > DAY_MS);
}

#[test]
fn a_proposed_statement_that_differs_from_the_document_is_refused() {
    let other = custodyd_chain::Address::from_public_key(
        "litecoin-regtest".parse().unwrap(),
        &custodyd_chain::PublicKey::from_sec1(
            &hex::decode("0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
                .unwrap(),
        )
        .unwrap(),
    );
    let changes = [
        ("/statement/domain", json!("custodyd/payment/v1"), "domain"),
        ("/statement/vault", json!("other"), "vault"),
        (
            "/statement/withdrawal",
            json!("wd_ffffffffffffffffffffffffffffffff"),
            "withdrawal id",
        ),
        ("/statement/effects/network", json!("litecoin"), "network"),
        ("/statement/effects/wallet", json!("hot-ltc"), "wallet"),
        (
            "/statement/effects/destination",
            json!(other),
            "destination",
        ),
        ("/statement/effects/amount", json!("15 LTC"), "amount"),
    ];
    for (pointer, value, field) in changes {
        let mut document = awaiting_approval();
        *document.pointer_mut(pointer).unwrap() = value;
        let withdrawal = read(&document);
        let error = stated_effects(&withdrawal).unwrap_err();
        assert!(
            matches!(error, DecisionError::Differs { field: seen, .. } if seen == field),
            "{pointer}: {error:?}"
        );
        assert!(matches!(
            sign_decision(&withdrawal, Decision::Approve, DAY_MS, &alice()),
            Err(ClientError::Decision(DecisionError::Differs { .. }))
        ));
    }
}

#[test]
fn a_proposed_statement_with_anything_more_in_it_is_not_read() {
    for pointer in ["/statement", "/statement/effects"] {
        let mut document = awaiting_approval();
        document.pointer_mut(pointer).unwrap()["memo"] = json!("x");
        assert!(serde_json::from_value::<Withdrawal>(document).is_err());
    }
}

#[test]
fn a_document_with_a_wrong_address_or_amount_is_not_read() {
    for (member, value) in [
        ("destination", json!("rltc1qqqqqqqq")),
        ("destination", json!("rltc1")),
        ("amount", json!(1.5)),
        ("amount", json!("-1.5")),
        ("amount", json!("1.5 LTC")),
        ("asset", json!("BTC")),
        ("network", json!("litecoin")),
        ("id", json!("wd_1")),
        ("state", json!("paid")),
    ] {
        let mut document = awaiting_approval();
        document[member] = value;
        assert!(
            serde_json::from_value::<Withdrawal>(document).is_err(),
            "{member}"
        );
    }
}

#[test]
fn only_an_operator_decides_and_only_while_there_is_something_to_decide() {
    let client = Identity::new(
        Principal::Client("exchange".to_owned()),
        SigningKey::from_bytes(&[6; 32]),
    );
    let mut document = awaiting_approval();
    assert!(matches!(
        sign_decision(&read(&document), Decision::Approve, DAY_MS, &client),
        Err(ClientError::Decision(DecisionError::NotOperator(_)))
    ));
    document["statement"] = Value::Null;
    assert!(matches!(
        sign_decision(&read(&document), Decision::Approve, DAY_MS, &alice()),
        Err(ClientError::Decision(DecisionError::NothingToDecide { .. }))
    ));
    assert!(matches!(
        sign_decision(
            &read(&awaiting_approval()),
            Decision::Approve,
            u64::MAX,
            &alice()
        ),
        Err(ClientError::Decision(DecisionError::Expiry(u64::MAX)))
    ));
}

#[test]
fn a_verdict_under_another_policy_carries_no_approval_but_a_rejection() {
    let mut document = awaiting_approval();
    document["verdict"]["policy"] = json!("ab".repeat(32));
    let withdrawal = read(&document);
    assert!(matches!(
        sign_decision(&withdrawal, Decision::Approve, DAY_MS, &alice()),
        Err(ClientError::Decision(DecisionError::OtherPolicy(_)))
    ));
    assert!(sign_decision(&withdrawal, Decision::Reject, DAY_MS, &alice()).is_ok());
}
