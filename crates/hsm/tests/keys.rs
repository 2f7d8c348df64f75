//! Keys on a real SoftHSM token: made as they must be, found again, and refused where they are not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use cryptoki::object::{Attribute, ObjectClass};
use custodyd_hsm::{Curve, Flag, Hsm as _, HsmError};
use fixture::{LABEL, LONG, key, with_each_module};

const SECP256K1: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const FIXED: [Attribute; 4] = [
    Attribute::Private(true),
    Attribute::Sensitive(true),
    Attribute::Extractable(false),
    Attribute::Derive(false),
];

fn all_but(changed: Attribute) -> Vec<Attribute> {
    let usages = [
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::SignRecover(false),
    ];
    let kept = FIXED
        .into_iter()
        .chain(usages)
        .filter(|one| one.attribute_type() != changed.attribute_type());
    kept.chain([changed.clone()]).collect()
}

#[test]
fn a_generated_key_never_leaves_and_only_signs() {
    with_each_module("a_generated_key_never_leaves_and_only_signs", |fixture| {
        let token = fixture.open(2);
        let quirks = fixture.profile().quirks;
        for (number, curve) in [(1, Curve::Secp256k1), (2, Curve::P256)] {
            let public = token.generate(&key(number), "hot one", curve).unwrap();
            let report = token.find(&key(number)).unwrap().unwrap();
            assert_eq!(
                (report.public, report.curve, report.label.as_str()),
                (public, curve, "hot one")
            );
            for flag in Flag::ALL {
                let known = !quirks.unsupported_attributes.contains(&flag);
                let expected = known.then(|| flag.required().unwrap_or(false));
                assert_eq!(report.attributes.get(flag), expected, "{}", flag.name());
            }
            token.check_attributes(&key(number)).unwrap();
        }
        assert_eq!(token.find(&key(3)).unwrap(), None);
        assert_eq!(
            token
                .list()
                .unwrap()
                .iter()
                .map(|report| report.id)
                .collect::<Vec<_>>(),
            [key(1), key(2)]
        );
        assert_eq!(token.info().label, LABEL);
    });
}

#[test]
fn generating_twice_makes_one_key() {
    with_each_module("generating_twice_makes_one_key", |fixture| {
        let token = fixture.open(4);
        let first = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        assert_eq!(token.generate(&key(1), "hot", Curve::Secp256k1), Ok(first));
        assert_eq!(
            token.generate(&key(1), "hot", Curve::P256),
            Err(HsmError::CurveMismatch {
                key: key(1),
                wanted: Curve::P256,
                found: Curve::Secp256k1
            })
        );
        let answers: Vec<_> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| token.generate(&key(2), "raced", Curve::Secp256k1)))
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        let made = token.find(&key(2)).unwrap().unwrap().public;
        for answer in answers {
            assert!(
                answer == Ok(made) || answer == Err(HsmError::GenerationRunning { key: key(2) }),
                "{answer:?}"
            );
        }
        assert_eq!(
            fixture
                .intruder()
                .find(key(2), ObjectClass::PRIVATE_KEY)
                .len(),
            1
        );
    });
}

#[test]
fn a_key_survives_reopening_the_token() {
    with_each_module("a_key_survives_reopening_the_token", |fixture| {
        let public = fixture
            .open(1)
            .generate(&key(1), "hot", Curve::Secp256k1)
            .unwrap();
        let again = fixture.open(1);
        assert_eq!(again.find(&key(1)).unwrap().unwrap().public, public);
        again
            .sign(&key(1), Curve::Secp256k1, [7; 32], LONG)
            .unwrap();
    });
}

#[test]
fn a_key_that_could_leave_or_do_more_than_sign_is_refused_by_name() {
    with_each_module(
        "a_key_that_could_leave_or_do_more_than_sign_is_refused_by_name",
        |fixture| {
            let token = fixture.open(1);
            let intruder = fixture.intruder();
            let wrong = [
                (Attribute::Extractable(true), "CKA_EXTRACTABLE", false),
                (Attribute::Sensitive(false), "CKA_SENSITIVE", true),
                (Attribute::Private(false), "CKA_PRIVATE", true),
                (Attribute::Derive(true), "CKA_DERIVE", false),
                (Attribute::Decrypt(true), "CKA_DECRYPT", false),
                (Attribute::Unwrap(true), "CKA_UNWRAP", false),
                (Attribute::SignRecover(true), "CKA_SIGN_RECOVER", false),
            ];
            let unsupported = fixture.profile().quirks.unsupported_attributes;
            let known = |name: &str| unsupported.iter().all(|flag| flag.name() != name);
            let wrong = wrong.into_iter().filter(|(_, name, _)| known(name));
            for (number, (attribute, name, required)) in (10..).zip(wrong) {
                let id = key(number);
                intruder.generate(id, SECP256K1, &all_but(attribute));
                let refusal = HsmError::KeyRefused {
                    key: id,
                    attribute: name.into(),
                    found: Some(!required),
                    required,
                };
                assert_eq!(token.check_attributes(&id), Err(refusal.clone()));
                assert_eq!(
                    token.sign(&id, Curve::Secp256k1, [1; 32], LONG),
                    Err(refusal.clone())
                );
                assert_eq!(
                    token.generate(&id, "mine", Curve::Secp256k1),
                    Err(refusal.clone())
                );
                assert!(refusal.to_string().contains(&id.to_string()), "{refusal}");
            }
        },
    );
}

#[test]
fn a_key_brought_in_from_outside_is_refused() {
    with_each_module("a_key_brought_in_from_outside_is_refused", |fixture| {
        let token = fixture.open(1);
        // The private key 1, whose public point is the generator.
        let mut one = [0; 32];
        one[31] = 1;
        let mut point = vec![0x04, 0x41];
        point.extend(hex::decode("0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8").unwrap());
        let id = Attribute::Id(key(1).as_bytes().to_vec());
        let common = [
            Attribute::KeyType(cryptoki::object::KeyType::EC),
            Attribute::Token(true),
            Attribute::EcParams(SECP256K1.to_vec()),
            id,
        ];
        let private = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Sign(true),
            Attribute::Value(one.to_vec()),
        ];
        let usages = all_but(Attribute::Derive(false));
        let intruder = fixture.intruder();
        intruder
            .session
            .create_object(&[&common[..], &private, &usages].concat())
            .unwrap();
        let public = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::EcPoint(point),
        ];
        intruder
            .session
            .create_object(&[&common[..], &public].concat())
            .unwrap();
        let Err(HsmError::KeyRefused {
            attribute,
            found: Some(false),
            required: true,
            ..
        }) = token.sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
        else {
            panic!("an imported key was used");
        };
        assert_eq!(attribute, "CKA_ALWAYS_SENSITIVE");
    });
}

#[test]
fn two_keys_with_one_id_are_refused() {
    with_each_module("two_keys_with_one_id_are_refused", |fixture| {
        let token = fixture.open(1);
        token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        fixture.intruder().generate(key(1), SECP256K1, &FIXED);
        let refusal = HsmError::KeyDuplicated {
            key: key(1),
            class: "private".into(),
            count: 2,
        };
        assert_eq!(token.find(&key(1)), Err(refusal.clone()));
        assert_eq!(
            token.sign(&key(1), Curve::Secp256k1, [1; 32], LONG),
            Err(refusal.clone())
        );
        assert_eq!(
            token.generate(&key(1), "hot", Curve::Secp256k1),
            Err(refusal)
        );
    });
}

#[test]
fn a_key_on_another_curve_is_refused() {
    with_each_module("a_key_on_another_curve_is_refused", |fixture| {
        let token = fixture.open(1);
        fixture.intruder().generate(key(1), P384, &FIXED);
        let error = token.find(&key(1)).unwrap_err();
        assert!(
            matches!(
                error,
                HsmError::KeyUnreadable { ref attribute, .. } if attribute == "CKA_EC_PARAMS"
            ),
            "{error}"
        );
    });
}

#[test]
fn a_key_destroyed_under_our_feet_is_reported_missing() {
    with_each_module(
        "a_key_destroyed_under_our_feet_is_reported_missing",
        |fixture| {
            let token = fixture.open(2);
            token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
            token
                .sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
                .unwrap();
            fixture.intruder().destroy(key(1));
            for _ in 0..4 {
                assert_eq!(
                    token.sign(&key(1), Curve::Secp256k1, [1; 32], LONG),
                    Err(HsmError::KeyMissing {
                        key: key(1),
                        token: LABEL.to_owned()
                    })
                );
            }
        },
    );
}

#[test]
fn a_key_replaced_under_our_feet_is_refused() {
    with_each_module("a_key_replaced_under_our_feet_is_refused", |fixture| {
        let token = fixture.open(2);
        let was = token.generate(&key(1), "hot", Curve::Secp256k1).unwrap();
        let intruder = fixture.intruder();
        intruder.destroy(key(1));
        intruder.generate(key(1), SECP256K1, &all_but(Attribute::Derive(false)));
        match token.sign(&key(1), Curve::Secp256k1, [1; 32], LONG) {
            Err(HsmError::KeyChanged { was: seen, now, .. }) => assert!(seen == was && now != was),
            other => panic!("{other:?}"),
        }
    });
}
