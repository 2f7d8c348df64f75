//! The canary: the nonces of a real SoftHSM token pass, those of a broken generator don't.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fixture;

use cryptoki::object::{Attribute, ObjectClass};
use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{CanaryReport, Hsm as _};
use fixture::{with_shim, with_token};

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

#[test]
fn nonces_with_leading_zeros_and_nonces_that_repeat_are_told() {
    const NAME: &str = "nonces_with_leading_zeros_and_nonces_that_repeat_are_told";
    with_shim(NAME, |fixture| {
        let token = fixture.open(2);
        for (fault, finding) in [
            // Of a signature made low-S the nonce is the group's order less the one drawn: 0 and 255.
            (Some(Injection::BiasedNonce(8)), "byte 0 is "),
            (Some(Injection::RepeatedNonce), "nonces were used before"),
            (None, ""),
        ] {
            let rules = Rules::none().emulate(0);
            fixture.set_rules(&match fault {
                Some(fault) => rules.every(Function::Sign, fault),
                None => rules,
            });
            match (fault, token.canary(1024).unwrap()) {
                (Some(_), CanaryReport::Biased { samples, findings }) => {
                    assert_eq!(samples, 1024);
                    assert!(findings.concat().contains(finding), "{findings:?}");
                }
                (None, CanaryReport::Sound { samples: 1024 }) => {}
                (fault, report) => panic!("{fault:?}: {report:?}"),
            }
        }
    });
}

#[test]
fn a_token_that_takes_no_key_from_outside_says_so_and_is_not_blamed() {
    const NAME: &str = "a_token_that_takes_no_key_from_outside_says_so_and_is_not_blamed";
    with_shim(NAME, |fixture| {
        let refused = Code::named("CKR_TEMPLATE_INCONSISTENT").unwrap();
        fixture.set_rules(&Rules::none().every(Function::CreateObject, Injection::Code(refused)));
        let token = fixture.open(1);
        let code = "CKR_TEMPLATE_INCONSISTENT".to_owned();
        assert_eq!(token.canary(1024), Ok(CanaryReport::NotPossible { code }));
        let counters = token.counters();
        assert_eq!((counters.failures_fatal, counters.retries), (0, 0));
    });
}
