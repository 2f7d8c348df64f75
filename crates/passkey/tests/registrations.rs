//! Registrations: which new passkeys are taken, and that anything else is refused without harm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use common::{CHALLENGE, ID, NEW, Said, Secret, VERIFIED, new_credential, party};
use custodyd_passkey::{AssertionFault, Registration, RegistrationFault};
use proptest::{prelude::*, sample::Index};

fn said(secret: &Secret) -> Said {
    let mut said = Said::of("webauthn.create");
    said.flags = VERIFIED | NEW;
    said.rest = new_credential(&ID, &secret.cose());
    said
}

#[track_caller]
fn fault_of(registration: &Registration) -> RegistrationFault {
    registration.verify(&party(), &CHALLENGE).unwrap_err()
}

#[test]
fn a_passkey_of_either_algorithm_is_taken_and_signs_from_then_on() {
    for secret in Secret::both() {
        let registration = said(&secret).registered();
        let passkey = registration.verify(&party(), &CHALLENGE).unwrap();
        assert_eq!(passkey, secret.passkey());
        let assertion = Said::of("webauthn.get").signed(&secret);
        assert!(assertion.verify(&passkey, &party(), &CHALLENGE).is_ok());
        let text = serde_json::to_string(&registration).unwrap();
        assert_eq!(
            serde_json::from_str::<Registration>(&text).unwrap(),
            registration
        );
    }
}

#[test]
fn what_authenticators_add_unasked_is_let_through_and_believed_by_nobody() {
    let [secret, _] = Secret::both();
    // Extensions: credProtect 2, as security keys add it for discoverable credentials (CTAP 2.1 §12.1).
    let mut protected = said(&secret);
    protected.flags |= 0b1000_0000;
    protected.rest.extend_from_slice(b"\xa1\x6bcredProtect\x02");
    assert!(protected.registered().verify(&party(), &CHALLENGE).is_ok());
    // Self attestation, which a browser may hand through (WebAuthn Level 2 §5.1.3).
    let own = b"\x63fmt\x66packed\x67attStmt\xa2\x63alg\x26\x63sig\x43\x01\x02\x03";
    assert!(
        said(&secret)
            .attested(own)
            .verify(&party(), &CHALLENGE)
            .is_ok()
    );
}

#[test]
fn an_authenticator_that_does_not_know_its_user_is_refused() {
    let [secret, _] = Secret::both();
    let flags = |flags| {
        let mut said = said(&secret);
        said.flags = flags;
        fault_of(&said.registered())
    };
    assert_eq!(flags(NEW | 0b001), AssertionFault::NotVerified.into());
    assert_eq!(flags(NEW | 0b100), AssertionFault::NotPresent.into());
    let none = AssertionFault::AuthenticatorData("no new credential");
    assert_eq!(flags(VERIFIED), none.into());
}

#[test]
fn a_registration_for_another_place_or_challenge_is_refused() {
    let [secret, _] = Secret::both();
    let elsewhere = said(&secret).with("https://custody.example", "https://evil.example");
    let fault = AssertionFault::Origin("https://evil.example".to_owned());
    assert_eq!(fault_of(&elsewhere.registered()), fault.into());
    let assertion = said(&secret).with("webauthn.create", "webauthn.get");
    let fault = AssertionFault::Type("webauthn.get".to_owned());
    assert_eq!(fault_of(&assertion.registered()), fault.into());
    let old = said(&secret).registered().verify(&party(), &[1; 32]);
    assert_eq!(old.unwrap_err(), AssertionFault::Challenge.into());
    let mut other = said(&secret);
    other.rp_id = "evil.example".to_owned();
    assert_eq!(
        fault_of(&other.registered()),
        AssertionFault::RelyingParty.into()
    );
}

#[test]
fn an_attestation_that_nobody_asked_for_is_refused() {
    let [secret, _] = Secret::both();
    for before in [
        &b"\x63fmt\x64none\x67attStmt\xa1\x63sig\x41\x00"[..],
        b"\x63fmt\x66packed\x67attStmt\xa3\x63alg\x26\x63sig\x41\x00\x63x5c\x80",
        b"\x63fmt\x68fido-u2f\x67attStmt\xa2\x63sig\x41\x00\x63x5c\x80",
        b"\x63fmt\x66packed\x67attStmt\xa0",
    ] {
        let fault = fault_of(&said(&secret).attested(before));
        assert!(matches!(fault, RegistrationFault::Format(_)), "{fault}");
    }
    for before in [
        &b"\x63fmt\x64none\x63fmt\x64none"[..],
        b"\x63fmt\x64none\x67attXtmt\xa0",
        b"\x63fmt\x64none\x67attStmt\xbf\xff",
        b"\x63fmt\x64none\x67attStmt\xa4\x61a\x00\x61b\x00\x61c\x00\x61d\x00",
        b"\x63fmt\x00\x67attStmt\xa0",
    ] {
        let fault = fault_of(&said(&secret).attested(before));
        assert!(
            matches!(fault, RegistrationFault::Attestation(_)),
            "{fault}"
        );
    }
}

#[test]
fn a_key_that_is_not_used_here_is_refused() {
    let [es256, ed25519] = Secret::both();
    let with = |cose: Vec<u8>| {
        let mut said = said(&es256);
        said.rest = new_credential(&ID, &cose);
        fault_of(&said.registered())
    };
    // RS256, and ES256 by the name of ES384 (RFC 9053 §2.1).
    let rs256 = b"\xa4\x01\x03\x03\x39\x01\x00\x20\x01\x21\x40".to_vec();
    assert_eq!(with(rs256), RegistrationFault::Algorithm(-257));
    let mut es384 = es256.cose();
    es384.splice(4..5, [0x38, 0x22]);
    assert_eq!(with(es384), RegistrationFault::Algorithm(-35));
    let spoilt = |secret: &Secret, at: usize, byte: u8| {
        let mut cose = secret.cose();
        cose[at] = byte;
        with(cose)
    };
    for (what, fault) in [
        ("another curve", spoilt(&es256, 6, 0x02)),
        ("another type of key", spoilt(&es256, 2, 0x01)),
        ("Ed25519's algorithm", spoilt(&es256, 4, 0x27)),
        ("not on the curve", spoilt(&es256, 11, 0)),
        ("a member twice", spoilt(&es256, 3, 0x01)),
        ("another member", spoilt(&es256, 42, 0x23)),
        (
            "a weak point",
            with([&ed25519.cose()[..10], &[0; 32]].concat()),
        ),
        ("no point", with(b"\xa3\x01\x02\x03\x26\x20\x01".to_vec())),
        ("no map", with(vec![0x80])),
        ("nothing", with(Vec::new())),
    ] {
        assert!(
            matches!(fault, RegistrationFault::Key(_)),
            "{what}: {fault}"
        );
    }
}

#[test]
fn what_comes_after_is_refused() {
    let [secret, _] = Secret::both();
    let mut after_key = said(&secret);
    after_key.rest.push(0);
    let fault = fault_of(&after_key.registered());
    assert!(matches!(fault, RegistrationFault::Said(_)), "{fault}");
    let mut after_all = said(&secret).registered();
    after_all.attestation.push(0);
    assert!(matches!(
        fault_of(&after_all),
        RegistrationFault::Attestation(_)
    ));
    let mut long = said(&secret);
    long.rest = new_credential(&[1; 513], &secret.cose());
    assert!(matches!(
        fault_of(&long.registered()),
        RegistrationFault::Attestation(_)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without attestation nothing vouches for id, key and counter; everything else is fixed, and none of it brings anything down.
    #[test]
    fn a_flipped_bit_gives_another_passkey_at_most(which in 0..2_usize, place: Index, bit in 0..8_u8) {
        let secret = &Secret::both()[which];
        let mut registration = said(secret).registered();
        let at = place.index(registration.attestation.len());
        registration.attestation[at] ^= 1 << bit;
        if let Ok(passkey) = registration.verify(&party(), &CHALLENGE) {
            let data = registration.attestation.len() - (37 + 16 + 2 + ID.len() + secret.cose().len());
            prop_assert!(at >= data + 32, "the relying party or what comes before it");
            prop_assert!(passkey != secret.passkey() || at < data + 53, "id or key");
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(attestation in prop::collection::vec(any::<u8>(), 0..300)) {
        let [secret, _] = Secret::both();
        let registration = Registration { attestation, ..said(&secret).registered() };
        prop_assert!(registration.verify(&party(), &CHALLENGE).is_err());
    }
}
