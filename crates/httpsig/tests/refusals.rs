//! Each way of leaving the profile has its own refusal.
#![allow(clippy::unwrap_used)]

use custodyd_httpsig::{Component, HttpSigError, Parameters, SignedRequest, UnsignedRequest, sign};

mod withdrawal;
use withdrawal::{NONCE, NOW, WITHDRAWAL, key, public, signed};

/// A request whose `Signature-Input` is that text; its signature was made over another.
fn with_input(signature_input: &str) -> SignedRequest {
    SignedRequest {
        signature_input: signature_input.to_owned(),
        ..signed(&WITHDRAWAL)
    }
}

#[test]
fn the_covered_components_are_exactly_those_of_the_request() {
    let input = signed(&WITHDRAWAL).signature_input;
    for component in [
        Component::Method,
        Component::Authority,
        Component::Path,
        Component::ContentDigest,
        Component::ContentType,
        Component::IdempotencyKey,
    ] {
        let without = input.replacen(&format!("{component} "), "", 1).replacen(
            &format!(" {component})"),
            ")",
            1,
        );
        assert_ne!(without, input);
        assert_eq!(
            with_input(&without).verify_stored(&public()),
            Err(HttpSigError::MissingComponent(component))
        );
    }
    let query_too = input.replacen("\"@path\"", "\"@path\" \"@query\"", 1);
    assert_eq!(
        with_input(&query_too).verify_stored(&public()),
        Err(HttpSigError::AbsentComponent(Component::Query))
    );
}

#[test]
fn a_body_needs_its_digest_and_its_type() {
    let request = signed(&WITHDRAWAL);
    for (component, stripped) in [
        (
            Component::ContentDigest,
            SignedRequest {
                content_digest: None,
                ..request.clone()
            },
        ),
        (
            Component::ContentType,
            SignedRequest {
                content_type: None,
                ..request.clone()
            },
        ),
    ] {
        assert_eq!(
            stripped.verify_stored(&public()),
            Err(HttpSigError::BodyWithout(component))
        );
    }
    let added = SignedRequest {
        body: b"{}".to_vec(),
        ..signed(&UnsignedRequest {
            content_type: None,
            body: b"",
            ..WITHDRAWAL
        })
    };
    assert_eq!(
        added.verify_stored(&public()),
        Err(HttpSigError::BodyWithout(Component::ContentDigest))
    );
}

/// One way of leaving the profile: what to replace in a good `Signature-Input`, by what, and the refusal.
type Departure = (&'static str, &'static str, fn(&HttpSigError) -> bool);

#[test]
fn every_other_signature_input_has_its_own_refusal() {
    use HttpSigError as E;
    let cases: [Departure; 24] = [
        (
            "sig1=",
            "sig2=",
            |e| matches!(e, E::Label(l) if l == "sig2"),
        ),
        ("sig1=", "a=1, sig1=", |e| matches!(e, E::Label(_))),
        ("sig1=(", "sig1=1, sig1=(", |e| {
            matches!(e, E::NotCanonical { .. })
        }),
        ("sig1=(", "sig1=( ", |e| matches!(e, E::NotCanonical { .. })),
        (");created", "); created", |e| {
            matches!(e, E::NotCanonical { .. })
        }),
        ("created=1800000000", "created=1;created=1800000000", |e| {
            matches!(e, E::NotCanonical { .. })
        }),
        ("created=1800000000", "created=01800000000", |e| {
            matches!(e, E::NotCanonical { .. })
        }),
        ("created=1800000000", "created=-1", |e| *e == E::Created(-1)),
        ("created=1800000000", "created=1800000000.5", |e| {
            *e == E::MissingParameter("created")
        }),
        ("created=1800000000;", "", |e| {
            *e == E::MissingParameter("created")
        }),
        ("keyid=\"client/exchange\";", "", |e| {
            *e == E::MissingParameter("keyid")
        }),
        ("keyid=\"client/exchange\"", "keyid=client/exchange", |e| {
            *e == E::MissingParameter("keyid")
        }),
        ("client/exchange", "root/exchange", |e| {
            *e == E::Keyid("root/exchange".to_owned())
        }),
        ("nonce=\"AAAAAAAAAAAAAAAAAAAAAA\";", "", |e| {
            *e == E::MissingParameter("nonce")
        }),
        ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA", |e| {
            matches!(e, E::Nonce(_))
        }),
        ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA==", |e| {
            matches!(e, E::Nonce(_))
        }),
        (";alg=\"ed25519\"", "", |e| *e == E::MissingParameter("alg")),
        ("ed25519", "hmac-sha256", |e| {
            *e == E::Algorithm("hmac-sha256".to_owned())
        }),
        (";alg", ";expires=1800000060;alg", |e| {
            *e == E::UnknownParameter("expires".to_owned())
        }),
        ("\"@path\"", "\"@path\" \"@path\"", |e| {
            *e == E::RepeatedComponent(Component::Path)
        }),
        ("\"@path\"", "\"@target-uri\"", |e| {
            matches!(e, E::UnknownComponent(_))
        }),
        ("\"@path\"", "\"@path\";req", |e| {
            matches!(e, E::UnknownComponent(_))
        }),
        ("\"@path\"", "@path", |e| matches!(e, E::SignatureInput(_))),
        (")", "", |e| matches!(e, E::SignatureInput(_))),
    ];
    let good = signed(&WITHDRAWAL).signature_input;
    for (from, to, refusal) in cases {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from} is not there");
        let error = with_input(&changed).verify_stored(&public()).unwrap_err();
        assert!(refusal(&error), "{changed}: {error:?}");
    }
}

#[test]
fn an_empty_or_huge_signature_input_is_refused() {
    assert_eq!(
        Parameters::parse(""),
        Err(HttpSigError::Label(String::new()))
    );
    assert!(matches!(
        Parameters::parse(&"(".repeat(100_000)),
        Err(HttpSigError::TooLong {
            length: 100_000,
            ..
        })
    ));
    assert!(matches!(
        Parameters::parse("sig1=\"text\""),
        Err(HttpSigError::Label(_))
    ));
}

#[test]
fn a_signature_has_one_text() {
    let good = signed(&WITHDRAWAL);
    let text = good.signature.clone();
    for changed in [
        String::new(),
        text.replacen("sig1", "sig2", 1),
        format!("{text}, {text}"),
        format!("{text};a=1"),
        format!(" {text}"),
        "sig1=::".to_owned(),
        "sig1=:AAAA:".to_owned(),
        text.replacen("==:", ":", 1),
        "sig1=:".to_owned() + &"A".repeat(1_000_000) + ":",
    ] {
        let request = SignedRequest {
            signature: changed,
            ..good.clone()
        };
        assert!(matches!(
            request.verify_stored(&public()),
            Err(HttpSigError::Signature(_))
        ));
    }
}

#[test]
fn signing_refuses_what_a_verifier_would() {
    let refused = |request: &UnsignedRequest<'_>, keyid: &str, nonce: &str| {
        sign(request, keyid, nonce, NOW, &key()).unwrap_err()
    };
    let long_key = "k".repeat(10_240);
    let cases = [
        refused(
            &UnsignedRequest {
                method: "post",
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                authority: "Custody.Example",
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                target: "/v1/../admin",
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                content_type: None,
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                idempotency_key: Some(""),
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                idempotency_key: Some("a\n\"@path\": /x"),
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(
            &UnsignedRequest {
                idempotency_key: Some(&long_key),
                ..WITHDRAWAL
            },
            "client/a",
            NONCE,
        ),
        refused(&WITHDRAWAL, "alice", NONCE),
        refused(&WITHDRAWAL, "client/a", "short"),
    ];
    assert!(matches!(
        cases,
        [
            HttpSigError::Method(_),
            HttpSigError::Authority(_),
            HttpSigError::Target { .. },
            HttpSigError::BodyWithout(Component::ContentType),
            HttpSigError::FieldValue { .. },
            HttpSigError::FieldValue { .. },
            HttpSigError::TooLong { limit: 255, .. },
            HttpSigError::Keyid(_),
            HttpSigError::Nonce(_),
        ]
    ));
}
