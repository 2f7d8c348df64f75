//! Wrapped keys on a real SoftHSM token: made, kept outside, unwrapped on use, and refused where anything is not as it must.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use custodyd_hsm::{
    Class, Curve, Hsm as _, HsmError, KeyId, KeyRef, Request, Response, Token, WrappedKey,
    make_wrapped_keys, make_wrapping_key, wrapped_cost,
};
use fixture::{Fixture, Intruder, LABEL, LONG, key, pin, with_token};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use secrecy::SecretString;

const WRAPPING: u8 = 200;

fn ceremony(fixture: &Fixture) {
    let so_pin = SecretString::from("so-pin-1");
    let made = make_wrapping_key(
        &fixture.profile(),
        pin(),
        so_pin,
        &key(WRAPPING),
        "wrapping",
    );
    assert_eq!(made.unwrap().label, LABEL);
}

fn wrapped(token: &Token, number: u8) -> WrappedKey {
    token
        .generate_wrapped(&key(number), &key(WRAPPING), Curve::Secp256k1)
        .unwrap()
}

fn sign(token: &Token, key: &WrappedKey, digest: [u8; 32]) -> Result<[u8; 64], HsmError> {
    let (key, curve) = (KeyRef::Wrapped(Box::new(key.clone())), key.curve);
    match token.ask(Request::Sign { key, curve, digest }, LONG)? {
        Response::Signature(signature) => Ok(signature),
        other => panic!("{other:?}"),
    }
}

fn assert_signs(token: &Token, key: &WrappedKey, digest: [u8; 32]) {
    let signature = sign(token, key, digest).unwrap();
    let public = k256::ecdsa::VerifyingKey::from_sec1_bytes(key.public.as_bytes()).unwrap();
    let signature = k256::ecdsa::Signature::from_slice(&signature).unwrap();
    public.verify_prehash(&digest, &signature).unwrap();
}

/// The private keys that sessions of this process hold.
fn unwrapped(intruder: &Intruder) -> Vec<ObjectHandle> {
    intruder
        .session
        .find_objects(&[
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Token(false),
        ])
        .unwrap()
}

#[test]
fn a_wrapped_key_signs_and_outlives_every_session() {
    with_token(
        "a_wrapped_key_signs_and_outlives_every_session",
        |fixture| {
            ceremony(fixture);
            let keys: Vec<WrappedKey> = {
                let token = fixture.open(2);
                token.check_wrapping_key(&key(WRAPPING)).unwrap();
                (1..=3).map(|number| wrapped(&token, number)).collect()
            };
            assert!(keys[0].public != keys[1].public && keys[0].blob != keys[1].blob);
            let token = fixture.open(2);
            assert_eq!(token.list().unwrap(), [], "no key lies on the token");
            for round in 0..4 {
                for key in &keys {
                    assert_signs(&token, key, [round; 32]);
                }
            }
            let p256 = token
                .generate_wrapped(&key(4), &key(WRAPPING), Curve::P256)
                .unwrap();
            token.check_wrapped(&p256).unwrap();
            sign(&token, &p256, [1; 32]).unwrap();
            assert_eq!(token.counters().signatures, 13, "proofs are not counted");
        },
    );
}

#[test]
fn the_ceremony_can_be_repeated_and_refuses_wrong_pins() {
    with_token(
        "the_ceremony_can_be_repeated_and_refuses_wrong_pins",
        |fixture| {
            let attempt = |pin: &str, so_pin: &str| {
                make_wrapping_key(
                    &fixture.profile(),
                    pin.into(),
                    so_pin.into(),
                    &key(WRAPPING),
                    "wrapping",
                )
            };
            let wrong = attempt(fixture::PIN, "so-pin-2").unwrap_err();
            assert!(matches!(wrong, HsmError::PinRefused { .. }), "{wrong}");
            let missing = fixture.open(1).check_wrapping_key(&key(WRAPPING));
            assert!(matches!(missing, Err(HsmError::KeyMissing { .. })));
            let wrong = attempt("0000", "so-pin-1").unwrap_err();
            assert!(matches!(wrong, HsmError::PinRefused { .. }), "{wrong}");
            ceremony(fixture);
            ceremony(fixture);
            fixture.open(1).check_wrapping_key(&key(WRAPPING)).unwrap();
        },
    );
}

#[test]
fn a_session_keeps_as_many_unwrapped_keys_as_the_profile_allows() {
    with_token(
        "a_session_keeps_as_many_unwrapped_keys_as_the_profile_allows",
        |fixture| {
            ceremony(fixture);
            let profile = fixture.profile_with(|text| text.replace("cache = 1024", "cache = 4"));
            let token = Token::open(&profile, pin(), 1).unwrap();
            let keys: Vec<WrappedKey> = (1..=9).map(|number| wrapped(&token, number)).collect();
            let intruder = fixture.intruder();
            assert_eq!(unwrapped(&intruder), [], "what was proven is destroyed");
            for (index, key) in keys.iter().chain(&keys).enumerate() {
                assert_signs(&token, key, [7; 32]);
                assert_eq!(unwrapped(&intruder).len(), (index + 1).min(4));
            }
        },
    );
}

#[test]
fn an_unwrapped_key_cannot_be_read_or_wrapped_again() {
    with_token(
        "an_unwrapped_key_cannot_be_read_or_wrapped_again",
        |fixture| {
            ceremony(fixture);
            let token = fixture.open(1);
            assert_signs(&token, &wrapped(&token, 1), [1; 32]);
            let intruder = fixture.intruder();
            let [private] = unwrapped(&intruder)[..] else {
                panic!("one key is unwrapped");
            };
            let value = intruder
                .session
                .get_attributes(private, &[AttributeType::Value]);
            assert!(
                !matches!(value.as_deref(), Ok([Attribute::Value(_)])),
                "its value can be read"
            );
            let [wrapping] = intruder.find(key(WRAPPING), ObjectClass::SECRET_KEY)[..] else {
                panic!("the wrapping key is there");
            };
            intruder
                .session
                .wrap_key(&Mechanism::AesKeyWrapPad, wrapping, private)
                .unwrap_err();
            intruder
                .session
                .update_attributes(private, &[Attribute::Extractable(true)])
                .unwrap_err();
            for more in [Attribute::Decrypt(true), Attribute::Modifiable(true)] {
                intruder
                    .session
                    .update_attributes(wrapping, &[more])
                    .unwrap_err();
            }
        },
    );
}

#[test]
fn a_lost_session_costs_no_key() {
    with_token("a_lost_session_costs_no_key", |fixture| {
        ceremony(fixture);
        let token = fixture.open(1);
        let keys: Vec<WrappedKey> = (1..=3).map(|number| wrapped(&token, number)).collect();
        for round in 0..3 {
            for key in &keys {
                assert_signs(&token, key, [round; 32]);
            }
            // Logs every session of the slot out, and takes private session objects along, PKCS#11 3.0 §5.6.9.
            fixture.intruder().session.logout().unwrap();
        }
        let context = fixture.intruder().context;
        context.clone().finalize().unwrap();
        context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .unwrap();
        for key in &keys {
            assert_signs(&token, key, [9; 32]);
        }
        assert_eq!(token.counters().relogins, 3);
    });
}

#[test]
fn what_was_touched_or_mixed_up_never_signs() {
    with_token("what_was_touched_or_mixed_up_never_signs", |fixture| {
        ceremony(fixture);
        let token = fixture.open(1);
        let (good, other) = (wrapped(&token, 1), wrapped(&token, 2));
        let with_blob = |blob: Vec<u8>| WrappedKey {
            blob,
            ..good.clone()
        };
        let mut flipped = good.blob.clone();
        flipped[20] ^= 1;
        let bad = [
            with_blob(flipped),
            with_blob(good.blob[..64].to_vec()),
            with_blob(Vec::new()),
            with_blob(vec![0; 1025]),
            with_blob(other.blob.clone()),
            WrappedKey {
                public: other.public,
                ..good.clone()
            },
            WrappedKey {
                wrapping_key: key(9),
                ..good.clone()
            },
        ];
        // With the good one unwrapped and kept, too.
        for _ in 0..2 {
            for bad in &bad {
                let refusals = [
                    sign(&token, bad, [1; 32]).unwrap_err(),
                    token.check_wrapped(bad).unwrap_err(),
                ];
                for refusal in refusals {
                    assert_eq!(refusal.class(), Class::Fatal, "{refusal}");
                }
            }
            assert_signs(&token, &good, [1; 32]);
        }
    });
}

#[test]
fn a_wrapping_key_that_could_leave_or_decrypt_is_refused_by_name() {
    with_token(
        "a_wrapping_key_that_could_leave_or_decrypt_is_refused_by_name",
        |fixture| {
            let token = fixture.open(1);
            let intruder = fixture.intruder();
            let base = [
                Attribute::Token(true),
                Attribute::ValueLen(32.into()),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Wrap(true),
                Attribute::Unwrap(true),
                Attribute::Encrypt(false),
                Attribute::Decrypt(false),
                Attribute::Derive(false),
            ];
            for (number, (wrong, name)) in (20..).zip([
                (Attribute::Extractable(true), "CKA_EXTRACTABLE"),
                (Attribute::Sensitive(false), "CKA_SENSITIVE"),
                (Attribute::Encrypt(true), "CKA_ENCRYPT"),
                (Attribute::Decrypt(true), "CKA_DECRYPT"),
                (Attribute::Wrap(false), "CKA_WRAP"),
                (Attribute::Label(b"untrusted".to_vec()), "CKA_TRUSTED"),
            ]) {
                let mut template: Vec<Attribute> = base
                    .iter()
                    .filter(|one| one.attribute_type() != wrong.attribute_type())
                    .cloned()
                    .collect();
                template.extend([wrong, Attribute::Id(key(number).as_bytes().to_vec())]);
                intruder
                    .session
                    .generate_key(&Mechanism::AesKeyGen, &template)
                    .unwrap();
                let refusal = token
                    .generate_wrapped(&key(1), &key(number), Curve::Secp256k1)
                    .unwrap_err();
                let HsmError::KeyRefused {
                    key: named,
                    attribute,
                    ..
                } = &refusal
                else {
                    panic!("{refusal}");
                };
                assert_eq!((*named, attribute.as_ref()), (key(number), name));
            }
            assert_eq!(
                token.check_wrapping_key(&key(9)),
                Err(HsmError::KeyMissing {
                    key: key(9),
                    token: LABEL.to_owned()
                })
            );
        },
    );
}

#[test]
fn a_profile_that_does_not_claim_wrapping_refuses_it() {
    with_token(
        "a_profile_that_does_not_claim_wrapping_refuses_it",
        |fixture| {
            ceremony(fixture);
            let good = wrapped(&fixture.open(1), 1);
            let profile =
                fixture.profile_with(|text| text.replace("supported = true", "supported = false"));
            let token = Token::open(&profile, pin(), 1).unwrap();
            let made = token.generate_wrapped(&key(1), &key(WRAPPING), Curve::Secp256k1);
            for refusal in [
                made.unwrap_err(),
                sign(&token, &good, [1; 32]).unwrap_err(),
                token.check_wrapped(&good).unwrap_err(),
                token.check_wrapping_key(&key(WRAPPING)).unwrap_err(),
            ] {
                assert!(
                    matches!(refusal, HsmError::WrappingRefused { .. }),
                    "{refusal}"
                );
                assert_eq!(refusal.class(), Class::Misconfigured);
            }
        },
    );
}

#[test]
fn the_cost_of_cold_keys_is_measured() {
    with_token("the_cost_of_cold_keys_is_measured", |fixture| {
        ceremony(fixture);
        let token = fixture.open(1);
        let made_last = AtomicUsize::new(0);
        let made = make_wrapped_keys(&token, &key(WRAPPING), 300..340, 2, &|number| {
            made_last.fetch_max(number, Ordering::Relaxed);
        })
        .unwrap();
        let ids: BTreeSet<KeyId> = made.iter().map(|key| key.id).collect();
        assert_eq!((ids.len(), made_last.into_inner()), (40, 339));
        let cost = wrapped_cost(&token, &made).unwrap();
        assert_eq!(cost.keys, 40);
        assert_eq!(token.counters().signatures, 40 + 40);
    });
}
