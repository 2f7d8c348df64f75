//! The canary on a real SoftHSM token: its nonces are computed and pass.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use cryptoki::object::{Attribute, ObjectClass};
use custodyd_hsm::{CanaryReport, Hsm as _};
use fixture::with_token;

#[test]
fn the_nonces_of_a_good_token_pass_and_no_key_is_left() {
    with_token(
        "the_nonces_of_a_good_token_pass_and_no_key_is_left",
        |fixture| {
            let token = fixture.open(1);
            assert_eq!(
                token.canary(1024),
                Ok(CanaryReport::Sound { samples: 1024 })
            );
            assert_eq!(token.canary(0), Ok(CanaryReport::Sound { samples: 1 }));
            let left = fixture
                .intruder()
                .session
                .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])
                .unwrap();
            assert_eq!(left, []);
            assert_eq!(token.counters().signatures, 0, "they are nobody's");
        },
    );
}
