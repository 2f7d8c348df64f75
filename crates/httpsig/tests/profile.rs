//! What the profile accepts, and what a verified signature proves.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use custodyd_httpsig::{
    Component, HttpSigError, Principal, SignedRequest, SigningKey, UnsignedRequest, VerifyingKey,
};

mod withdrawal;
use withdrawal::{NONCE, NOW, WITHDRAWAL, key, public, signed};

#[test]
fn a_signed_request_verifies_and_says_who_signed_it() {
    let request = signed(&WITHDRAWAL);
    let verified = request.verify(&public(), NOW + 30, 60).unwrap();
    assert_eq!(verified.keyid, "client/exchange");
    assert_eq!(verified.created, NOW);
    assert_eq!(verified.nonce, NONCE);
    assert_eq!(
        request.signature_input,
        "sig1=(\"@method\" \"@authority\" \"@path\" \"content-digest\" \"content-type\" \
         \"idempotency-key\");created=1800000000;keyid=\"client/exchange\";\
         nonce=\"AAAAAAAAAAAAAAAAAAAAAA\";alg=\"ed25519\""
    );
    assert_eq!(
        request.parameters().unwrap().principal(),
        Ok(Principal::Client("exchange".to_owned()))
    );
}

#[test]
fn a_request_without_a_body_covers_its_query() {
    let request = signed(&UnsignedRequest {
        method: "GET",
        target: "/v1/withdrawals?state=final",
        content_type: None,
        idempotency_key: None,
        body: b"",
        ..WITHDRAWAL
    });
    assert_eq!(
        request.parameters().unwrap().components,
        [
            Component::Method,
            Component::Authority,
            Component::Path,
            Component::Query
        ]
    );
    assert_eq!(request.content_digest, None);
    request.verify(&public(), NOW, 0).unwrap();
}

#[test]
fn a_signers_own_order_of_components_and_parameters_is_kept() {
    use ed25519_dalek::Signer as _;
    let params = "(\"@path\" \"@authority\" \"@method\");alg=\"ed25519\";nonce=\"0123456789abcdef\"\
                  ;keyid=\"operator/alice\";created=1800000000";
    let base = format!(
        "\"@path\": /v1/wallets\n\"@authority\": localhost\n\"@method\": GET\n\"@signature-params\": {params}"
    );
    let signature = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        key().sign(base.as_bytes()).to_bytes(),
    );
    let request = SignedRequest {
        method: "GET".to_owned(),
        authority: "localhost".to_owned(),
        target: "/v1/wallets".to_owned(),
        content_digest: None,
        content_type: None,
        idempotency_key: None,
        signature_input: format!("sig1={params}"),
        signature: format!("sig1=:{signature}:"),
        body: Vec::new(),
    };
    assert_eq!(
        request.verify(&public(), NOW, 60).unwrap().keyid,
        "operator/alice"
    );
}

#[test]
fn a_request_is_the_same_after_storage_and_verifies_without_a_clock() {
    let request = signed(&WITHDRAWAL);
    let stored = serde_json::to_string(&request).unwrap();
    assert!(stored.contains("\"body\":\"eyJhbW91bnQiOiIxLjUifQ==\""));
    let read: SignedRequest = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, request);
    read.verify_stored(&public()).unwrap();
    let with_more = stored.replacen('{', "{\"verified\":true,", 1);
    assert!(serde_json::from_str::<SignedRequest>(&with_more).is_err());
}

#[test]
fn a_clock_further_away_than_allowed_is_refused_on_either_side() {
    let request = signed(&WITHDRAWAL);
    for now in [NOW - 60, NOW, NOW + 60] {
        request.verify(&public(), now, 60).unwrap();
    }
    for now in [0, NOW - 61, NOW + 61, u64::MAX] {
        assert_eq!(
            request.verify(&public(), now, 60),
            Err(HttpSigError::Stale {
                created: NOW,
                now,
                max_skew: 60
            })
        );
    }
}

#[test]
fn another_key_does_not_verify() {
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    assert_eq!(
        signed(&WITHDRAWAL).verify_stored(&other),
        Err(HttpSigError::BadSignature {
            keyid: "client/exchange".to_owned()
        })
    );
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // The neutral element: under plain verification, R = 0 and s = 0 is a signature of every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = VerifyingKey::from_bytes(&neutral).unwrap();
    let mut forged = [0_u8; 64];
    forged[0] = 1;
    let request = SignedRequest {
        signature: format!(
            "sig1=:{}:",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, forged)
        ),
        ..signed(&WITHDRAWAL)
    };
    assert!(matches!(
        request.verify_stored(&weak),
        Err(HttpSigError::BadSignature { .. })
    ));
}
