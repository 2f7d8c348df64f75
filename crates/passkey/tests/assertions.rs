//! Assertions: what holds, what is refused, and that no bit of one can be changed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common;

use common::{CHALLENGE, Said, Secret, VERIFIED, party};
use custodyd_passkey::{Assertion, AssertionFault, CredentialId};
use proptest::{prelude::*, sample::Index};

fn said() -> Said {
    Said::of("webauthn.get")
}

#[track_caller]
fn fault_of(said: &Said) -> AssertionFault {
    let [secret, _] = Secret::both();
    let assertion = said.signed(&secret);
    let verified = assertion.verify(&secret.passkey(), &party(), &CHALLENGE);
    verified.unwrap_err()
}

#[test]
fn a_passkeys_word_holds_for_either_algorithm_and_from_each_origin() {
    for secret in Secret::both() {
        for origin in ["https://custody.example", "https://custody.example:8443"] {
            let said = said().with("https://custody.example", origin);
            let assertion = said.signed(&secret);
            let presence = assertion.verify(&secret.passkey(), &party(), &CHALLENGE);
            let presence = presence.unwrap();
            assert_eq!((presence.counter, presence.backed_up), (9, false));
            let text = serde_json::to_string(&assertion).unwrap();
            assert_eq!(serde_json::from_str::<Assertion>(&text).unwrap(), assertion);
        }
    }
}

#[test]
fn members_that_browsers_may_add_are_let_through() {
    let [secret, _] = Secret::both();
    let added = said().with(
        "\"crossOrigin\":false",
        "\"x\":{\"y\":[1]},\"crossOrigin\":false",
    );
    let verified = added
        .signed(&secret)
        .verify(&secret.passkey(), &party(), &CHALLENGE);
    assert!(verified.is_ok());
    let mut synchronised = said();
    synchronised.flags = VERIFIED | 0b1_1000;
    let verified = synchronised
        .signed(&secret)
        .verify(&secret.passkey(), &party(), &CHALLENGE);
    assert!(verified.unwrap().backed_up);
    let mut extended = said();
    extended.flags = VERIFIED | 0b1000_0000;
    extended.rest = vec![0xa0];
    let verified = extended
        .signed(&secret)
        .verify(&secret.passkey(), &party(), &CHALLENGE);
    assert!(verified.is_ok());
}

#[test]
fn what_was_signed_elsewhere_or_for_something_else_is_refused() {
    use AssertionFault as Fault;
    let origin = |text: &str| fault_of(&said().with("https://custody.example", text));
    for elsewhere in [
        "https://custody.example.evil.org",
        "http://custody.example",
        "https://custody.example:444",
        "https://custody.example/",
        "null",
    ] {
        assert_eq!(origin(elsewhere), Fault::Origin(elsewhere.to_owned()));
    }
    let registration = said().with("webauthn.get", "webauthn.create");
    assert!(matches!(fault_of(&registration), Fault::Type(_)));
    let framed = said().with("\"crossOrigin\":false", "\"crossOrigin\":true");
    assert_eq!(fault_of(&framed), Fault::CrossOrigin);
    let on_top = said().with(
        "\"crossOrigin\":false",
        "\"topOrigin\":\"https://evil.example\"",
    );
    assert_eq!(fault_of(&on_top), Fault::CrossOrigin);
    // The same bytes, spelt in another way.
    let padded = said().with("\",\"origin\"", "=\",\"origin\"");
    assert_eq!(fault_of(&padded), Fault::Challenge);
    let twice = said().with("{\"type\"", "{\"origin\":\"https://evil.example\",\"type\"");
    assert!(matches!(fault_of(&twice), Fault::ClientData(_)));
    let [secret, _] = Secret::both();
    let other = said()
        .signed(&secret)
        .verify(&secret.passkey(), &party(), &[0; 32]);
    assert_eq!(other.unwrap_err(), Fault::Challenge);
    let mut said = said();
    said.rp_id = "example".to_owned();
    assert_eq!(fault_of(&said), Fault::RelyingParty);
}

#[test]
fn an_authenticator_that_does_not_know_its_user_is_refused() {
    use AssertionFault as Fault;
    let flags = |flags| {
        let mut said = said();
        said.flags = flags;
        fault_of(&said)
    };
    assert_eq!(flags(0b100), Fault::NotPresent);
    assert_eq!(flags(0b001), Fault::NotVerified);
    assert_eq!(flags(0), Fault::NotPresent);
    for impossible in [1 << 1, 1 << 4, 1 << 5, 1 << 6, 1 << 7] {
        let fault = flags(VERIFIED | impossible);
        assert!(
            matches!(fault, Fault::AuthenticatorData(_)),
            "{impossible:b}"
        );
    }
    let mut long = said();
    long.rest = vec![0];
    assert!(matches!(fault_of(&long), Fault::AuthenticatorData(_)));
}

#[test]
fn a_word_is_one_credentials_only() {
    let [es256, ed25519] = Secret::both();
    let mut assertion = said().signed(&es256);
    let verified = assertion.verify(&ed25519.passkey(), &party(), &CHALLENGE);
    assert_eq!(verified, Err(AssertionFault::Signature));
    assertion.credential = CredentialId::new(vec![1]).unwrap();
    let verified = assertion.verify(&es256.passkey(), &party(), &CHALLENGE);
    assert_eq!(verified, Err(AssertionFault::OtherCredential));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bit_of_an_assertion_can_be_flipped(which in 0..2_usize, part in 0..4_u8, place: Index, bit in 0..8_u8) {
        let secret = &Secret::both()[which];
        let mut assertion = said().signed(secret);
        if part == 3 {
            let mut id = assertion.credential.as_bytes().to_vec();
            let at = place.index(id.len());
            id[at] ^= 1 << bit;
            assertion.credential = CredentialId::new(id).unwrap();
        } else {
            let bytes = match part {
                0 => &mut assertion.authenticator_data,
                1 => &mut assertion.client_data,
                _ => &mut assertion.signature,
            };
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        prop_assert!(assertion.verify(&secret.passkey(), &party(), &CHALLENGE).is_err());
    }

    #[test]
    fn no_bit_of_the_challenge_can_be_flipped(at in 0..32_usize, bit in 0..8_u8) {
        let [secret, _] = Secret::both();
        let mut challenge = CHALLENGE;
        challenge[at] ^= 1 << bit;
        let verified = said().signed(&secret).verify(&secret.passkey(), &party(), &challenge);
        prop_assert_eq!(verified, Err(AssertionFault::Challenge));
    }

    #[test]
    fn nothing_that_is_cut_or_made_longer_holds(part in 0..3_u8, length in 0..400_usize) {
        let [secret, _] = Secret::both();
        let mut assertion = said().signed(&secret);
        let bytes = match part {
            0 => &mut assertion.authenticator_data,
            1 => &mut assertion.client_data,
            _ => &mut assertion.signature,
        };
        prop_assume!(bytes.len() != length);
        bytes.resize(length, b' ');
        prop_assert!(assertion.verify(&secret.passkey(), &party(), &CHALLENGE).is_err());
    }
}
