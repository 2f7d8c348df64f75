//! Who is known, by which key, and what a stranger learns.

use custodyd_httpsig::{Signer, UnsignedRequest, sign};

use super::*;

fn signed(keyid: &str, created: u64, key: &SigningKey) -> SignedRequest {
    signed_by(keyid, created, key)
}

fn signed_by(keyid: &str, created: u64, key: &impl Signer) -> SignedRequest {
    let request = UnsignedRequest {
        method: "GET",
        authority: "localhost",
        target: "/v1/wallets",
        content_type: None,
        idempotency_key: None,
        body: b"",
    };
    sign(&request, keyid, "0123456789abcdef", created, key)
        .unwrap()
        .attach(&request)
}

#[test]
fn an_unknown_name_and_a_wrong_signature_are_refused_alike() {
    let key = |byte| SigningKey::from_bytes(&[byte; 32]);
    let shop = Client {
        key: key(1).verifying_key().into(),
        scopes: [Scope::Read].into(),
    };
    let directory = Directory::new(
        "main".parse().unwrap(),
        BTreeMap::from([("shop".parse().unwrap(), shop)]),
        BTreeMap::from([(
            "alice".parse().unwrap(),
            vec![key(2).verifying_key().into(), key(3).verifying_key().into()],
        )]),
    );
    let ask = |keyid: &str, created, byte| {
        let request = signed(keyid, created, &key(byte));
        directory.authenticate(&request, 1_000, 300)
    };
    let alice = ask("operator/alice", 1_000, 3).unwrap();
    assert_eq!(alice.speaker.to_string(), "operator/alice");
    assert_eq!(alice.verified.keyid, "operator/alice");
    // The key that verified it is told, and asked for again by whoever acts on it later.
    assert_eq!(alice.key, key(3).verifying_key().into());
    assert!(directory.holds(&alice.speaker, &alice.key));
    let shop = Speaker::Client("shop".parse().unwrap());
    assert!(directory.holds(&shop, &key(1).verifying_key().into()));
    for (speaker, byte) in [(&alice.speaker, 1), (&shop, 3), (&shop, 0)] {
        assert!(!directory.holds(speaker, &key(byte).verifying_key().into()));
    }
    let wrong = ask("client/shop", 1_000, 2).unwrap_err();
    assert_eq!(wrong.status, 401);
    for (keyid, byte) in [
        ("client/nobody", 9),
        ("operator/nobody", 9),
        // Signed with the key that stands in for nobody's.
        ("client/nobody", 0),
        // A client's name is not an operator's, and the other way round.
        ("operator/shop", 1),
        ("client/alice", 2),
    ] {
        assert_eq!(ask(keyid, 1_000, byte).unwrap_err(), wrong, "{keyid}");
    }
    // Nor does an old signature tell whether the name is known.
    let stale = ask("client/shop", 1, 1).unwrap_err();
    assert_ne!(stale, wrong);
    assert_eq!(ask("client/nobody", 1, 9).unwrap_err(), stale);
}

#[test]
fn a_card_speaks_for_its_operator_and_for_nobody_else() {
    let card = |byte| p256::ecdsa::SigningKey::from_slice(&[byte; 32]).unwrap();
    let file = SigningKey::from_bytes(&[2; 32]);
    let by_card = Credential::P256((*card(5).verifying_key()).into());
    let directory = Directory::new(
        "main".parse().unwrap(),
        BTreeMap::new(),
        BTreeMap::from([
            (
                "alice".parse().unwrap(),
                vec![file.verifying_key().into(), by_card],
            ),
            ("bob".parse().unwrap(), vec![file.verifying_key().into()]),
        ]),
    );
    let ask = |keyid: &str, byte| {
        let request = signed_by(keyid, 1_000, &card(byte));
        directory.authenticate(&request, 1_000, 300)
    };
    let alice = ask("operator/alice", 5).unwrap();
    assert_eq!(alice.speaker.to_string(), "operator/alice");
    let wrong = ask("operator/alice", 6).unwrap_err();
    // The key that stands in for nobody's is 1.
    for (keyid, byte) in [
        ("operator/bob", 5),
        ("operator/nobody", 5),
        ("operator/bob", 1),
        ("operator/nobody", 1),
    ] {
        assert_eq!(ask(keyid, byte).unwrap_err(), wrong, "{keyid} {byte}");
    }
}

#[test]
fn a_client_does_what_its_scopes_name_and_an_operator_needs_none() {
    let key = SigningKey::from_bytes(&[1; 32]).verifying_key().into();
    let scopes = [Scope::Read, Scope::Prices].into();
    let directory = Directory::new(
        "main".parse().unwrap(),
        BTreeMap::from([("feed".parse().unwrap(), Client { key, scopes })]),
        BTreeMap::new(),
    );
    let feed = Speaker::Client("feed".parse().unwrap());
    assert_eq!(directory.check_scope(&feed, &[Scope::Prices]), Ok(()));
    assert_eq!(
        directory.check_scope(&feed, &[Scope::Withdraw, Scope::Read]),
        Ok(())
    );
    let refused = directory
        .check_scope(&feed, &[Scope::Withdraw])
        .unwrap_err();
    assert_eq!(
        (refused.status, refused.kind.as_str()),
        (403, "urn:custodyd:problem:scope")
    );
    let gone = Speaker::Client("gone".parse().unwrap());
    assert!(directory.check_scope(&gone, &[Scope::Read]).is_err());
    let alice = Speaker::Operator("alice".parse().unwrap());
    assert_eq!(directory.check_scope(&alice, &[Scope::Withdraw]), Ok(()));
}

#[test]
fn a_head_tells_who_signed_before_its_body_has_come() {
    let key = |byte| SigningKey::from_bytes(&[byte; 32]);
    let keys = [2, 3, 4].map(|byte| key(byte).verifying_key().into());
    let directory = Directory::new(
        "main".parse().unwrap(),
        BTreeMap::new(),
        BTreeMap::from([("alice".parse().unwrap(), keys.into())]),
    );
    let unsigned = UnsignedRequest {
        method: "POST",
        authority: "localhost",
        target: "/v1/proposals",
        content_type: Some("application/json"),
        idempotency_key: None,
        body: b"{}",
    };
    let signed = |keyid: &str, byte| {
        let headers = sign(&unsigned, keyid, "0123456789abcdef", 1_000, &key(byte));
        let mut request = headers.unwrap().attach(&unsigned);
        request.body.clear();
        request
    };
    for byte in [2, 3, 4] {
        let head = signed("operator/alice", byte);
        let known = directory.authenticate_head(&head, 1_000, 300).unwrap();
        assert_eq!(known.key, key(byte).verifying_key().into());
        // As a whole request it isn't what was signed, by any of the keys.
        let refused = directory.authenticate(&head, 1_000, 300).unwrap_err();
        assert!(refused.detail.contains("digest"), "{}", refused.detail);
        let stale = directory.authenticate_head(&head, 2_000, 300);
        assert_eq!(stale.unwrap_err().status, 401);
    }
    let wrong = directory.authenticate_head(&signed("operator/alice", 5), 1_000, 300);
    let unknown = directory.authenticate_head(&signed("operator/nobody", 5), 1_000, 300);
    assert_eq!(wrong.unwrap_err(), unknown.unwrap_err());
}
