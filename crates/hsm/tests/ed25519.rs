//! Ed25519 keys of a real SoftHSM token: they sign messages, never digests, and only where the mechanism is there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;
mod isolated;

use std::sync::Arc;

use custodyd_hsm::{
    Class, Curve, EcParamsForm, Fleet, FleetSettings, Hsm, HsmError, Isolated, KeyRef, Outcome,
    PublicPoint, Request, Token, WrappedKey, examine, verifies,
};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use fixture::{Fixture, LONG, Subject, key, pin, with_each_module, with_token};

fn assert_good(public: &PublicPoint, message: &[u8], signature: &[u8; 64]) {
    let key = VerifyingKey::try_from(public.as_bytes()).unwrap();
    key.verify(message, &Signature::from_bytes(signature))
        .unwrap();
}

fn message(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(number as usize)
}

/// Whether the module offers the mechanism, as another user of it sees it.
fn offers_eddsa(fixture: &Fixture) -> bool {
    let said = examine(&fixture.profile(), pin(), &mut |_| {});
    let line = said.findings.iter().find(|line| line.part == "CKM_EDDSA");
    line.unwrap().outcome == Outcome::Good
}

/// The whole of it, on whatever stands in front of the token.
fn assert_signs(hsm: &dyn Hsm) {
    let public = hsm.generate(&key(1), "later", Curve::Ed25519).unwrap();
    assert_eq!(public.as_bytes().len(), 32);
    assert_eq!(
        hsm.generate(&key(1), "later", Curve::Ed25519),
        Ok(public),
        "an existing key is found again"
    );
    hsm.check_attributes(&key(1)).unwrap();
    let report = hsm.find(&key(1)).unwrap().unwrap();
    assert_eq!((report.curve, report.public), (Curve::Ed25519, public));
    for number in 0..100 {
        let message = message(number);
        let signature = hsm.sign_message(&key(1), &message, LONG).unwrap();
        assert_good(&public, &message, &signature);
    }
    let longest = vec![7; Request::MOST_MESSAGE];
    let signature = hsm.sign_message(&key(1), &longest, LONG).unwrap();
    assert_good(&public, &longest, &signature);
}

#[test]
fn a_hundred_messages_and_the_longest_are_signed_or_the_missing_mechanism_is_named() {
    with_each_module(
        "a_hundred_messages_and_the_longest_are_signed_or_the_missing_mechanism_is_named",
        |fixture| {
            let token = fixture.open(2);
            if offers_eddsa(fixture) {
                return assert_signs(&token);
            }
            // p11-kit forwards mechanisms that it knows alone, and 0.24 doesn't know this one.
            assert_eq!(fixture.subject, Subject::P11Kit);
            let refused = token.generate(&key(1), "later", Curve::Ed25519);
            let Err(error @ HsmError::MechanismMissing { .. }) = refused else {
                panic!("{}: {refused:?}", fixture.subject.word());
            };
            assert!(error.to_string().contains("CKM_EDDSA"), "{error}");
            assert_eq!(error.class(), Class::Misconfigured);
            assert_eq!(token.find(&key(1)), Ok(None));
            // The rest of the token serves on.
            token.generate(&key(2), "hot", Curve::Secp256k1).unwrap();
        },
    );
}

#[test]
fn a_worker_process_and_a_fleet_sign_messages_as_the_token_does() {
    with_token(
        "a_worker_process_and_a_fleet_sign_messages_as_the_token_does",
        |fixture| {
            let launch = isolated::launch(isolated::profile(fixture));
            let worker = Arc::new(Isolated::start(launch).unwrap());
            assert_signs(&*worker);
            // The second member has not shown the key yet: it is asked to before it signs.
            let members: Vec<Arc<dyn Hsm>> = vec![Arc::new(fixture.open(1)), worker.clone()];
            let fleet = Fleet::new(members, FleetSettings::default()).unwrap();
            assert_signs(&fleet);
            assert_refusals(&fleet);
            assert_refusals(&*worker);
        },
    );
}

/// With the Ed25519 key 1 on the token.
fn assert_refusals(hsm: &dyn Hsm) {
    hsm.generate(&key(2), "hot", Curve::Secp256k1).unwrap();
    hsm.generate(&key(3), "journal", Curve::P256).unwrap();
    for (number, found) in [(2, Curve::Secp256k1), (3, Curve::P256)] {
        assert_eq!(
            hsm.sign_message(&key(number), b"no digest", LONG),
            Err(HsmError::CurveMismatch {
                key: key(number),
                wanted: Curve::Ed25519,
                found,
            })
        );
    }
    // A digest is no message, whichever key is meant and whatever its curve really is.
    for number in [1, 2] {
        assert_eq!(
            hsm.sign(&key(number), Curve::Ed25519, [7; 32], LONG),
            Err(HsmError::DigestRefused { key: key(number) })
        );
    }
    for wanted in [Curve::Secp256k1, Curve::P256] {
        assert_eq!(
            hsm.sign(&key(1), wanted, [7; 32], LONG),
            Err(HsmError::CurveMismatch {
                key: key(1),
                wanted,
                found: Curve::Ed25519,
            })
        );
        assert_eq!(
            hsm.generate(&key(1), "later", wanted),
            Err(HsmError::CurveMismatch {
                key: key(1),
                wanted,
                found: Curve::Ed25519,
            })
        );
    }
    let request = Request::SignMessage {
        key: KeyRef::from(key(1)),
        message: vec![7; Request::MOST_MESSAGE + 1],
    };
    assert_eq!(
        hsm.ask(request, LONG),
        Err(HsmError::TooLong {
            operation: "signing a message".into(),
            bytes: Request::MOST_MESSAGE + 1,
            most: Request::MOST_MESSAGE,
        })
    );
    let public = hsm.find(&key(1)).unwrap().unwrap().public;
    let wrapped = WrappedKey {
        id: key(4),
        wrapping_key: key(5),
        curve: Curve::Ed25519,
        public,
        blob: vec![7; 64],
    };
    let (lone, message) = (KeyRef::Wrapped(Box::new(wrapped.clone())), vec![7]);
    for refused in [
        hsm.generate_wrapped(&key(4), &key(5), Curve::Ed25519)
            .map(drop),
        hsm.check_wrapped(&wrapped),
        hsm.ask(Request::SignMessage { key: lone, message }, LONG)
            .map(drop),
    ] {
        let Err(HsmError::WrappedKeyRefused { reason, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!(reason.contains("not wrapped"), "{reason}");
    }
    assert!(matches!(
        hsm.sign_message(&key(9), b"of nobody", LONG),
        Err(HsmError::KeyMissing { .. })
    ));
    // None of it spoils the next signature.
    hsm.sign_message(&key(1), b"still", LONG).unwrap();
}

#[test]
fn digests_long_messages_and_keys_on_other_curves_are_refused_by_name() {
    with_token(
        "digests_long_messages_and_keys_on_other_curves_are_refused_by_name",
        |fixture| {
            let token = fixture.open(1);
            token.generate(&key(1), "later", Curve::Ed25519).unwrap();
            assert_refusals(&token);
        },
    );
}

#[test]
fn a_proof_over_a_digest_as_message_verifies_without_the_hsm_and_another_does_not() {
    with_token(
        "a_proof_over_a_digest_as_message_verifies_without_the_hsm_and_another_does_not",
        |fixture| {
            let token = fixture.open(1);
            let public = token.generate(&key(1), "later", Curve::Ed25519).unwrap();
            let other = token.generate(&key(2), "other", Curve::Ed25519).unwrap();
            let mut signature = token.sign_message(&key(1), &[5; 32], LONG).unwrap();
            assert!(verifies(Curve::Ed25519, &public, &[5; 32], &signature));
            assert!(!verifies(Curve::Ed25519, &public, &[6; 32], &signature));
            assert!(!verifies(Curve::Ed25519, &other, &[5; 32], &signature));
            assert!(!verifies(Curve::Secp256k1, &public, &[5; 32], &signature));
            signature[63] ^= 1;
            assert!(!verifies(Curve::Ed25519, &public, &[5; 32], &signature));
        },
    );
}

#[test]
fn the_curve_may_be_asked_for_by_name_where_the_module_reads_names() {
    with_token(
        "the_curve_may_be_asked_for_by_name_where_the_module_reads_names",
        |fixture| {
            let named = fixture
                .profile_with(|text| text.replace("ec_params = \"oid\"", "ec_params = \"name\""));
            assert_eq!(named.quirks.ec_params, EcParamsForm::Name);
            assert_signs(&Token::open(&named, pin(), 1).unwrap());
        },
    );
}
