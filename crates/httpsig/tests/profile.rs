//! What the profile accepts, and what a verified signature proves.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use custodyd_httpsig::{
    Algorithm, Component, HttpSigError, PreparedKey, Principal, PublicKey, SignedRequest, Signer,
    SigningFault, SigningKey, UnsignedRequest, VerifyingKey, sign,
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
    let params = "(\"@path\" \"@authority\" \"@method\");alg=\"ed25519\";nonce=\"0123456789abcdef\"\
                  ;keyid=\"operator/alice\";created=1800000000";
    let base = format!(
        "\"@path\": /v1/wallets\n\"@authority\": localhost\n\"@method\": GET\n\"@signature-params\": {params}"
    );
    let signature = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        key().sign(base.as_bytes()).unwrap(),
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

#[test]
fn a_cards_key_signs_and_verifies_with_its_own_algorithm() {
    let card = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let signed = sign(&WITHDRAWAL, "operator/alice", NONCE, NOW, &card).unwrap();
    assert!(
        signed
            .signature_input
            .ends_with(";alg=\"ecdsa-p256-sha256\"")
    );
    let request = signed.attach(&WITHDRAWAL);
    let key = *card.verifying_key();
    assert_eq!(
        request.verify(&key, NOW, 0).unwrap().keyid,
        "operator/alice"
    );
    // (r, n - s) is a signature as well: cards give either.
    let encoding = &base64::engine::general_purpose::STANDARD;
    let text = request
        .signature
        .trim_start_matches("sig1=:")
        .trim_end_matches(':');
    let bytes = base64::Engine::decode(encoding, text).unwrap();
    let (r, s) = p256::ecdsa::Signature::from_slice(&bytes)
        .unwrap()
        .split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let other = base64::Engine::encode(encoding, other.to_bytes());
    assert_ne!(other, text);
    let request = SignedRequest {
        signature: format!("sig1=:{other}:"),
        ..request
    };
    request.verify_stored(&key).unwrap();
}

#[test]
fn the_key_decides_the_algorithm_whatever_the_request_says() {
    let card = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let refused = Err(HttpSigError::BadSignature {
        keyid: "client/exchange".to_owned(),
    });
    let by_card = sign(&WITHDRAWAL, "client/exchange", NONCE, NOW, &card).unwrap();
    let by_card = by_card.attach(&WITHDRAWAL);
    assert_eq!(by_card.verify_stored(&public()), refused);
    assert_eq!(
        signed(&WITHDRAWAL).verify_stored(card.verifying_key()),
        refused
    );
    for (request, from, to) in [
        (by_card, "ecdsa-p256-sha256", "ed25519"),
        (signed(&WITHDRAWAL), "ed25519", "ecdsa-p256-sha256"),
    ] {
        let input = request.signature_input.replace(from, to);
        let request = SignedRequest {
            signature_input: input,
            ..request
        };
        assert_eq!(request.verify_stored(&public()), refused);
        assert_eq!(request.verify_stored(card.verifying_key()), refused);
    }
}

#[test]
fn a_key_that_does_not_sign_says_why() {
    struct Pulled;
    impl Signer for Pulled {
        fn algorithm(&self) -> Algorithm {
            Algorithm::EcdsaP256Sha256
        }
        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SigningFault> {
            Err(SigningFault("CKR_DEVICE_REMOVED".to_owned()))
        }
    }
    let fault = sign(&WITHDRAWAL, "operator/alice", NONCE, NOW, &Pulled).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the key did not sign: CKR_DEVICE_REMOVED"
    );
}

#[test]
fn keys_are_tried_without_the_body_which_is_checked_once_and_beside_them() {
    let whole = signed(&WITHDRAWAL);
    let head = SignedRequest {
        body: Vec::new(),
        ..whole.clone()
    };
    let key = |byte| {
        let key = SigningKey::from_bytes(&[byte; 32]);
        PreparedKey::from(PublicKey::from(key.verifying_key()))
    };
    let claimed = head.claimed().unwrap();
    let checked = claimed.checked_head().unwrap();
    assert!(checked.verify(&PublicKey::from(public()).into()).is_ok());
    for byte in 1..7 {
        let refused = checked.verify(&key(byte));
        assert!(matches!(refused, Err(HttpSigError::BadSignature { .. })));
    }
    // Without its body the request is not what was signed, and with another it isn't either.
    let mismatch = |request: &SignedRequest| {
        let refused = request.check_body();
        assert!(matches!(refused, Err(HttpSigError::DigestMismatch { .. })));
        let claimed = request.claimed().unwrap();
        let refused = claimed.checked().map(|_| ());
        assert!(matches!(refused, Err(HttpSigError::DigestMismatch { .. })));
    };
    mismatch(&head);
    mismatch(&SignedRequest {
        body: b"{}".to_vec(),
        ..whole.clone()
    });
    assert_eq!(whole.check_body(), Ok(()));
    // A digest out of form is no part of a head.
    let spoilt = SignedRequest {
        content_digest: Some("sha-256=:AA==:".to_owned()),
        ..whole
    };
    let refused = spoilt.claimed().unwrap().checked_head().map(|_| ());
    assert!(matches!(refused, Err(HttpSigError::ContentDigest(_))));
}
