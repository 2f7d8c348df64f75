//! Any change to a signed request makes it fail: no covered part, and no byte of the evidence, can be altered.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use custodyd_httpsig::{SignedRequest, SigningKey, UnsignedRequest, content_digest, sign};
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

prop_compose! {
    fn requests()(
        post in any::<bool>(),
        host in "[a-z]{1,12}(:[1-9][0-9]{3})?",
        path in "(/[a-z0-9_.-]{1,12}[a-z]){1,4}",
        query in prop::option::of("[a-z]{1,8}=[A-Za-z0-9_~-]{0,12}"),
        idempotency in prop::option::of("[!-~]{1,40}"),
        body in prop::collection::vec(any::<u8>(), 0..200),
        nonce in "[A-Za-z0-9_-]{16,64}",
        id in "[a-z0-9-]{1,64}",
        created in 0_u64..4_000_000_000,
    ) -> SignedRequest {
        let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let request = UnsignedRequest {
            method: if post { "POST" } else { "GET" },
            authority: &host,
            target: &target,
            content_type: (!body.is_empty()).then_some("application/json"),
            idempotency_key: idempotency.as_deref(),
            body: &body,
        };
        sign(&request, &format!("client/{id}"), &nonce, created, &key())
            .unwrap()
            .attach(&request)
    }
}

/// Replaces, inserts or removes one character.
fn edited(text: &str, at: usize, with: char, how: u8) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = at % letters.len().max(1);
    match how % 3 {
        0 if !letters.is_empty() => letters[at] = with,
        1 if !letters.is_empty() => {
            letters.remove(at);
        }
        _ => letters.insert(at, with),
    }
    letters.into_iter().collect()
}

proptest! {
    #[test]
    fn what_is_signed_verifies(request in requests()) {
        prop_assert!(request.verify_stored(&key().verifying_key()).is_ok());
    }

    #[test]
    fn a_changed_part_fails(
        request in requests(),
        part in 0_usize..8,
        at in any::<usize>(),
        with in prop_oneof![prop::char::range(' ', '~'), any::<char>()],
        how in any::<u8>(),
    ) {
        let mut changed = request.clone();
        let edit = |text: &mut String| *text = edited(text, at, with, how);
        let edit_optional = |text: &mut Option<String>| match text {
            Some(text) => edit(text),
            None => *text = Some(edited("x", at, with, how)),
        };
        match part {
            0 => edit(&mut changed.method),
            1 => edit(&mut changed.authority),
            2 => edit(&mut changed.target),
            3 => edit_optional(&mut changed.content_digest),
            4 => edit_optional(&mut changed.content_type),
            5 => edit_optional(&mut changed.idempotency_key),
            6 => edit(&mut changed.signature_input),
            _ => edit(&mut changed.signature),
        }
        prop_assume!(changed != request);
        prop_assert!(changed.verify_stored(&key().verifying_key()).is_err(), "{changed:?}");
    }

    #[test]
    fn a_changed_body_fails_even_with_its_own_digest(
        request in requests(),
        at in any::<usize>(),
        with in 1_u8..,
        redigest in any::<bool>(),
    ) {
        let mut changed = request;
        if changed.body.is_empty() {
            changed.body.push(with);
        } else {
            let at = at % changed.body.len();
            changed.body[at] ^= with;
        }
        if redigest {
            changed.content_digest = Some(content_digest(&changed.body));
        }
        prop_assert!(changed.verify_stored(&key().verifying_key()).is_err());
    }

    #[test]
    fn a_removed_header_fails(request in requests(), part in 0_usize..3) {
        let mut changed = request.clone();
        match part {
            0 => changed.content_digest = None,
            1 => changed.content_type = None,
            _ => changed.idempotency_key = None,
        }
        prop_assume!(changed != request);
        prop_assert!(changed.verify_stored(&key().verifying_key()).is_err());
    }

    #[test]
    fn a_signature_does_not_fit_another_request(one in requests(), two in requests()) {
        let mixed = SignedRequest { signature: two.signature.clone(), ..one.clone() };
        prop_assume!(mixed != one);
        prop_assert!(mixed.verify_stored(&key().verifying_key()).is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), field in "[a-z0-9=();:\", @./-]{0,200}") {
        let _ = custodyd_httpsig::Parameters::parse(&text);
        let _ = custodyd_httpsig::Parameters::parse(&field);
    }
}
